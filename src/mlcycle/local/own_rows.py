"""Airflow's and MLflow's own old rows on the local platform, by their own tools, and Airflow's old logs.

Elsewhere their databases are not this program's to reach: docs/operations.md says what to run there.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mlcycle.housekeeping.freed import Freed
from mlcycle.housekeeping.keep import Keep
from mlcycle.local import environment
from mlcycle.local.config import Platform, load
from mlcycle.settings import Settings

#: What runs leave behind. Not ``dag``, ``dag_version`` and the like: what Airflow knows of the DAGs.
TABLES = (
    "dag_run",
    "task_instance",
    "task_instance_history",
    "task_reschedule",
    "xcom",
    "log",
    "job",
    "callback",
    "asset_event",
    "partitioned_asset_key_log",
)
FOUND = re.compile(r"Found (\d+) rows meeting deletion criteria")
AT_ONCE = 100  # runs of one command
SECONDS = 3600


def prune(state: Path, settings: Settings, keep: Keep, freed: Freed, *, dry_run: bool) -> None:
    """Take away what is older than it is kept; what a tool could not do is among ``freed.problems``."""
    platform = load(state)
    before = datetime.now(UTC) - keep.airflow
    _airflow(platform, before, freed, dry_run=dry_run)
    logs = platform.logs / "airflow"
    for size, file in _old_files(logs, before):
        if not dry_run:
            file.unlink(missing_ok=True)
            _remove_empty(file.parent, logs)
        freed.file("airflow", size)
    if not dry_run:
        _mlflow(platform, settings, freed)


def _airflow(platform: Platform, before: datetime, freed: Freed, *, dry_run: bool) -> None:
    arguments = ["--clean-before-timestamp", before.isoformat(), "--tables", ",".join(TABLES), "--yes"]
    arguments += ["--dry-run"] if dry_run else ["--skip-archive", "--batch-size", "10000"]
    said = _run(
        ["-m", "airflow", "db", "clean", *arguments],
        environment.airflow_env(platform),
        freed,
        "airflow db clean",
    )
    freed.rows["airflow"] += sum(map(int, FOUND.findall(said)))


def _mlflow(platform: Platform, settings: Settings, freed: Freed) -> None:
    """Free the runs that housekeeping deleted in MLflow, and no run that a person deleted there.

    With them ``mlflow gc`` frees every model that was deleted, by whomever: it takes no ids of models from
    one who names runs (3.17).
    """
    from mlcycle.adapters.tracking.old_runs import OldRuns
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.errors import Unavailable
    from mlcycle.ledger import retention

    warehouse = Warehouse(settings, "mlcycle:prune")
    try:
        with warehouse.transaction() as cursor:
            projects = retention.trained(cursor)
        for project in projects:
            with OldRuns(settings, project) as old:
                runs = old.deleted()
            free_runs(platform, runs, freed)
    except Unavailable as error:
        freed.problems.append(error.message)
    finally:
        warehouse.close()


def free_runs(platform: Platform, runs: list[str], freed: Freed) -> None:
    """Free runs that were deleted in MLflow, their rows and files."""
    for at in range(0, len(runs), AT_ONCE):
        _gc(platform, runs[at : at + AT_ONCE], freed)


#: ``mlflow gc`` takes its database from an argument alone, and a password in one is seen by all.
GC = """
import os, sys
from mlflow.cli import gc
gc(["--backend-store-uri", os.environ["MLFLOW_BACKEND_STORE_URI"], *sys.argv[1:]])
"""


def _gc(platform: Platform, runs: list[str], freed: Freed) -> None:
    env = {**environment.mlflow_env(platform), "MLFLOW_TRACKING_URI": platform.url("mlflow")}
    folder = str(platform.state / "mlflow")
    arguments = ["--artifacts-destination", folder, "--run-ids", ",".join(runs)]
    _run(["-c", GC, *arguments], env, freed, "mlflow gc")


def _run(command: list[str], env: Mapping[str, str], freed: Freed, title: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, *command],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        freed.problems.append(f"{title} took more than {SECONDS} s: the next run goes on with it")
        return ""
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        freed.problems.append(f"{title} ended with {done.returncode}: {last[:300]}")
    return done.stdout


def _old_files(folder: Path, before: datetime) -> Iterator[tuple[int, Path]]:
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place) / name
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            if stat.st_mtime < before.timestamp():
                yield stat.st_size, file


def _remove_empty(folder: Path, top: Path) -> None:
    """A run's log has a folder for the DAG, the run and the task: years of them are more than the logs."""
    with suppress(OSError):  # not empty, or gone
        while folder != top:
            folder.rmdir()
            folder = folder.parent
