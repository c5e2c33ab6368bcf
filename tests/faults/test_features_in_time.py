"""Rows 6, 7 and 26 of the faults: days out of order, at once, killed and corrected, from a logged seed.

The checker reads the tables itself. A failure names its seed: MLCYCLE_FAULT_SEED repeats it.
"""

import multiprocessing
import os
import random
import signal
import threading
import time
from datetime import UTC, datetime

import pytest

from mlcycle.adapters import online_writer
from mlcycle.adapters.warehouse import Warehouse
from mlcycle.contract import Result
from mlcycle.local.world_data import day_file
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, days, deliver, replace, request

RUNS = int(os.environ.get("MLCYCLE_FAULT_RUNS", "20"))
SEED = int(os.environ.get("MLCYCLE_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
FIRST, LAST = "2013-01-01", "2013-01-10"
VIEWS = list(FLIGHTS.features)


def step(platform: Platform, name: str, day: str, work: str) -> Result:
    return run_step(request(name, FLIGHTS, day, work=work), platform.settings())


def until_done(platform: Platform, name: str, day: str, work: str) -> None:
    """What Airflow does: again, as long as the error may pass."""
    for _ in range(5):
        result = step(platform, name, day, work)
        if result.exit_code == 0:
            return
        assert result.error is not None
        assert result.error.retryable, result.message
    raise AssertionError(result.message)


def die_after(platform: Platform, day: str, work: str, delay: float) -> None:
    """A process that is killed some time after it began."""
    threading.Timer(delay, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    for name in ("features", "materialize"):
        step(platform, name, day, f"{work}-{name}")


def held(platform: Platform) -> dict[str, list[tuple[object, ...]]]:
    """Every feature value, offline and online, and how far each stream got."""
    owner = platform.owner()
    found = {}
    for name, view in FLIGHTS.features.items():
        columns = ", ".join([*view.entities, "event_timestamp", *view.columns])
        found[name] = owner.query(f'select {columns} from features."flights__{name}" order by 1, 2, 3')
        found[f"online {name}"] = owner.query(
            f"select encode(entity_key, 'hex'), feature_name, encode(value, 'hex'), event_ts "
            f'from online."flights__{name}" order by 1, 2'
        )
    found["watermarks"] = owner.query("select stream, position from ledger.watermark order by 1")
    owner.close()
    return found


@pytest.fixture
def undisturbed(platform: Platform) -> dict[str, list[tuple[object, ...]]]:
    """What all days in order leave behind; then everything but the raw data is forgotten."""
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, FIRST, LAST)
    for day in days(FLIGHTS, FIRST, LAST):
        until_done(platform, "features", day.key, f"calm-features-{day.key}")
        until_done(platform, "materialize", day.key, f"calm-materialize-{day.key}")
    return held(platform)


def forget(platform: Platform) -> None:
    tables = [f'{schema}."flights__{view}"' for schema in ("features", "online") for view in VIEWS]
    platform.owner().query(f"truncate {', '.join(tables)}, ledger.feature_partition, ledger.watermark")


def test_6_7_days_out_of_order_at_once_and_killed_leave_what_days_in_order_leave(
    platform: Platform, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    for run in range(RUNS):
        chance = random.Random(SEED + run)
        forget(platform)
        order = [day.key for day in days(FLIGHTS, FIRST, LAST)]
        chance.shuffle(order)
        lanes = [order[:5], order[5:]]  # a backfill beside live days
        victims = set(chance.sample(order, 2))

        def lane(
            keys: list[str], run: int = run, chance: random.Random = chance, victims: set[str] = victims
        ) -> None:
            for key in keys:
                work = f"run{run}-{key}"
                if key in victims:
                    delay = chance.uniform(0.02, 0.8)
                    doomed = multiprocessing.get_context("fork").Process(
                        target=die_after, args=(platform, key, work, delay)
                    )
                    doomed.start()
                    doomed.join(60)
                for name in ("features", "materialize"):
                    until_done(platform, name, key, f"{work}-{name}")

        threads = [threading.Thread(target=lane, args=(keys,)) for keys in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        # Whoever came last had every value to see: one more run settles what ran beside each other.
        until_done(platform, "features", LAST, f"run{run}-last-features")
        until_done(platform, "materialize", LAST, f"run{run}-last-materialize")
        assert held(platform) == undisturbed, f"seed {SEED}, run {run}, order {order}"


def test_7_while_two_materialise_no_reader_sees_a_value_go_back(
    platform: Platform, undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    chance = random.Random(SEED)
    forget(platform)
    until_done(platform, "features", LAST, "again")
    order = [day.key for day in days(FLIGHTS, FIRST, LAST)] * 2
    chance.shuffle(order)
    done, seen = threading.Event(), []

    def watch() -> None:
        owner = platform.owner()
        newest: dict[tuple[object, ...], datetime] = {}
        while not done.is_set():
            rows = owner.query(
                "select entity_key, feature_name, event_ts from online.flights__carrier_recent"
            )
            for key, feature, moment in rows:
                before = newest.get((bytes(key), feature), datetime(2000, 1, 1, tzinfo=UTC))
                if moment < before:
                    seen.append((feature, before, moment))
                newest[bytes(key), feature] = moment
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    lanes = [
        threading.Thread(
            target=lambda keys, lane: [
                until_done(platform, "materialize", key, f"{lane}-{at}") for at, key in enumerate(keys)
            ],
            args=(keys, lane),
        )
        for lane, keys in enumerate((order[:10], order[10:]))
    ]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join(120)
    done.set()
    watcher.join()
    assert not seen, f"seed {SEED}: {seen[:3]}"


def test_26_a_corrected_day_leaves_what_its_data_from_the_start_would(platform: Platform) -> None:
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, FLIGHTS, FIRST, LAST)
    until_done(platform, "features", LAST, "first")
    until_done(platform, "materialize", LAST, "first-online")
    for run in range(RUNS):
        chance = random.Random(SEED + run)
        table = chance.choice(["flights", "arrivals", "weather"])
        reach = days(FLIGHTS, FIRST, LAST)[: -2 if table == "arrivals" else -1]
        day = chance.choice(reach).key
        data = day_file("flights", table, day)
        assert data is not None
        head, *rows = data.splitlines()
        kept = [row for row in rows if chance.random() > 0.3]
        replace(ingest, FLIGHTS, table, [(day, b"\n".join([head, *kept]) + b"\n")])
        until_done(platform, "features", day, f"corrected-{run}")
        until_done(platform, "materialize", day, f"corrected-online-{run}")
        found = {name: rows for name, rows in held(platform).items() if name in VIEWS}
        platform.owner().query("truncate ledger.feature_partition")
        until_done(platform, "features", LAST, f"whole-{run}")
        whole = {name: rows for name, rows in held(platform).items() if name in VIEWS}
        assert found == whole, f"seed {SEED}, run {run}: {table} of {day}"


def test_the_checker_sees_a_store_that_goes_back(
    platform: Platform, undisturbed: dict[str, list[tuple[object, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: the rows above can fail."""
    monkeypatch.setattr(online_writer, "_forward", lambda *_: True)
    platform.owner().query("delete from ledger.watermark where stream = 'online'")
    until_done(platform, "materialize", "2013-01-03", "backfill")
    assert held(platform) != undisturbed
