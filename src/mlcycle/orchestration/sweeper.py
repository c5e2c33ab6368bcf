"""Ends steps whose task is over: a person marked it, cleared it or deleted its run while it held no slot.

A task that lets go of its slot while its pod runs has no process that Airflow could tell. So the scheduler
looks, now and then, which steps the runners have somewhere, and whether their tasks still want them. All
else stays with the tasks: a retry finds the step of the try before, and clears up after itself.

Seen with Airflow 3.3.2: listeners hear of a state that a person sets, in the API server, which has no access
to where steps run; of a cleared task, a deleted run and a run's time-out nobody hears.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, cast

from mlcycle.errors import MlcycleError
from mlcycle.orchestration.runners.base import Handle, Runner, make_runner

EVERY = 15.0  # seconds between two looks
OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
log = logging.getLogger(__name__)

Key = tuple[str, str, str, int]  # DAG, run, task, map index
#: State of a task and its ``max_tries``; tasks that are not there are left out.
Look = Callable[[Iterable[Key]], Mapping[Key, tuple[str | None, int]]]


class Findable(Runner, Protocol):
    """A runner whose steps can be found without a handle."""

    def works(self) -> Iterable[Handle]:
        """Every step of an Airflow task that there is, running or not."""


def start_sweeper() -> None:
    """In the scheduler: look for as long as it lives, where steps outlive their workers."""
    if names := durable_runners(os.environ):
        threading.Thread(target=_keep_sweeping, args=(names,), name="sweeper", daemon=True).start()


def durable_runners(env: Mapping[str, str]) -> list[str]:
    """Names of the runners that are chosen and whose steps can be found again."""
    chosen = {value for name, value in env.items() if name.startswith("MLCYCLE_RUNNER") and value}
    return sorted(chosen - {"process"})


def sweep(runner: Findable, look: Look) -> list[Handle]:
    """End the steps that no task wants any more, and return their handles."""
    there = [(handle, parts) for handle in runner.works() if (parts := task_of(handle.work)) is not None]
    if not there:
        return []
    known = look({key for _, (key, _) in there})
    unwanted = [handle for handle, (key, tries) in there if not wanted(known.get(key), tries)]
    for handle in unwanted:
        runner.cancel(handle)
    return unwanted


def wanted(task: tuple[str | None, int] | None, tries: int) -> bool:
    """A task in this state goes on with a step of this many tries: it is not over, and was not cleared."""
    return task is not None and task[0] not in OVER and task[1] == tries


def task_of(work: str) -> tuple[Key, int] | None:
    """The task that the name of its work tells (``StepOperator.work``), and its ``max_tries``."""
    try:
        dag, rest = work.split("/", 1)
        run, task, index, tries = rest.rsplit("/", 3)
        return (dag, run, task, int(index)), int(tries)
    except ValueError:
        return None


def _keep_sweeping(names: list[str]) -> None:
    said: dict[str, str] = {}  # by runner, the problem that was told last
    while True:
        time.sleep(EVERY)
        for name in names:
            try:
                problem = ""
                _sweep_once(name)
            except MlcycleError as error:
                problem = error.message
            except Exception as error:  # noqa: BLE001 - the database may be away; the scheduler tells that itself
                problem = " ".join(str(error).split())[:300]
            if problem and problem != said.get(name):
                log.warning("steps of the runner %s cannot be looked for: %s", name, problem)
            said[name] = problem


def _sweep_once(name: str) -> None:
    runner = make_runner(name, os.environ)
    try:
        if hasattr(runner, "works"):
            for handle in sweep(cast("Findable", runner), _look):
                log.warning("ended %s: the task of %s is over or was cleared", handle.id, handle.work)
    finally:
        runner.close()


def _look(keys: Iterable[Key]) -> Mapping[Key, tuple[str | None, int]]:
    from airflow.models.taskinstance import TaskInstance as Task
    from airflow.utils.session import create_session
    from sqlalchemy import select, tuple_

    columns = (Task.dag_id, Task.run_id, Task.task_id, Task.map_index)
    asked, found = list(keys), {}
    with create_session() as session:
        for first in range(0, len(asked), 500):
            rows = select(*columns, Task.state, Task.max_tries).where(
                tuple_(*columns).in_(asked[first : first + 500])
            )
            for dag, run, task, index, state, tries in session.execute(rows):
                found[dag, run, task, index] = (state, tries)
    return found
