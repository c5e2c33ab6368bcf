"""What the benchmarks share: free ports, throw-away warehouses, and as much of Airflow's API as they need."""

import contextlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.postgres_server import temporary

from mlcycle.airflow_api import AirflowApi
from mlcycle.contract import ExitCode, Request, Result
from mlcycle.cycle import ALL_ROLES
from mlcycle.errors import Unavailable
from mlcycle.ledger.migrate import migrate
from mlcycle.local.config import HOST, PORTS, Platform, airflow_login
from mlcycle.local.postgres import Postgres
from mlcycle.project import Project
from mlcycle.settings import Settings
from mlcycle.stage_run import in_this_process, run_stage


def free_ports() -> dict[str, int | None]:
    """A free TCP port for everything the platform listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports: dict[str, int | None] = {
        name: probe.getsockname()[1] for name, probe in zip(PORTS, probes, strict=True)
    }
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def postgres() -> Iterator[tuple[Postgres, Path]]:
    """A PostgreSQL and an empty folder, gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as somebody else
        with temporary(folder, free_ports()["postgres"] or 0) as server:
            yield server, folder


def warehouse(server: Postgres, folder: Path, database: str = "bench") -> dict[str, Settings]:
    """A migrated warehouse of its own, with a source and an artifact store in the folder.

    Returns each role's settings.
    """
    server.create_database(database)
    # The roles are the server's, and so are their passwords: a second warehouse changes the first one's.
    passwords = {role: secrets.token_urlsafe(12) for role in ALL_ROLES}
    migrate(server.dsn(database), passwords)
    places = {
        "artifacts_url": f"file://{folder}/artifacts-{database}",
        "source_url": f"file://{folder}/source",
        "scratch": folder / "scratch",
    }
    return {
        role: Settings.model_validate(
            {"warehouse_dsn": server.dsn(database, f"mlcycle_{role}", passwords[role]), **places}
        )
        for role in ALL_ROLES
    }


def environment(settings: Callable[..., Settings], **more: object) -> dict[str, str]:
    """What steps in this process are given: the settings common to all, and each role's database."""
    roles = {f"MLCYCLE_DSN_{r.upper()}": settings(r).warehouse_dsn.get_secret_value() for r in ALL_ROLES}
    return {**os.environ, **settings(**more).as_env(), **roles}


def run(
    project: Project, stage: str, env: Mapping[str, str], first: str, last: str, **more: Any
) -> dict[str, Result]:
    """A stage for some partitions, step by step in this process, without their logs.

    What passes when tried again is tried again, three times in all; any other failure raises AssertionError.
    """
    once = in_this_process(env)

    def execute(request: Request) -> Result:
        for _ in range(3):
            result = once(request)
            if result.exit_code is not ExitCode.RETRY:
                break
        return result

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        found = dict(run_stage(project, stage, execute, first=first, last=last, **more))
    for step, result in found.items():
        assert result.exit_code is ExitCode.OK, f"{last} {step}: {result.message}"
    return found


class Airflow:
    """A platform's Airflow, once it answers."""

    def __init__(self, platform: Platform, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            # Making a client takes CPU that a starting platform could use: look whether anybody listens.
            with socket.socket() as probe:
                listens = probe.connect_ex((HOST, platform.ports["airflow"])) == 0
            try:
                if not listens:
                    raise Unavailable("nobody listens yet")
                self._api = AirflowApi.from_env(airflow_login(platform.state))
                return
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def wait_for(self, dag: str) -> None:
        """Return once the DAG is there."""
        self._api.wait_for_dag(dag, seconds=120)

    def run(self, dag: str) -> float:
        """Run a DAG to its good end; returns the wall seconds from asking for it."""
        began = time.perf_counter()
        state = self._api.wait(dag, self._api.trigger(dag), seconds=300)
        if state != "success":
            raise RuntimeError(f"a run of {dag} ended as {state}")
        return time.perf_counter() - began
