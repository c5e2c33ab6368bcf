"""Lets Airflow's task supervisor notice at once that its task's process has ended, and spares a heartbeat.

Seen with Airflow 3.3.2: the supervisor waits for the task's pipes or for a second (the smallest
``workers.min_heartbeat_interval``). The pipes close a moment before the process can be reaped, so
every second task is noticed a second late. A good end was told before; a skip or a failure is told
only then, and what follows it waits. The first heartbeat it sends as soon as it has told the server that
the task runs, which counts as one there: where tasks are short, a request in six.
"""

import time
from functools import wraps
from typing import Any

SOON = 0.01  # seconds between looks at a process that has closed all its pipes


def notice_task_exits() -> None:
    """In the process whose forks supervise tasks: look often once nothing more can come from a task."""
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    service = WatchedSubprocess._service_subprocess
    if getattr(service, "impatient", False):
        return

    @wraps(service)
    def impatient(self: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> int | None:
        closing = not self._open_sockets and self._exit_code is None
        wait = min(max_wait_time, SOON) if closing else max_wait_time
        status: int | None = service(self, wait, *args, **kwargs)
        return status

    impatient.impatient = True  # type: ignore[attr-defined]
    WatchedSubprocess._service_subprocess = impatient


def spare_first_heartbeat() -> None:
    """In the process whose forks supervise tasks: let a heartbeat come an interval after the start."""
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    start = ActivitySubprocess._on_child_started
    if getattr(start, "spares", False):
        return

    @wraps(start)
    def sparing(self: Any, *args: Any, **kwargs: Any) -> None:
        start(self, *args, **kwargs)
        self._last_heartbeat_attempt = time.monotonic()

    sparing.spares = True  # type: ignore[attr-defined]
    ActivitySubprocess._on_child_started = sparing
