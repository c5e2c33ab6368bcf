"""FAULTS rows 5 and 8: the same partition, or the same promotion, many times at once: one goes through."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlcycle.contract import Result
from mlcycle.ledger import champion as champions
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.faults.chance import runs, seeded
from tests.faults.lives import Gate, Life, Moment, Try, clone, fingerprint, wait_until

TRIGGERS, PROMOTIONS = 20, 50


def works(before: Moment, count: int) -> list[str]:
    return [f"{before.request.work}-{number}" for number in range(count)]


def published(platform: Platform, named: list[str]) -> int:
    """How many publications these works have made together."""
    query = "select count(*) from ledger.publication where work = any(%s) and outputs ->> 'how' is distinct from %s"
    return int(platform.owner().query(query, (named, "unchanged"))[0][0])


def statuses(results: list[Result | None]) -> dict[str, int]:
    said = [str(result.status) if result else "none" for result in results]
    return {status: said.count(status) for status in sorted(set(said))}


# 5: the same partition triggered twenty times at once


def check_one_published(trial: Platform, before: Moment, results: list[Result | None]) -> None:
    assert statuses(results) == {"ok": 1, "skipped": TRIGGERS - 1}
    assert published(trial, works(before, TRIGGERS)) == 1, "published more than once"
    held = fingerprint(trial)
    assert {k: v for k, v in held.items() if v != before.after[k]} == {}


def begin(server: str, trial: Platform, life: Life, before: Moment, number: int, *arranged: str) -> Try:
    request = before.request.model_copy(update={"work": works(before, TRIGGERS)[number]})
    return Try(server, trial, life.env, request, *arranged)


def test_5_of_twenty_at_once_one_publishes_and_nineteen_do_nothing(life: Life, server: str) -> None:
    before = life.moments["publish-flights-again"]
    for run in runs(20):
        with seeded("twenty at once", run) as chance:
            trial = clone(before.before, f"{before.before.database}_t")
            attempts = []
            for number in range(TRIGGERS):
                attempts.append(begin(server, trial, life, before, number))
                time.sleep(chance.choice([0, 0, chance.uniform(0, before.seconds)]))
            check_one_published(trial, before, [attempt.end() for attempt in attempts])


def crowd_at_the_batch(server: str, life: Life, *arranged: str) -> tuple[Platform, list[Result | None]]:
    """All twenty have seen that the partition holds nothing before the first of them may write."""
    before = life.moments["publish-flights-again"]
    trial = clone(before.before, f"{before.before.database}_t")
    request = before.request
    assert request.partitions is not None
    gate = Gate(trial, f"batch:{request.project['name']}/flights/{request.partitions.first}")
    attempts = [begin(server, trial, life, before, number, *arranged) for number in range(TRIGGERS)]
    wait_until(lambda: gate.waiting() == TRIGGERS, "not all came to the batch")
    gate.open()
    return trial, [attempt.end() for attempt in attempts]


def test_5_twenty_that_all_saw_nothing_there_publish_once(life: Life, server: str) -> None:
    trial, results = crowd_at_the_batch(server, life)
    check_one_published(trial, life.moments["publish-flights-again"], results)


def test_5_the_checker_sees_deliveries_that_are_not_compared(life: Life, server: str) -> None:
    """The guard off: each of the twenty publishes what is there already."""
    trial, results = crowd_at_the_batch(server, life, "without_comparing_deliveries")
    assert published(trial, works(life.moments["publish-flights-again"], TRIGGERS)) == TRIGGERS
    with pytest.raises(AssertionError):
        check_one_published(trial, life.moments["publish-flights-again"], results)


def test_5_the_checker_sees_that_nobody_waits(life: Life, server: str) -> None:
    """The batch's lock off: two write side by side, and the second fails where it had nothing to do.

    Both are held at the ledger's batches, which can be read and not be written meanwhile.
    """
    before = life.moments["publish-flights-again"]
    trial = clone(before.before, f"{before.before.database}_t")
    owner = trial.owner()
    with owner.transaction() as cursor:
        cursor.execute("lock table ledger.batch in share mode")
        attempts = [
            begin(server, trial, life, before, number, "without_batch_lock") for number in range(TRIGGERS)
        ]
        watcher = trial.owner()
        blocked = "select count(*) from pg_locks where not granted and relation = 'ledger.batch'::regclass"
        wait_until(lambda: watcher.query(blocked) == [(TRIGGERS,)], "not all came to the batch")
    results = [attempt.end() for attempt in attempts]
    assert statuses(results) == {"failed": TRIGGERS - 1, "ok": 1}
    with pytest.raises(AssertionError):
        check_one_published(trial, before, results)


# 8: fifty promotions at once


def check_one_crowned(trial: Platform, before: Moment, results: list[Result | None]) -> None:
    """One winner, an unbroken history, every loser told who won."""
    assert statuses(results) == {"failed": PROMOTIONS - 1, "ok": 1}
    for result in results:
        if result is not None and result.error is not None:
            assert result.error.kind == "conflict", result.message
            assert "is now number 1, version 2" in result.error.message  # the judged one trained again
    assert trial.owner().query("select seq, version from ledger.champion order by seq") == [(1, 2)]
    assert published(trial, works(before, PROMOTIONS)) == 1


def promote_at_once(
    life: Life, trial: Platform, delays: list[float], at_once: int = PROMOTIONS
) -> list[Result | None]:
    """Promotions of the same comparison, each a work of its own, in threads of this process.

    Without MLflow, whose single worker would hand out the model one by one: they meet at the ledger.
    """
    before = life.moments["promote"]
    settings = trial.settings("promote", mlflow_url="http://127.0.0.1:9")

    def promote(work: str, delay: float) -> Result:
        time.sleep(delay)
        return run_step(before.request.model_copy(update={"work": work}), settings)

    with ThreadPoolExecutor(at_once) as crowd:
        return list(crowd.map(promote, works(before, PROMOTIONS), delays))


def test_8_of_fifty_promotions_at_once_one_wins_and_every_loser_is_told(life: Life) -> None:
    before = life.moments["promote"]
    for run in runs(20):
        with seeded("fifty promotions", run) as chance:
            trial = clone(before.before, f"{before.before.database}_t")
            delays = [chance.choice([0, chance.uniform(0, 0.2)]) for _ in range(PROMOTIONS)]
            check_one_crowned(trial, before, promote_at_once(life, trial, delays))


def test_8_the_checker_sees_promotions_that_do_not_compare(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compare-and-set off: who comes after a winner wins as well. Ten at a time, so that some do."""
    before, crown = life.moments["promote"], champions.crown

    def blindly(cursor, project, version, *, expected_seq, **rest):  # type: ignore[no-untyped-def]
        newest = champions.current(cursor, project)
        return crown(cursor, project, version, expected_seq=newest.seq if newest else 0, **rest)

    monkeypatch.setattr(champions, "crown", blindly)
    trial = clone(before.before, f"{before.before.database}_t")
    results = promote_at_once(life, trial, [0.0] * PROMOTIONS, at_once=10)
    assert trial.owner().query("select count(*) from ledger.champion")[0][0] > 1
    with pytest.raises(AssertionError):
        check_one_crowned(trial, before, results)
