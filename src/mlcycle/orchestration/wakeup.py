# mypy: allow-untyped-decorators, allow-subclassing-any
"""Wakes the scheduler when a task ends, so that it can sleep long when nothing happens.

Airflow's scheduler polls: between passes that found nothing to do it sleeps for
``scheduler_idle_sleep_time``, and a chain of short tasks waits for it at every link. A short sleep is
quick and burns CPU for nothing. Here a task that ended sends a datagram to the scheduler's Unix
socket ($MLCYCLE_SCHEDULER_BELL), and the scheduler's idle sleep ends when one comes. Lost datagrams
cost a sleep, nothing else; without the variable, or on another machine, nothing changes at all.

A listener of Airflow's, in a plugin of its own. Seen with Airflow 3.3.2: ``on_starting`` runs in every
process with a job, the scheduler before its loop; ``on_task_instance_*`` runs in the task after its
state is in the database.
"""

import os
import select
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

BELL = "MLCYCLE_SCHEDULER_BELL"


class Bell:
    """Stands for the module ``time`` in the scheduler's loop: ``sleep`` ends early when it is rung."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        path.chmod(0o600)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until the bell rings; a ring since the last sleep counts."""
        if select.select([self._socket], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                while self._socket.recv(16):
                    pass


def ring() -> None:
    """Wake the scheduler, if one listens. Never waits, never fails."""
    path = os.environ.get(BELL)
    if path:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
            bell.setblocking(False)
            bell.sendto(b"!", path)


@hookimpl
def on_starting(component: Any) -> None:
    """In the scheduler: let its loop sleep beside the bell."""
    path = os.environ.get(BELL)
    loop = sys.modules.get("airflow.jobs.scheduler_job_runner")
    # The job has no type yet at this point; the command line says which of Airflow's processes this is.
    # Tasks are forks of the scheduler and start too: they must not take the bell from it.
    if path and sys.argv[1:2] == ["scheduler"] and loop is not None and loop.time is time:
        with suppress(OSError):
            loop.time = Bell(Path(path))  # type: ignore[attr-defined]


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """A task ended well: what follows it can start."""
    ring()


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """A task failed: a rule may start another, and the run may be over."""
    ring()


@hookimpl
def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:
    """A task was skipped: what follows it can be settled."""
    ring()


class WakeupPlugin(AirflowPlugin):
    """Registers the functions of this module as a listener."""

    name = "mlcycle wakeup"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
