"""Tells Airflow of a LocalExecutor worker that died, so that its heartbeat limit can be patient.

Airflow finds a dead worker by the heartbeats that stop. On a busy machine heartbeats are late too, and a
limit of a minute kills work that is well. So the limit is long (``local/environment.py``), and who
knows better says so: a worker process writes down the task it works on, and the scheduler, on its way
to look for missing heartbeats, takes the tasks of workers that are gone as without one. All else is
Airflow's own: its message, its retry, its audit.

Seen with Airflow 3.3.2: LocalExecutor drops dead workers and forgets what they worked on; a worker is
the process that supervises its task, and the task's own process goes with it on the local platform.
"""

import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

FOLDER = "MLCYCLE_WORKERS"  # variable: where workers write; unset, nothing changes


def watch_workers() -> None:
    """In the scheduler, before its executor forks the workers."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    from airflow.executors.base_executor import BaseExecutor
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    if getattr(SchedulerJobRunner, "watches_workers", False):
        return
    place = Path(folder)
    place.mkdir(mode=0o700, exist_ok=True)
    for left in place.iterdir():  # of a scheduler before this one
        left.unlink(missing_ok=True)
    run, find = BaseExecutor.run_workload, SchedulerJobRunner._find_task_instances_without_heartbeats

    def run_noted(workload: Any, **kwargs: Any) -> Any:
        note = place / str(os.getpid())
        with suppress(OSError):
            note.write_text(str(workload.ti.id) if hasattr(workload, "ti") else "")
        try:
            return run(workload, **kwargs)
        finally:
            note.unlink(missing_ok=True)

    def find_more(self: Any, *, session: Any) -> Any:
        orphaned = tasks_of_the_dead(place)
        if orphaned:
            _stop_heartbeats(orphaned, session)
        return find(self, session=session)

    BaseExecutor.run_workload = staticmethod(run_noted)
    SchedulerJobRunner._find_task_instances_without_heartbeats = find_more
    SchedulerJobRunner.watches_workers = True


def tasks_of_the_dead(place: Path) -> list[str]:
    """Ids of the tasks whose worker is gone, once."""
    found = []
    for note in place.iterdir():
        if _runs(int(note.name)):
            continue
        with suppress(OSError):
            found.append(note.read_text())
            note.unlink()
    return [task for task in found if task]


def _runs(pid: int) -> bool:
    """The process is there and no zombie: the executor reaps its workers later."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _stop_heartbeats(tasks: list[str], session: Any) -> None:
    """Let the tasks that run have no heartbeat for a day."""
    from uuid import UUID

    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk.timezone import utcnow
    from sqlalchemy import update

    session.execute(
        update(TaskInstance)
        .where(TaskInstance.id.in_([UUID(task) for task in tasks]), TaskInstance.state == "running")
        .values(last_heartbeat_at=utcnow() - timedelta(days=1))
    )
