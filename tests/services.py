"""Real services for tests: started on loopback, stopped with everything they started."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from mlcycle.local import commands
from mlcycle.local.postgres import Postgres
from tests.conftest import free_ports

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


@contextmanager
def running_platform(state: Path, home: Path) -> Iterator[Path]:
    """The whole local platform on free ports, stopped afterwards. Yields its state folder."""
    commands.up(state, home=home, ports=free_ports())
    try:
        yield state
    finally:
        commands.down(state)


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """A real MLflow server: SQLite behind it, artifacts served by it. Yields its URL.

    Args:
        folder: where its database, artifacts and log go.
        port: a free port on loopback.
    """
    command = [
        *("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
    ]
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # The first start creates the database.
    with _serving("mlflow", command, folder, port, "/health", env=env, ready_within=240) as url:
        yield url


@contextmanager
def evidently_ui(folder: Path, port: int, secret: str, server: Postgres) -> Iterator[str]:
    """Evidently's UI over a database, as the platform runs it; writing needs the secret. Yields its URL.

    Args:
        folder: where its configuration and log go.
        port: a free port on loopback.
        secret: what writers must send.
        server: gets a database of this UI's own.
    """
    name = f"evidently_{port}"
    server.create_database(name)
    component = "evidently.ui.service.storage.sql.components.DatabaseComponent"
    database = server.dsn(name).replace("postgresql://", "postgresql+psycopg2://", 1)
    config = {
        "security": {"type": "token", "token": secret},
        "storage": {"type": "sql"},
        "database": {"type": component, "url": database},
        "telemetry": {"enabled": False},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    command = [
        *("-c", "from evidently.cli import app; app()", "ui", "--host", "127.0.0.1", "--port", str(port)),
        *("--conf-path", str(folder / "config.json")),
    ]
    env = {"DO_NOT_TRACK": "1"}
    with _serving("evidently", command, folder, port, "/api/version", env=env, ready_within=180) as url:
        yield url


@contextmanager
def world_server(folder: Path, port: int) -> Iterator[str]:
    """The demo's source system. Yields its URL."""
    command = ["-m", "mlcycle.demo.world", "--port", str(port), "--state", str(folder)]
    with _serving("world", command, folder, port, "/health", env={}, ready_within=120) as url:
        yield url


@contextmanager
def _serving(
    name: str,
    command: list[str],
    folder: Path,
    port: int,
    answers: str,
    *,
    env: dict[str, str],
    ready_within: float,
) -> Iterator[str]:
    """A server that this Python runs. Yields its URL once ``answers``, a path of it, is answered.

    Args:
        name: of its log in the folder.
        command: Python's arguments.
        folder: where the server runs; made if it is not there.
        port: where it listens on loopback.
        answers: path of a request that succeeds once the server is ready.
        env: added to this process's own environment.
        ready_within: seconds until it must be ready.
    """
    folder.mkdir(parents=True, exist_ok=True)
    url, log_path = f"http://127.0.0.1:{port}", folder / f"{name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **env},
            cwd=folder,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        deadline = time.monotonic() + ready_within
        while not _succeeds(url + answers):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {log_path.read_text()[-2000:]}")
            time.sleep(0.05)
        yield url
    finally:
        _stop(process)


def _die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _succeeds(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers: they share a process group of their own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)
