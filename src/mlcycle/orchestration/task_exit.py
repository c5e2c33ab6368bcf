"""Lets Airflow's task supervisor notice at once that its task's process has ended.

Seen with Airflow 3.3.2: the supervisor waits for the task's pipes or for a second (the smallest
``workers.min_heartbeat_interval``). The pipes close a moment before the process can be reaped, so
every second task is noticed a second late. A good end was told before; a skip or a failure is told
only then, and what follows it waits.
"""

from typing import Any

SOON = 0.01  # seconds between looks at a process that has closed all its pipes


def notice_task_exits() -> None:
    """In the process whose forks supervise tasks: look often once nothing more can come from a task."""
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    service = WatchedSubprocess._service_subprocess
    if getattr(service, "impatient", False):
        return

    def impatient(self: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> int | None:
        closing = not self._open_sockets and self._exit_code is None
        wait = min(max_wait_time, SOON) if closing else max_wait_time
        status: int | None = service(self, wait, *args, **kwargs)
        return status

    impatient.impatient = True  # type: ignore[attr-defined]
    WatchedSubprocess._service_subprocess = impatient
