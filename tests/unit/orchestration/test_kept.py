"""What a task keeps between its tries, and what it makes of things that it did not write."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mlcycle.contract import ErrorInfo, Result, Status
from mlcycle.orchestration.kept import Kept
from mlcycle.orchestration.runners.base import Handle

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Store(dict[str, Any]):
    """As Airflow's: one task's keys."""

    set = dict.__setitem__

    def delete(self, key: str) -> None:
        self.pop(key, None)


def handle(work: str = "mine") -> Handle:
    return Handle(runner="elsewhere", id="pods/x", work=work, place="s3://x", started_at=NOW)


def result(status: Status, work: str = "mine", error: ErrorInfo | None = None) -> Result:
    made = {"step": "score", "work": work, "status": status, "started_at": NOW, "seconds": 1.0}
    return Result.model_validate({**made, "code_version": "test", "error": error})


def test_a_step_that_runs_is_found_by_the_next_try_and_is_unwanted_by_other_work() -> None:
    store = Store()
    Kept(store, "mine").started(handle())
    again = Kept(store, "mine")
    assert (again.handle, again.unwanted, again.result) == (handle(), None, None)
    other = Kept(store, "other")
    assert (other.handle, other.unwanted, other.refused) == (None, handle(), None)


@pytest.mark.parametrize("status", [Status.OK, Status.SKIPPED])
def test_what_a_step_said_that_is_done_is_there_for_the_next_try_alone(status: Status) -> None:
    store = Store()
    Kept(store, "mine").ended(handle(), result(status))
    assert Kept(store, "mine").result == result(status)
    assert Kept(store, "mine").handle == handle()
    assert Kept(store, "other").result is None


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED, Status.WAITING])
def test_a_step_that_is_to_be_tried_or_looked_at_again_is_forgotten(status: Status) -> None:
    store = Store()
    kept = Kept(store, "mine")
    kept.started(handle())
    error = ErrorInfo(kind="killed", message="gone", retryable=True) if status is Status.FAILED else None
    kept.ended(handle(), result(status, error=error))
    assert not store
    assert kept.handle is None


def test_the_first_refusal_is_remembered_until_there_is_room() -> None:
    store = Store()
    Kept(store, "mine").had_no_room(NOW)
    assert Kept(store, "mine").refused == NOW
    assert Kept(store, "mine").handle is None
    Kept(store, "mine").started(handle())
    assert Kept(store, "mine").refused is None


@pytest.mark.parametrize(
    "found",
    [
        "text",
        {},
        {"work": "mine", "handle": {"id": 1}, "result": {"status": "ok"}, "refused": "yesterday"},
        {"work": "mine", "handle": handle("other").model_dump(mode="json")},
        {"work": "mine", "result": result(Status.OK, "other").model_dump(mode="json")},
    ],
)
def test_what_cannot_be_read_or_is_of_other_work_is_as_if_it_were_not_there(found: Any) -> None:
    kept = Kept(Store(step=found), "mine")
    assert (kept.handle, kept.unwanted, kept.result, kept.refused) == (None, None, None, None)


def test_without_a_store_nothing_is_kept() -> None:
    kept = Kept(None, "mine")
    kept.started(handle())
    kept.ended(handle(), result(Status.OK))
    kept.forget()
    assert Kept(None, "mine").handle is None
