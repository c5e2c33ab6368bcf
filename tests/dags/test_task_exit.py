"""Airflow's supervisor looks again at once when its task has closed every pipe."""

import inspect
import selectors
import subprocess
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import psutil
import pytest
from airflow.sdk.execution_time.supervisor import (
    MIN_HEARTBEAT_INTERVAL,
    ActivitySubprocess,
    PsutilTracker,
    WatchedSubprocess,
)

from mlcycle.orchestration.task_exit import notice_task_exits, spare_first_heartbeat

LONG = 2.0  # seconds it may wait, as Airflow asks it to


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A supervisor whose task's pipes are closed while its process still runs."""
    # Another test of this process may have started a scheduler's listener.
    monkeypatch.setattr(
        WatchedSubprocess, "_service_subprocess", inspect.unwrap(WatchedSubprocess._service_subprocess)
    )
    with subprocess.Popen(["sleep", "60"]) as process:
        supervisor: Any = object.__new__(ActivitySubprocess)
        supervisor.selector = selectors.DefaultSelector()
        supervisor._open_sockets, supervisor._exit_code = {}, None
        supervisor._process = PsutilTracker(psutil.Process(process.pid))
        yield supervisor
        process.kill()


def looked(supervisor: Any) -> float:
    began = time.monotonic()
    assert supervisor._service_subprocess(max_wait_time=LONG) is None
    return time.monotonic() - began


def test_a_task_without_pipes_is_looked_at_again_at_once(task: Any) -> None:
    notice_task_exits()
    notice_task_exits()  # twice is once
    assert looked(task) < LONG / 2


def test_a_task_with_pipes_is_waited_for_as_airflow_asks(task: Any) -> None:
    notice_task_exits()
    task._open_sockets = {object(): "stdout"}
    assert looked(task) >= LONG


def test_without_it_airflow_waits_for_the_whole_time(task: Any) -> None:
    """Goes red when Airflow has mended this: then ``task_exit.py`` can go."""
    assert looked(task) >= LONG


@pytest.fixture
def started(task: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A supervisor that is about to tell the server that its task runs; its heartbeats are counted."""
    monkeypatch.setattr(ActivitySubprocess, "_on_child_started", lambda self: None)  # spared or not
    task.id, task._terminal_state, task.failed_heartbeats = "a task", None, 0
    task._last_heartbeat_attempt = task._last_successful_heartbeat = 0.0
    task.client = MagicMock()
    return task


def beats(supervisor: Any) -> int:
    supervisor._send_heartbeat_if_needed()
    return int(supervisor.client.task_instances.heartbeat.call_count)


def test_the_start_counts_as_a_heartbeat(started: Any) -> None:
    spare_first_heartbeat()
    spare_first_heartbeat()  # twice is once
    started._on_child_started()
    assert beats(started) == 0
    started._last_heartbeat_attempt -= MIN_HEARTBEAT_INTERVAL
    assert beats(started) == 1


def test_without_it_airflow_sends_one_at_once(started: Any) -> None:
    """Goes red when Airflow has mended this: then ``spare_first_heartbeat`` can go."""
    started._on_child_started()
    assert beats(started) == 1
