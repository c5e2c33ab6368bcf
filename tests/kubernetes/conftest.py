"""A namespace of its own on the cluster of KUBECONFIG, in which the runner may do what its role allows.

``MLCYCLE_TEST_ADDRESS``
    Address of this machine that pods reach; the one that leads to the API server if it is not set. The object
    store, the database and the source systems of the tests listen there.
``MLCYCLE_TEST_LOAD``
    Command that brings images, its arguments, from the local engine to the cluster's nodes.
``MLCYCLE_TEST_POD_IMAGE``, ``MLCYCLE_TEST_GANG_IMAGE``
    Images that the cluster has or can pull, in place of those built here (``images/Dockerfile``).
``MLCYCLE_TEST_KILL_KUBELET``, ``MLCYCLE_TEST_START_KUBELET``
    Commands that kill, and start again, the kubelet of the node that is their last argument.
"""

import json
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.conftest import Platform, free_port
from tests.containers.building import build, named
from tests.kubernetes.cluster import apply, given, kubectl, load

IMAGES = Path(__file__).parent / "images"
SECRET = "steps"
VERBS = ["create", "get", "list", "watch", "delete"]
RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": VERBS},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": VERBS},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
]


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """There is one."""
    given()


@pytest.fixture(scope="session")
def address(cluster: None) -> str:
    """Of this machine, as pods reach it."""
    if found := os.environ.get("MLCYCLE_TEST_ADDRESS"):
        return found
    server = json.loads(kubectl("config", "view", "--minify", "-o", "json"))["clusters"][0]["cluster"][
        "server"
    ]
    parts = urlsplit(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname, parts.port or 443))
        found = str(probe.getsockname()[0])
    if found.startswith("127."):
        pytest.skip("set MLCYCLE_TEST_ADDRESS to an address of this machine that pods reach")
    return found


def _image(variable: str, target: str, tag: str) -> str:
    if image := os.environ.get(variable):
        return image
    load()  # or skip, before anything is built
    build("mlcycle-step:cpu")
    image = named(f"mlcycle-step:{tag}")
    options = ["--build-arg", f"STEP={named('mlcycle-step:cpu')}", "--target", target, "--tag", image]
    subprocess.run(["docker", "build", "-q", *options, str(IMAGES)], check=True, capture_output=True)
    load(image)
    return image


@pytest.fixture(scope="session")
def image(cluster: None) -> str:
    """Of steps that need no machine learning."""
    return _image("MLCYCLE_TEST_POD_IMAGE", "steps", "test-pod")


@pytest.fixture(scope="session")
def gang_image(cluster: None) -> str:
    """Of a program that torchrun starts."""
    return _image("MLCYCLE_TEST_GANG_IMAGE", "gang", "test-gang")


@dataclass
class Relay:
    """A port on an address that leads to one on loopback."""

    address: str
    target: int
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.address, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def store(address: str) -> Iterator[dict[str, str]]:
    """An object store that pods and tests reach: its variables."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=address, port=free_port(), verbose=False)
    server.start()
    keys = {"AWS_ACCESS_KEY_ID": "planted-key-id", "AWS_SECRET_ACCESS_KEY": f"planted-{secrets.token_hex(8)}"}
    where = {"AWS_ENDPOINT_URL": f"http://{address}:{server._port}", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**keys, **where}.items():
            patch.setenv(name, value)
        import fsspec

        fsspec.filesystem("s3").mkdir("artifacts")
        yield {**keys, **where}
    server.stop()


@dataclass(frozen=True)
class Place:
    """A namespace, and what the runner's environment holds for it."""

    namespace: str
    env: dict[str, str]
    planted: list[str]  # secrets that nobody may see

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """In the namespace, as its administrator."""
        return kubectl("-n", self.namespace, *arguments, check=check)

    def list(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Its objects of this kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *arguments, "-o", "json"))["items"]
        return found


@pytest.fixture(scope="session")
def namespace(cluster: None) -> Iterator[str]:
    """Of this run alone, under the restricted policy; all that is in it goes with it."""
    name = f"mlcycle-test-{secrets.token_hex(3)}"
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted}})
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def launcher(namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of somebody who may do what the runner says it must, and nothing else."""
    rbac, meta = "rbac.authorization.k8s.io", {"name": "launcher", "namespace": namespace}
    account = {"kind": "ServiceAccount", "name": "launcher", "namespace": namespace}
    role = {"apiGroup": rbac, "kind": "Role", "name": "launcher"}
    apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": RULES},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "subjects": [account],
            "roleRef": role,
        },
    )
    config = json.loads(kubectl("config", "view", "--minify", "--raw", "--flatten", "-o", "json"))
    token = kubectl("-n", namespace, "create", "token", "launcher", "--duration=2h").strip()
    config["users"][0]["user"] = {"token": token}
    file = tmp_path_factory.mktemp("launcher") / "config"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture
def place(
    platform: Platform, namespace: str, launcher: Path, store: dict[str, str], address: str, image: str
) -> Iterator[Place]:
    """What Airflow's side holds for a fresh warehouse; afterwards nothing of it is left in the namespace."""
    relay = Relay(address, platform.server.port)
    dsn = platform.settings("ingest").warehouse_dsn.get_secret_value()
    dsn = dsn.replace(f"127.0.0.1:{platform.server.port}", f"{address}:{relay.port}")
    keys = {name: value for name, value in store.items() if name.startswith("AWS_") and "KEY" in name}
    proxy = "http://user:planted-proxy-password@proxy.example"
    secret = {"MLCYCLE_WAREHOUSE_DSN": dsn, "MLCYCLE_EVIDENTLY_SECRET": "planted-evidently", **keys}
    meta = {"name": f"{SECRET}-ingest", "namespace": namespace}
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secret})
    env = {
        "KUBECONFIG": str(launcher),
        "MLCYCLE_KUBERNETES_NAMESPACE": namespace,
        "MLCYCLE_KUBERNETES_SECRET": SECRET,
        "MLCYCLE_KUBERNETES_PENDING": "60",
        "MLCYCLE_KUBERNETES_POOLS": json.dumps({"cpu": {"cpu_request": 0.1, "memory_request": 0.25}}),
        "MLCYCLE_ARTIFACTS_URL": f"s3://artifacts/{secrets.token_hex(4)}",
        "MLCYCLE_EVIDENTLY_URL": proxy,
        "MLCYCLE_EVIDENTLY_SECRET": "planted-evidently",
        "MLCYCLE_DSN_INGEST": dsn,
        "AIRFLOW__CORE__FERNET_KEY": "planted-fernet",
        **store,
    }
    planted = [dsn.split("@")[0], "planted-", *keys.values()]
    yield Place(namespace, env, planted)
    relay.close()
    kubectl(
        "-n", namespace, "delete", "jobs,pods", "--all", "--grace-period=1", "--wait=true", "--timeout=60s"
    )
    kubectl("-n", namespace, "delete", "resourcequota", "--all")
