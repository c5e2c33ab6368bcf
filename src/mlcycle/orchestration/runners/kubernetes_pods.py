"""A step's pod, or its gang of pods, as documents for the Kubernetes API; nothing secret is in them."""

import json
from collections.abc import Mapping
from math import ceil
from typing import Any

from mlcycle.contract import Request
from mlcycle.domain.step_secrets import SIGNING_KEY, secret_names
from mlcycle.errors import ConfigError
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.exchange import Exchange
from mlcycle.orchestration.runners.kubernetes_pools import Pool, pending, pool_of
from mlcycle.orchestration.runners.kubernetes_volumes import claims, security
from mlcycle.orchestration.runners.naming import instance, step_digest, step_name
from mlcycle.settings import QUIET, plain_environment

Object = dict[str, Any]

MINE = {"app.kubernetes.io/name": "mlcycle-step", "app.kubernetes.io/managed-by": "mlcycle"}
OURS = "mlcycle.dev/"  # begins the names of our labels and annotations
WORK, SECONDS, MEMORY = OURS + "work", OURS + "seconds", OURS + "memory"
GANG = OURS + "gang"  # label of pods that talk to each other
SECRETS = "/run/secrets/mlcycle"
SCRATCH = "/scratch"  # of the image, the user's own
PORT = 29500  # that a gang's pods find each other at
_MIB = 1024**2
#: What the object store's clients read and is the same in every pod; what tells a pod's own identity is not.
STORE = (
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *(
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
    ),
)


def ours(env: Mapping[str, str]) -> dict[str, str]:
    """Labels of everything that this platform makes for steps, and no other in the namespace."""
    return {**MINE, f"{OURS}instance": instance(env)}


def documents(
    env: Mapping[str, str], request: Request, placement: Placement, role: str, exchange: Exchange
) -> tuple[str, Object, Object | None]:
    """The kind (``pods`` or ``jobs``) and document of a step, and a gang's Service. Raises ConfigError."""
    limits = placement.limits
    if not placement.image:
        raise ConfigError(
            "MLCYCLE_IMAGE is not set: steps run in pods of mlcycle-step or an image made from it"
        )
    pool = pool_of(env, limits)
    name, labels = step_name(env, request.work), _labels(env, request)
    annotations = _annotations(request, placement)
    step = ["step", request.step, "--request", exchange.request_url, "--result", exchange.result_url]
    pod = {
        "metadata": {
            "labels": {**pool.labels, **labels},
            "annotations": {**pool.annotations, **annotations},
        },
        "spec": _pod(env, request, placement, role, pool, _command(step, name, limits.gpu, limits.nodes)),
    }
    if limits.nodes == 1:
        pod["metadata"]["name"] = name
        return "pods", {"apiVersion": "v1", "kind": "Pod", **pod}, None
    pod["metadata"]["labels"][GANG] = "true"
    pod["spec"]["subdomain"] = name
    labels = {**pool.labels, **labels}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels, "annotations": {**pool.annotations, **annotations}},
        "spec": {
            "completions": limits.nodes,
            "parallelism": limits.nodes,
            "completionMode": "Indexed",
            "backoffLimit": 0,  # all or none: a retry is the platform's, and of the whole gang
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}},
                ]
            },
            "ttlSecondsAfterFinished": 86_400,
            "template": pod,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {**ours(env), WORK: labels[WORK]}},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {WORK: labels[WORK]},
            "ports": [{"name": "torchrun", "port": PORT}],
        },
    }
    return "jobs", job, service


def _command(step: list[str], name: str, gpu: int, nodes: int) -> Object:
    """The image's own program; below torchrun, which starts one for each GPU, where there are several."""
    if gpu * nodes <= 1:
        return {"args": step}
    each = ["torchrun", f"--nproc-per-node={gpu}", "--max-restarts=0"]
    if nodes == 1:
        where = ["--standalone"]
    else:
        where = [f"--nnodes={nodes}", "--node-rank=$(JOB_COMPLETION_INDEX)"]
        where += [f"--master-addr={name}-0.{name}", f"--master-port={PORT}"]
    return {"command": [*each, *where, "--no-python", "mlcycle", *step]}


