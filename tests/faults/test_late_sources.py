"""FAULTS rows 41 and 44: an outage of the platform, and deliveries that are late, never made, or declared.

A source is alive for some hours up to now; chance says when each hour is delivered and when the platform
is down. The steps are the real ones, driven as the DAG drives them. What is checked is read from
PostgreSQL as its owner, against what the source has delivered.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlcycle.contract import Result, Status
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import gaps as ledger
from mlcycle.local.postgres import Postgres
from mlcycle.stage_run import run_stage
from mlcycle.steps import extract
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, fresh
from tests.faults.chance import runs, seeded
from tests.hourly import Hourly, now_hour

Trials = Callable[[str, int], Iterator[tuple[random.Random, Platform]]]
OUTAGE = 72  # hours
RATE = ledger.AT_ONCE  # as it is before any test takes the guard off


@dataclass
class Living:
    """A project whose hours come as chance says, and what its runs did."""

    hourly: Hourly
    began: Partition
    arrives: dict[str, int]  # hour -> the tick at which it is there; absent: never
    taken: list[list[str]] = field(default_factory=list)  # by each run, besides its own hour
    told: int = 0

    def tick(self, number: int) -> dict[str, Result]:
        """One run, for the hour so many after the first; what has arrived by then lies in the source."""
        there = {key for key, at in self.arrives.items() if at == number}
        self.hourly.come(*(hour for hour in self.began.to(now_hour()) if hour.key in there))
        found = self.hourly.tick(self.began.shift(number))
        if found["extract"].status is Status.OK:
            self.taken.append(list(found["publish"].values.get("caught_up", [])))  # type: ignore[arg-type]
        self.told += "alert" in found and found["alert"].metrics.get("delivered", 0) > 0
        return found


def living(platform: Platform, hours: int, arrives: dict[int, int]) -> Living:
    """``arrives``: for each of the hours, counted from the first, the tick at which it is there."""
    began = now_hour().shift(-hours)
    return Living(Hourly(platform), began, {began.shift(h).key: tick for h, tick in arrives.items()})


@pytest.fixture
def trials(postgres: Postgres, _template: dict[str, str], tmp_path: Path) -> Trials:
    """Chance and a fresh warehouse for each run of a case."""

    def made(case: str, times: int) -> Iterator[tuple[random.Random, Platform]]:
        for run in runs(times):
            folder = tmp_path / case / str(run)
            folder.mkdir(parents=True)
            with seeded(case, run) as chance, fresh(postgres, _template, folder) as platform:
                yield chance, platform

    return made


# 41: the platform down for three days


def outage(chance: random.Random, platform: Platform) -> Living:
    """The source delivers every hour; nothing runs for three days; then an hour after the other."""
    after = chance.randint(4, 8)
    living_ = living(platform, OUTAGE + after, {h: h for h in range(OUTAGE + after + 1)})
    living_.tick(0)
    for hour in range(1, OUTAGE + 1):
        living_.arrives[living_.began.shift(hour).key] = OUTAGE + 1
    for number in range(OUTAGE + 1, OUTAGE + after + 1):
        living_.tick(number)
    return living_


def check_outage(found: Living) -> None:
    """Every hour is there once; what was missed came in order and some at a time; nobody was told."""
    held = found.hourly.held()
    assert len(held) == len(set(held)), "an hour was published twice"
    assert sorted(held) == sorted(found.arrives), "hours are missing"
    missed = [key for keys in found.taken for key in keys]
    assert missed == sorted(missed), "not in order"
    assert len(missed) == OUTAGE
    assert max(map(len, found.taken)) <= RATE, "more at once than the rate"
    assert found.told <= 1
    assert found.hourly.alerts() == []


def test_41_after_three_days_every_missed_hour_is_ingested_in_order(trials: Trials) -> None:
    for chance, platform in trials("outage", 8):
        check_outage(outage(chance, platform))


def test_41_the_checker_sees_hours_that_nobody_looks_for(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: a run takes its own hour alone, as before."""
    monkeypatch.setattr(ledger, "behind", lambda *_: [])
    for chance, platform in trials("outage unseen", 1):
        found = outage(chance, platform)
        with pytest.raises(AssertionError, match="hours are missing"):
            check_outage(found)


