"""Which steps no task wants any more; tests/kubernetes shows it with a real scheduler and real pods."""

from datetime import UTC, datetime

import pytest

from mlcycle.orchestration.runners.base import Handle, Staying
from mlcycle.orchestration.sweeper import durable_runners, sweep, task_of, wanted


class Listing(Staying):
    """Has steps, and writes down which it was told to end."""

    def __init__(self, *works: str) -> None:
        self._works, self.ended = works, list[str]()

    def works(self) -> list[Handle]:
        now = datetime.now(UTC)
        return [Handle(runner="r", id=work, work=work, place="p", started_at=now) for work in self._works]

    def cancel(self, handle: Handle) -> None:
        self.ended.append(handle.work)


def test_steps_go_whose_task_is_over_cleared_or_not_there() -> None:
    ran = ["waits", "failed", "cleared", "deleted"]
    runner = Listing(*(f"dag/run/{name}/-1/2" for name in ran), "a-run-by-hand/extract/flights")
    known = {
        ("dag", "run", "waits", -1): ("up_for_reschedule", 2),
        ("dag", "run", "failed", -1): ("failed", 2),
        ("dag", "run", "cleared", -1): ("scheduled", 3),
    }
    sweep(runner, lambda keys: {key: known[key] for key in keys if key in known})  # type: ignore[arg-type]
    assert runner.ended == [f"dag/run/{name}/-1/2" for name in ran[1:]]


@pytest.mark.parametrize(
    ("state", "stays"),
    [(None, True), ("queued", True), ("running", True), ("up_for_retry", True), ("restarting", True)]
    + [(state, False) for state in ("success", "failed", "skipped", "upstream_failed", "removed")],
)
def test_a_task_wants_its_step_until_it_is_over(state: str | None, stays: bool) -> None:
    assert wanted((state, 2), 2) is stays


def test_a_work_s_name_tells_its_task() -> None:
    assert task_of("d/manual__2026-01-01T00:00:00+00:00/flights.extract/-1/3") == (
        ("d", "manual__2026-01-01T00:00:00+00:00", "flights.extract", -1),
        3,
    )
    assert task_of("20260101-120000/extract/flights") is None


def test_runners_whose_steps_die_with_their_worker_are_not_asked() -> None:
    env = {"MLCYCLE_RUNNER": "process", "MLCYCLE_RUNNER_TRAIN": "kubernetes", "MLCYCLE_RUNNER_SCORE": ""}
    assert durable_runners(env) == ["kubernetes"]
