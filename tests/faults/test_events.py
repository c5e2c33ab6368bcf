"""Events whose landing is killed: each is in its partition once, and the ledger says how far that goes."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from mlcycle.adapters.delivery.putting import put
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.local.postgres import Postgres
from tests.conftest import Platform, fresh
from tests.contract.test_events import days, event, project
from tests.faults.chance import runs, seeded
from tests.faults.lives import Life, allow_second_records, live
from tests.faults.test_steps_that_die import Trial, kill_behind_commit

STEPS = [f"{step}-pm-again" for step in ("extract", "validate", "publish")]


def send(platform: Platform, rows: list[dict[str, object]]) -> int:
    with closing(Warehouse(platform.settings("serve"))) as warehouse:
        return put(warehouse, project(), "pm", "\n".join(map(json.dumps, rows)).encode()).new


@pytest.fixture(scope="module")
def landed(
    server: str, postgres: Postgres, _template: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """Two days landed; then a third, with late events for the first."""
    with fresh(postgres, _template, tmp_path_factory.mktemp("landed")) as platform:
        send(platform, days(1, 2))
        life = live(
            server, platform, project(), [("ingest", {"first": "2013-01-01", "last": "2013-01-02"})], {}
        )
        send(platform, [*days(3, 3), event(1, 5, 3)])
        later = live(server, platform, project(), [("ingest", {"last": "2013-01-03"})], {})
        life.moments |= {f"{label}-again": moment for label, moment in later.moments.items()}
        yield life


def check(trial: Trial) -> None:
    """All that was put is landed, once, by what the tables themselves say."""
    ask = trial.platform.owner().query
    assert ask("select count(*), count(distinct (station, at)) from raw.air__pm") == [(145, 145)]
    assert ask("select partition from ledger.event_partition where landed <> newest or seen <> newest") == []
    assert send(trial.platform, [*days(1, 3), event(1, 5, 3)]) == 0, "what a producer repeats is there"


@pytest.mark.parametrize("step", STEPS)
def test_landing_that_is_killed_at_a_random_moment(landed: Life, server: str, step: str) -> None:
    for run in runs(2):
        with seeded(f"killed events {step}", run) as chance:
            trial = Trial(landed, server, step)
            attempt = trial.attempt()
            time.sleep(chance.uniform(0, trial.before.seconds * 1.2))
            attempt.signal(signal.SIGKILL)
            attempt.end()
            trial.check(trial.retried())
            if step.startswith("publish"):
                check(trial)


def test_landing_that_is_killed_on_either_side_of_its_commit(landed: Life, server: str) -> None:
    trial = Trial(landed, server, STEPS[2])
    assert trial.attempt("die_before_record").end() is None
    assert trial.platform.owner().query(
        "select bool_or(landed = newest and partition > '2013-01-02') from ledger.event_partition"
    ) == [(False,)], "noted with the rows alone"
    allow_second_records(trial.platform)
    kill_behind_commit(trial)
    trial.check(trial.retried())
    check(trial)
