"""The scheduler's bell: it ends a sleep, and its absence costs nothing."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from mlcycle.orchestration import wakeup
from mlcycle.orchestration.wakeup import BELL, Bell, ring


@pytest.fixture
def bell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bell:
    monkeypatch.setenv(BELL, str(tmp_path / "bell.sock"))
    return Bell(tmp_path / "bell.sock")


def slept(bell: Bell, seconds: float) -> float:
    began = time.monotonic()
    bell.sleep(seconds)
    return time.monotonic() - began


def test_a_ring_ends_the_sleep(bell: Bell) -> None:
    threading.Timer(0.1, ring).start()
    assert slept(bell, 10) < 8


def test_rings_while_awake_end_the_next_sleep_only(bell: Bell) -> None:
    ring()
    ring()
    assert slept(bell, 10) < 8
    assert slept(bell, 0.2) >= 0.2


def test_many_rings_never_block_the_ringer(bell: Bell) -> None:
    began = time.monotonic()
    for _ in range(5000):
        ring()
    assert time.monotonic() - began < 30


def test_nobody_listening_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(BELL, str(tmp_path / "nothing.sock"))
    ring()
    monkeypatch.delenv(BELL)
    ring()


def test_a_task_forked_from_the_scheduler_does_not_take_the_bell(
    bell: Bell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import airflow.jobs.scheduler_job_runner as loop

    monkeypatch.setattr("sys.argv", ["airflow", "scheduler", "--skip-serve-logs"])
    monkeypatch.setattr(loop, "time", bell)  # as it is after the scheduler started
    wakeup.on_starting(component=object())
    assert loop.time is bell
    ring()
    assert slept(bell, 10) < 8


def test_it_is_put_into_the_scheduler_alone(
    bell: Bell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import airflow.jobs.scheduler_job_runner as loop

    monkeypatch.setattr(loop, "time", time)
    monkeypatch.setattr("sys.argv", ["airflow", "dag-processor"])
    wakeup.on_starting(component=object())
    assert loop.time is time
    monkeypatch.setattr("sys.argv", ["airflow", "scheduler"])
    wakeup.on_starting(component=object())
    assert isinstance(loop.time, Bell)
    assert loop.time.monotonic is time.monotonic


@pytest.mark.parametrize(
    ("method", "path", "rings"),
    [
        ("PATCH", "/execution/task-instances/0199-a/state", True),
        ("POST", "/api/v2/dags/flights_ingest/dagRuns", True),
        ("PATCH", "/api/v2/dags/d/dagRuns/r/taskInstances/t/-1/hitlDetails", True),
        ("PUT", "/execution/task-instances/0199-a/heartbeat", False),
        ("POST", "/execution/xcoms/d/r/t/link_mlflow", False),
        ("GET", "/api/v2/dags", False),
    ],
)
def test_requests_that_give_the_scheduler_work_ring_when_they_are_done(
    bell: Bell, method: str, path: str, rings: bool
) -> None:
    done: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        assert slept(bell, 0) < 1  # no ring yet: the transaction is open
        done.append(path)

    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(wakeup.RingAfterWrites(app)(scope, None, None))
    assert done == [path]
    assert (slept(bell, 0.3) < 0.3) is rings
