"""Many projects whose days arrive at one moment: copies of flights through the whole local platform.

    python -m benchmarks.crowd [--projects 10] [--burners 0]

Each project ingests two days and computes their features. Prints the seconds from the first start to
the last end, seconds a task, when the first and the last project were done, and how many tasks were
tried again, failed, or were declared dead. ``--burners`` keeps that many processes busy meanwhile.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.common import free_ports

from mlcycle.airflow_api import AirflowApi
from mlcycle.local import commands
from mlcycle.local.config import airflow_login
from mlcycle.local.guard import recorded
from mlcycle.local.processes import cpu_seconds, descendants

ROOT = Path(__file__).parent.parent
FIRST, LAST = "2013-01-01", "2013-01-02"
LOOK = 2.0  # seconds between two looks
QUIET = 15  # looks
STAGES = ("ingest", "features", "score")  # score is skipped: there is no champion yet


@dataclass(frozen=True)
class Crowd:
    """How a crowd went. ``done`` is each project's seconds from the start to the end of its last run."""

    seconds: float
    tasks: int
    failed: int
    tried_again: int
    declared_dead: int
    done: dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--projects", type=int, default=10)
    parser.add_argument("--burners", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlcycle-crowd-"))
    try:
        home = make_home(folder, options.projects)
        commands.up(folder / "state", home=home, ports=free_ports())
        try:
            wait_until_loaded(folder / "state")
            with burning(options.burners):
                print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores", flush=True)
                before = cpu(folder / "state")
                crowd = measure(folder / "state", options.projects)
                used = {
                    name: seconds - before.get(name, 0) for name, seconds in cpu(folder / "state").items()
                }
        finally:
            commands.down(folder / "state")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    done = sorted(crowd.done.values())
    print(
        f"{options.projects} projects: {crowd.seconds:.1f} s for {crowd.tasks} tasks, "
        f"{crowd.seconds / max(1, crowd.tasks):.2f} s each; first project done after {done[0]:.1f} s, last "
        f"after {done[-1]:.1f} s; {crowd.failed} failed, {crowd.tried_again} tried again, "
        f"{crowd.declared_dead} declared dead"
    )
    print(
        "CPU: " + ", ".join(f"{name} {used[name]:.0f} s" for name in sorted(used, key=lambda n: -used[n])[:6])
    )
    return int(crowd.failed > 0)


def wait_until_loaded(state: Path) -> None:
    """A platform that has run for a while: its step server has its libraries."""
    log = state / "logs" / "step-server.log"
    while "all loaded" not in log.read_text():
        time.sleep(0.5)


def cpu(state: Path) -> dict[str, float]:
    """CPU seconds of each service with all it started; tasks are the scheduler's, steps their server's."""
    pids = {row["name"]: row["pid"] for row in recorded(state) if row["pid"]}
    return {name: cpu_seconds([pid, *descendants(pid)]) for name, pid in pids.items()}


def make_home(folder: Path, projects: int) -> Path:
    """A platform's home with so many copies of flights."""
    home = folder / "home"
    for name in ("dags", "plugins"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for number in range(projects):
        name = f"p{number:03}"
        shutil.copytree(ROOT / "projects" / "flights", home / "projects" / name)
        file = home / "projects" / name / "project.yaml"
        file.write_text(file.read_text().replace("name: flights", f"name: {name}", 1))
    return home


@contextmanager
def burning(processes: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    found = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in found:
            process.kill()
            process.wait()


def measure(state: Path, projects: int, *, seconds: float = 900) -> Crowd:
    """Start every project's ingest at one moment and wait for what follows from it."""
    names = [f"p{number:03}" for number in range(projects)]
    with AirflowApi.from_env(airflow_login(state)) as api:
        for name in names:
            api.wait_for_dag(f"{name}_score", seconds=120)
        began, moment = time.monotonic(), time.time()
        for name in names:
            api.trigger(f"{name}_ingest", partition=LAST, conf={"first": FIRST})
        deadline, quiet = began + seconds, 0
        while time.monotonic() < deadline and quiet < QUIET:
            time.sleep(LOOK)
            complete = _count(api, "success", "failed") >= projects * len(STAGES)
            over = not _count(api, "queued", "running")
            # Where a run failed those behind it never come: once nothing has run for a while, that was it.
            quiet = QUIET if over and complete else quiet + 1 if over else 0
        runs = _runs(api, names)
        tasks = [task for run in runs for task in api.tasks(run["dag_id"], run["dag_run_id"])]
        worked = [task for task in tasks if task["operator"] != "EmptyOperator" and task["start_date"]]
        for task in (task for task in worked if task["state"] == "failed"):
            print(f"failed: {task['dag_id']} {task['task_id']}: {_why(api, task)}", flush=True)
        done: dict[str, float] = {}
        for run in runs:
            name = run["dag_id"].rpartition("_")[0]
            end = datetime.fromisoformat(run["end_date"]).timestamp() if run["end_date"] else time.time()
            done[name] = max(done.get(name, 0), end - moment)
    log = (state / "logs" / "scheduler.log").read_text(errors="replace")
    states = Counter(task["state"] for task in worked)
    missing = projects * len(STAGES) - len(runs)
    return Crowd(
        seconds=max(done.values()),
        tasks=len(worked),
        failed=states["failed"] + missing,
        tried_again=sum(task["try_number"] > 1 for task in worked),
        declared_dead=len(re.findall(r"Detected a task instance without a heartbeat", log)),
        done=done,
    )


def _why(api: AirflowApi, task: dict[str, Any]) -> str:
    """The line that a failed task's log ends with."""
    path = f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
    log = json.dumps(api._request("GET", f"{path}/logs/{task['try_number']}"))
    found = re.findall(r'"exc_value": "([^"]*)"', log)
    return found[-1] if found else "no reason in its log"


def _count(api: AirflowApi, *states: str) -> int:
    """How many runs there are in these states: a cheap question."""
    params = {"limit": 1, "state": states}
    return int(api._request("GET", "/api/v2/dags/~/dagRuns", params=params)["total_entries"])


def _runs(api: AirflowApi, names: list[str]) -> list[dict[str, Any]]:
    """The newest run of each stage of each project."""
    found: list[dict[str, Any]] = []
    while True:
        page = api.runs("~", offset=len(found))
        found += page
        if len(page) < 100:
            break
    wanted = {f"{name}_{stage}" for name in names for stage in STAGES}
    return [run for run in found if run["dag_id"] in wanted]


if __name__ == "__main__":
    sys.exit(main())
