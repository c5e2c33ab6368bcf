# mypy: allow-untyped-decorators, allow-subclassing-any
"""Wakes the scheduler when there is something to do, so that it can sleep long when there is nothing.

Airflow's scheduler polls: between passes that found nothing to do it sleeps for
``scheduler_idle_sleep_time``, and a chain of short tasks waits for it at every link. A short sleep is
quick and burns CPU for nothing. Here the API server sends a datagram to the scheduler's Unix socket
($MLCYCLE_SCHEDULER_BELL) after each request that may give it work: a task told its end, a person
started or cleared a run, answered a question. The scheduler's idle sleep ends when one comes. Lost
datagrams cost a sleep, nothing else; without the variable, or on another machine, it polls as ever.
What every task loads is loaded in the scheduler, which tasks are forks of, with or without a bell.

Seen with Airflow 3.3.2: the listener ``on_starting`` runs in every process with a job, in the
scheduler before its loop and before its executor forks the workers; a task tells its end before it
stores its links, so what follows is on its way meanwhile.
"""

import importlib
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

from mlcycle.orchestration.dead_workers import watch_workers
from mlcycle.orchestration.sweeper import start_sweeper
from mlcycle.orchestration.task_exit import notice_task_exits, spare_first_heartbeat
from mlcycle.own_code import OwnCode

BELL = "MLCYCLE_SCHEDULER_BELL"

_started = False  # in this process or in the scheduler that it is a fork of

#: What a task imports besides its own DAG's modules.
PRELOAD = (
    "airflow.sdk.definitions.decorators",
    "airflow.providers.standard.operators.hitl",
    "airflow.templates",
    "jinja2.ext",
    "yaml",
    "httpx",
    "_strptime",
)
#: And these, as long as nobody edits them.
OWN = ("mlcycle.orchestration", "mlcycle.project")


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


class RingAfterWrites:
    """ASGI middleware of the API server: rings once a request that may give the scheduler work is done."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the request through. Its transaction is over when the application returns."""
        await self._app(scope, receive, send)
        if scope["type"] == "http" and gives_work(scope["method"], scope["path"]):
            ring()


def gives_work(method: str, path: str) -> bool:
    """A request that may let the scheduler do something: a task's new state, any act of a person."""
    if method not in ("POST", "PATCH", "PUT", "DELETE"):
        return False
    told = path.startswith("/execution/task-instances/") and path.endswith("/state")
    return told or path.startswith("/api/v2/")


@hookimpl
def on_starting(component: Any) -> None:
    """In the scheduler: let its loop sleep beside the bell, and load what every task would."""
    global _started
    path = os.environ.get(BELL)
    loop = sys.modules.get("airflow.jobs.scheduler_job_runner")
    # The job has no type yet at this point; the command line says which of Airflow's processes this is.
    # Tasks are forks of the scheduler and start too: they must not take the bell from it.
    if sys.argv[1:2] != ["scheduler"] or loop is None:
        return
    if not _started:
        _started = True
        for module in PRELOAD:
            with suppress(ImportError):
                importlib.import_module(module)
        own_code = OwnCode(OWN, warm=True)
        own_code.load()
        os.register_at_fork(after_in_child=own_code.forget_if_changed)
        start_sweeper()
    if path and loop.time is time:
        with suppress(OSError):
            loop.time = Bell(Path(path))  # type: ignore[attr-defined]
        with suppress(ImportError, AttributeError):
            notice_task_exits()
            spare_first_heartbeat()
        with suppress(ImportError, AttributeError):
            watch_workers()


class WakeupPlugin(AirflowPlugin):
    """Registers the listener and the middleware."""

    name = "mlcycle wakeup"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
    fastapi_root_middlewares: ClassVar[list[Any]] = [
        {"name": "mlcycle wakeup", "middleware": RingAfterWrites}
    ]
