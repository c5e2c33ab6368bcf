"""docker-compose.yml brought up for a test: its own project, ports, secrets; nothing of it is left."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, free_port
from tests.containers.building import build

IMAGES = (
    "mlcycle-step:slim",
    "mlcycle-step:cpu",
    "mlcycle-airflow",
    "mlcycle-mlflow",
    "mlcycle-evidently",
    "mlcycle-demo",
)
PUBLIC = ("postgres:17", "nginx:1.27-alpine", "tecnativa/docker-socket-proxy:v0.4.1")
PORTS = ("airflow", "mlflow", "evidently")
WORK = "mlcycle.work"


@dataclass
class Compose:
    """One platform of containers."""

    project: str
    secrets: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})

    @property
    def env(self) -> dict[str, str]:
        """What a person would say in the shell or in ``.env``."""
        return {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "MLCYCLE_SECRETS": str(self.secrets),
            **{f"MLCYCLE_PORT_{name.upper()}": str(port) for name, port in self.ports.items()},
        }

    def run(
        self, *command: str, check: bool = True, seconds: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """A command of the checkout's with this platform's environment."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``docker compose`` with the demo's source systems among the services."""
        return self.run("docker", "compose", "--profile", "demo", *arguments, check=check)

    def python(self, service: str, code: str, *arguments: str) -> str:
        """What Python code prints in a service's container."""
        return self("exec", "-T", service, "python", "-c", code, *arguments).stdout

    def sql(self, query: str, database: str = "mlcycle") -> list[str]:
        """Rows as psql writes them, as the server's superuser."""
        command = ("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", database, "-Atc", query)
        return self(*command).stdout.splitlines()

    def containers(self) -> list[dict[str, Any]]:
        """All of the project's containers and of its steps, as ``docker inspect`` shows them."""
        ids: set[str] = set()
        for label in (f"com.docker.compose.project={self.project}", WORK):
            ids.update(self.run("docker", "ps", "-aq", "--filter", f"label={label}").stdout.split())
        found = self.run("docker", "inspect", *ids, check=False).stdout if ids else "[]"
        return [one for one in json.loads(found) if self.owns(one)]

    def owns(self, container: dict[str, Any]) -> bool:
        """It is a service's of this project, or a step on one of its networks: others test here as well."""
        networks = container["NetworkSettings"]["Networks"]
        ours = container["Config"]["Labels"].get("com.docker.compose.project") == self.project
        return ours or any(name.startswith(f"{self.project}_") for name in networks)

    def remove(self) -> None:
        """Everything of it, steps that still run among it."""
        for one in self.containers():
            if WORK in one["Config"]["Labels"]:
                self.run("docker", "rm", "-fv", one["Id"], check=False)
        self("--profile", "play", "down", "--volumes", "--remove-orphans", "--timeout", "2", check=False)


class Watcher:
    """Looks at every step's container while it is there: what it is, and the programs in it."""

    def __init__(self, compose: Compose) -> None:
        self.steps: dict[str, dict[str, Any]] = {}  # by container, as inspected
        self.programs: list[str] = []
        self._compose = compose
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _watch(self) -> None:
        import docker

        client = docker.from_env(version="auto").api
        while not self._over.wait(0.2):
            for one in client.containers(filters={"label": WORK}):
                try:
                    seen = client.inspect_container(one["Id"])
                    if self._compose.owns(seen):
                        self.steps[one["Id"]] = seen
                        self.programs.append(json.dumps(client.top(one["Id"], "axo pid,args")))
                except docker.errors.APIError:  # it ended meanwhile
                    continue
        client.close()


@contextmanager
def platform(folder: Path) -> Iterator[Compose]:
    """The images built and those of others there, secrets made; nothing is up yet. All removed afterwards."""
    build(*IMAGES)
    if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
        pytest.skip("compose mounts files of this checkout: the engine must be this machine's")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here")
    for image in PUBLIC:
        there = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
        if there.returncode:
            pulled = subprocess.run(["docker", "pull", "-q", image], capture_output=True, check=False)
            if pulled.returncode:
                pytest.skip(f"{image} is not there, and no registry answers: docker pull {image}")
    compose = Compose(f"mlcycle-test-{os.getpid()}-{int(time.time())}", folder / "secrets")
    compose.run("make", "secrets")
    try:
        yield compose
    finally:
        compose.remove()
