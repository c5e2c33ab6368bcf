"""Claims for the tests' steps, of volumes that a pod's user may write to."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kubernetes.cluster import Object, apply, kubectl, until

HOST = "/tmp/hostpath_pv"  # where a provisioner of host paths makes volumes
RUN_AS_ROOT = {"runAsUser": 0, "runAsNonRoot": False}


def opener(namespace: str, image: str) -> Object:
    """Makes what a provisioner of host paths makes for root alone writable, as other provisioners do."""
    container = {
        "name": "open",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"while true; do chmod 0777 {HOST}/* 2>/dev/null; sleep 1; done"],
        "securityContext": RUN_AS_ROOT,
        "volumeMounts": [{"name": "volumes", "mountPath": HOST}],
    }
    pod = {
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "volumes", "hostPath": {"path": HOST, "type": "DirectoryOrCreate"}}],
    }
    labels = {"app": "open-volumes"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "open-volumes", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def claim(namespace: str, **changes: object) -> Object:
    """A claim of files that several nodes share, of ``MLCYCLE_TEST_STORAGE_CLASS`` or the default class."""
    name = os.environ.get("MLCYCLE_TEST_STORAGE_CLASS")
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Gi"}},
        **({"storageClassName": name} if name else {}),
        **changes,
    }
    meta = {"name": f"kept-{secrets.token_hex(3)}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


@contextmanager
def workshop(image: str) -> Iterator[str]:
    """A namespace where pods may be root and see their node's files."""
    name = f"mlcycle-test-open-{secrets.token_hex(3)}"
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        apply(opener(name, image))
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def root_s_own(namespace: str, node: str) -> Iterator[str]:
    """The class of a volume on a node's disk that is root's alone until the kubelet gives it a pod's group."""
    name = f"mlcycle-test-{secrets.token_hex(3)}"
    path = f"{HOST}/closed/{name}"  # deeper than the opener opens
    on_node = ("pods", "-l", "app=open-volumes", f"--field-selector=spec.nodeName={node}", "-o", "name")
    until(lambda: kubectl("-n", namespace, "get", *on_node), 30, "for the workshop's pod")
    inside = kubectl("-n", namespace, "get", *on_node).strip()
    kubectl("-n", namespace, "wait", "--for=condition=Ready", inside, "--timeout=60s")
    kubectl("-n", namespace, "exec", inside, "--", "mkdir", "-p", "-m", "755", path)
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": name,
        "local": {"path": path},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    try:
        apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
        yield name
    finally:
        kubectl("delete", "pv", name, "--wait=false")
        kubectl("-n", namespace, "exec", inside, "--", "rm", "-rf", path)