def test_41_the_checker_sees_a_rate_without_bound(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "AT_ONCE", 1000)
    for chance, platform in trials("outage unbounded", 1):
        found = outage(chance, platform)
        with pytest.raises(AssertionError, match="more at once"):
            check_outage(found)


# 44: a delivery late, never made, or made after its gap was declared

HOURS = 9


def whims(chance: random.Random, platform: Platform) -> tuple[Living, set[str], set[str]]:
    """Of nine hours some come hours late, some never, some are declared absent: of these some come."""
    kinds = {
        hour: chance.choice(["", "", "late", "never", "declared", "declared late"]) for hour in range(HOURS)
    }
    kinds[0] = kinds[HOURS - 1] = ""
    late, never_made = chance.sample(range(1, HOURS - 1), 2)
    kinds[late], kinds[never_made] = "late", "never"
    arrives = {}
    for hour, kind in kinds.items():
        if kind in ("", "late", "declared late"):
            arrives[hour] = hour if not kind else chance.randint(hour + 1, HOURS - 1)
    found = living(platform, HOURS - 1, arrives)
    keys = {hour: found.began.shift(hour).key for hour in kinds}
    for hour, kind in kinds.items():
        if kind.startswith("declared"):
            declare(platform, found, keys[hour])
    for number in range(HOURS):
        result = found.tick(number)
        assert all(one.exit_code == 0 or one.status is Status.WAITING for one in result.values()), result
    tell(platform, found)
    never = {keys[hour] for hour, kind in kinds.items() if kind == "never"}
    declared = {keys[hour] for hour, kind in kinds.items() if kind == "declared"}
    return found, never, declared


def declare(platform: Platform, found: Living, key: str) -> None:
    def execute(request):  # type: ignore[no-untyped-def]
        return run_step(request, platform.settings("ingest"))

    params = {"reason": "chance says so"}
    for _ in run_stage(found.hourly.project, "absent", execute, last=key, params=params):
        pass


def tell(platform: Platform, found: Living) -> None:
    """The project's next alert step, whichever stage's: a run of ingest that brought something has none of its own."""

    def execute(request):  # type: ignore[no-untyped-def]
        return run_step(request, platform.settings("train"))

    for _, result in run_stage(found.hourly.project, "alerts", execute):
        assert result.exit_code == 0, result


def check_whims(found: Living, never: set[str], declared: set[str]) -> None:
    """What came is there once, however late; what did not is a gap; who declared is asked no more."""
    held = found.hourly.held()
    assert len(held) == len(set(held)), "an hour was published twice"
    assert set(held) == set(found.arrives), "what was delivered is not what is there"
    states = found.hourly.gaps()
    assert {key for key, state in states.items() if state == "missing"} == never
    assert {key for key, state in states.items() if state == "absent"} == declared
    told = [key for key, _ in found.hourly.alerts()]
    assert set(told) <= {"late:weather"}
    assert [state for _, state in found.hourly.alerts()].count("open") == bool(never)
    assert all(delivery == ("delivered", 1) for delivery in found.hourly.deliveries())


def test_44_what_is_late_or_declared_is_taken_when_it_comes_and_the_rest_goes_on(trials: Trials) -> None:
    for chance, platform in trials("whims", 20):
        check_whims(*whims(chance, platform))


def test_44_the_checker_sees_late_hours_that_nobody_takes(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: nobody looks for what earlier runs missed."""
    monkeypatch.setattr(ledger, "behind", lambda *_: [])
    for chance, platform in trials("whims unseen", 1):
        found = whims(chance, platform)
        with pytest.raises(AssertionError, match="not what is there"):
            check_whims(*found)


def test_44_the_checker_sees_gaps_that_are_not_noted(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "_note", lambda *_: None)
    for chance, platform in trials("whims unnoted", 1):
        found = whims(chance, platform)
        with pytest.raises(AssertionError):
            check_whims(*found)