def _pod(
    env: Mapping[str, str], request: Request, placement: Placement, role: str, pool: Pool, command: Object
) -> Object:
    limits = placement.limits
    given = {name: value for name, value in plain_environment(env).items() if _travels(name)}
    variables = {
        "MLCYCLE_THREADS": str(ceil(limits.cpu)),
        **given,
        "MLCYCLE_SCRATCH": SCRATCH,
        "MLCYCLE_SECRETS": SECRETS,
        "HOME": "/tmp",  # noqa: S108 - of the container, its own
        "PYTHONUNBUFFERED": "1",
    }
    shared = max(64 * _MIB, limits.memory // 4)  # what torch's loaders share; counts as the step's memory
    volumes = {
        "secrets": (SECRETS, _secrets(env, request, role)),
        "scratch": (SCRATCH, {"emptyDir": {"sizeLimit": pool.scratch}}),
        "tmp": ("/tmp", {"emptyDir": {"sizeLimit": "1Gi"}}),  # noqa: S108 - of the container, its own
        "shm": ("/dev/shm", {"emptyDir": {"medium": "Memory", "sizeLimit": str(shared)}}),  # noqa: S108
    }
    kept = claims(env, request.step, [path for path, _ in volumes.values()])
    for number, (claim, path) in enumerate(kept.items()):
        volumes[f"kept-{number}"] = (path, {"persistentVolumeClaim": {"claimName": claim}})
    container = {
        "name": "step",
        "image": placement.image,
        "imagePullPolicy": pool.pull_policy,
        **command,
        "env": [{"name": name, "value": value} for name, value in sorted(variables.items())],
        "resources": _resources(placement, pool),
        "volumeMounts": [
            {"name": name, "mountPath": path, **({"readOnly": True} if name == "secrets" else {})}
            for name, (path, _) in volumes.items()
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec: Object = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": name, **source} for name, (_, source) in volumes.items()],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **security(kept),
        },
        "terminationGracePeriodSeconds": pool.grace,
        # A backstop for a scheduler that is gone; the runner looks at the step's own time.
        "activeDeadlineSeconds": ceil((limits.time + pending(env)).total_seconds()),
        "nodeSelector": pool.node_selector,
        "tolerations": _tolerations(pool),
    }
    if pool.priority_class:
        spec["priorityClassName"] = pool.priority_class
    if pool.service_account:
        spec["serviceAccountName"] = pool.service_account
    if pool.runtime_class:
        spec["runtimeClassName"] = pool.runtime_class
    if pool.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in pool.image_pull_secrets]
    return spec


def _resources(placement: Placement, pool: Pool) -> Object:
    limits = placement.limits
    gpus = {pool.resource: str(limits.gpu)} if limits.gpu else {}
    milli = ceil(limits.cpu * 1000)
    return {
        "limits": {"cpu": f"{milli}m", "memory": str(limits.memory), **gpus},
        "requests": {
            "cpu": f"{ceil(milli * pool.cpu_request)}m",
            "memory": str(ceil(limits.memory * pool.memory_request)),
            **gpus,
        },
    }


def _tolerations(pool: Pool) -> list[Object]:
    """The pool's own; and a node that does not answer loses the step sooner than after five minutes."""
    named = {one.get("key") for one in pool.tolerations}
    lost = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": pool.lost_after}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        if key not in named
    ]
    return [*pool.tolerations, *lost]


def _secrets(env: Mapping[str, str], request: Request, role: str) -> Object:
    """The role's Secret, the key that signs models where the step trains one, and of the project's the keys
    that this step gets, as files named by variable.
    """
    base = env.get("MLCYCLE_KUBERNETES_SECRET")
    if not base:
        raise ConfigError(
            "MLCYCLE_KUBERNETES_SECRET is not set: the name that the Secrets of steps begin with, "
            "NAME-ingest, NAME-train and so on"
        )
    sources: list[Object] = [{"secret": {"name": f"{base}-{role}"}}]
    named = secret_names(request.project, request.step)
    if SIGNING_KEY in named:
        key = [{"key": SIGNING_KEY, "path": SIGNING_KEY}]
        sources.append({"secret": {"name": f"{base}-signing", "items": key, "optional": True}})
    if own := [name for name in named if name != SIGNING_KEY]:
        project = str(request.project.get("name", "")).replace("_", "-")
        items = [{"key": name, "path": name} for name in own]
        sources.append({"secret": {"name": f"{base}-project-{project}", "items": items, "optional": True}})
    return {"projected": {"sources": sources, "defaultMode": 0o444}}


def _travels(name: str) -> bool:
    """A variable that means the same in a pod: a setting, the object store's address; no path of ours."""
    return name.startswith("MLCYCLE_") or name in STORE or name in QUIET


def _labels(env: Mapping[str, str], request: Request) -> dict[str, str]:
    return {
        **ours(env),
        WORK: step_digest(env, request.work),
        OURS + "project": str(request.project.get("name", "")),
        OURS + "step": request.step,
    }


def _annotations(request: Request, placement: Placement) -> dict[str, str]:
    origin = request.origin
    return {
        WORK: request.work,
        SECONDS: str(placement.limits.time.total_seconds()),
        MEMORY: str(placement.limits.memory),
        OURS + "dag": origin.dag_id,
        OURS + "run": origin.run_id,
        OURS + "task": origin.task_id,
        OURS + "map-index": json.dumps(origin.map_index),
    }
