"""A real Airflow for tests of what a scheduler makes of our tasks: PostgreSQL, the ledger, three processes.

Steps are a runner's of the tests; nothing else is replaced. Started on free ports below a folder of
the test's, stopped with everything it started.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlcycle.airflow_api import AirflowApi
from mlcycle.errors import Unavailable
from mlcycle.local import guard
from mlcycle.local.config import Platform, airflow_login, configure
from mlcycle.local.processes import die_with_parent
from mlcycle.local.services import Service, services
from tests.conftest import ROOT, free_ports

ONLY = ("postgres", "databases", "warehouse", "airflow-db", "api-server", "scheduler", "dag-processor")


class Airflow:
    """A running Airflow with the projects below ``home``."""

    def __init__(self, platform: Platform, home: Path) -> None:
        self.platform, self.home = platform, home
        self.scratch = platform.state / "scratch"
        self.api = AirflowApi.from_env(airflow_login(platform.state))

    def script(self, **answers: list[dict[str, Any]]) -> None:
        """Say how the next tries of steps (or tasks) end; forgets the requests there were.

        The cycle does not go round by itself: what would start the next stages is skipped.
        """
        answers = {name: [{"status": "skipped"}] for name in ("request_retrain", "materialize")} | answers
        shutil.rmtree(self.scratch / "requests", ignore_errors=True)
        self.scratch.mkdir(exist_ok=True)
        (self.scratch / "script.json").write_text(json.dumps(answers))

    def requests(self, task_id: str) -> list[dict[str, Any]]:
        """The requests that reached a step, in their order."""
        found = sorted(
            (self.scratch / "requests").glob(f"*.{task_id}.*.json"), key=lambda path: path.stat().st_mtime
        )
        return [json.loads(path.read_text()) for path in found]

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """A task instance as the API tells it."""
        return next(task for task in self.api.tasks(dag_id, run_id) if task["task_id"] == task_id)

    def until(self, dag_id: str, run_id: str, task_id: str, *states: str, seconds: float = 120) -> str:
        """Wait until a task is in one of these states; returns it."""
        return wait_for(
            lambda: (state := self.task(dag_id, run_id, task_id)["state"]) in states and state,
            f"{task_id} did not become {' or '.join(states)}",
            seconds,
        )

    def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        """Any other request, as the admin."""
        return self.api._request(method, path, **kwargs)

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """The text of a task's log."""
        return json.dumps(
            self.ask(
                "GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
            )
        )


def wait_for(condition: Callable[[], Any], otherwise: str, seconds: float = 120) -> Any:
    """Look until something is so and return it; fail where it never is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)
    return found


@contextmanager
def running_airflow(folder: Path, runner: str, projects: Path, **env: str) -> Iterator[Airflow]:
    """Airflow over a folder of projects, its steps run by this runner; ``env`` goes above its settings."""
    home = folder / "home"
    for name in ("dags", "plugins"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(projects, home / "projects")
    platform = configure(folder / "state", home=home, ports=free_ports())
    extra = {"MLCYCLE_RUNNER": runner, "PYTHONPATH": str(ROOT), **env}
    command = [sys.executable, "-m", "tests.dags.scheduler", str(platform.state), json.dumps(extra)]
    log = (folder / "guard.log").open("wb")
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        start_new_session=True,
        cwd=ROOT,
        preexec_fn=die_with_parent(signal.SIGTERM),  # also where the tests themselves are killed
    )
    try:
        yield Airflow(_answering(platform, process), home)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def _answering(platform: Platform, process: "subprocess.Popen[bytes]") -> Platform:
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, "Airflow did not start"
        try:
            AirflowApi.from_env(airflow_login(platform.state))
            return platform
        except Unavailable:
            assert time.monotonic() < deadline, "Airflow does not answer"
            time.sleep(0.3)


def _serve(state: Path, env: dict[str, str]) -> int:
    def chosen(platform: Platform) -> list[Service]:
        return [
            replace(
                service,
                env={**service.env, **env},
                after=tuple(name for name in service.after if name in ONLY),
            )
            for service in services(platform)
            if service.name in ONLY
        ]

    os.environ.pop("PYTHONPATH", None)
    return guard.hold(state, None, chosen)


if __name__ == "__main__":
    sys.exit(_serve(Path(sys.argv[1]), json.loads(sys.argv[2])))
