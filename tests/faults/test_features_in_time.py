"""Rows 6, 7 and 26 of the faults: days out of order, at once, killed and corrected, from a logged seed.

The checker reads the tables itself, and triggers of its own note whatever goes back in them.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features import online_writer
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result
from mlcycle.demo.world_data import day_file
from mlcycle.ledger import watermarks
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.faults.chance import runs, seeded
from tests.faults.lives import Gate, wait_until
from tests.raw_data import FLIGHTS, days, deliver, replace, request

FIRST, LAST = "2013-01-01", "2013-01-10"
DAYS = [day.key for day in days(FLIGHTS, FIRST, LAST)]
VIEWS = list(FLIGHTS.features)
Held = dict[str, list[tuple[object, ...]]]


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


def held(platform: Platform) -> Held:
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
def undisturbed(platform: Platform) -> Held:
    """What all days in order leave behind; then everything but the raw data is forgotten, and from here
    on ``went_back`` holds every value and every watermark that was replaced by an older one.
    """
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, FIRST, LAST)
    for day in DAYS:
        until_done(platform, "features", day, f"calm-features-{day}")
        until_done(platform, "materialize", day, f"calm-materialize-{day}")
    found = held(platform)
    owner = platform.owner()
    owner.query(
        """create table public.went_back (what text, before timestamptz, after timestamptz);
           create function public.note() returns trigger language plpgsql security definer as $$ begin
               insert into public.went_back values (tg_argv[1],
                   (to_jsonb(old) ->> tg_argv[0])::timestamptz, (to_jsonb(new) ->> tg_argv[0])::timestamptz);
               return null;
           end $$"""
    )
    watched = [("ledger.watermark", "position")]
    watched += [(f'online."flights__{view}"', "event_ts") for view in VIEWS]
    for table, column in watched:
        owner.query(
            f"""create trigger note after update on {table} for each row
                when (new.{column} < old.{column}) execute function public.note('{column}', '{table}')"""
        )
    owner.close()
    forget(platform)
    return found


def forget(platform: Platform) -> None:
    tables = [f'{schema}."flights__{view}"' for schema in ("features", "online") for view in VIEWS]
    platform.owner().query(f"truncate {', '.join(tables)}, ledger.feature_partition, ledger.watermark")


def check_nothing_went_back(platform: Platform) -> None:
    assert platform.owner().query("select * from public.went_back") == []


def side_by_side(*lanes: Iterable[object]) -> None:
    """Walk through several at once. Raises what one of them raised."""
    with ThreadPoolExecutor(len(lanes)) as pool:
        for _ in pool.map(list, lanes):
            pass


def test_6_7_days_out_of_order_at_once_and_killed_leave_what_days_in_order_leave(
    platform: Platform, undisturbed: Held
) -> None:
    for run in runs(20):
        with seeded("out of order", run) as chance:
            forget(platform)
            order = chance.sample(DAYS, len(DAYS))
            victims = {key: chance.uniform(0.02, 0.8) for key in chance.sample(order, 2)}

            def one(key: str, run: int = run, victims: dict[str, float] = victims) -> None:
                work = f"run{run}-{key}"
                if key in victims:
                    doomed = multiprocessing.get_context("fork").Process(
                        target=die_after, args=(platform, key, work, victims[key])
                    )
                    doomed.start()
                    doomed.join(60)
                for name in ("features", "materialize"):
                    until_done(platform, name, key, f"{work}-{name}")

            side_by_side(map(one, order[:5]), map(one, order[5:]))  # a backfill beside live days
            check_nothing_went_back(platform)
            # Whoever came last had every value to see: one more run settles what ran beside each other.
            until_done(platform, "features", LAST, f"run{run}-last-features")
            until_done(platform, "materialize", LAST, f"run{run}-last-materialize")
            assert held(platform) == undisturbed, f"order {order}"


def test_7_while_two_materialise_no_value_goes_back(platform: Platform, undisturbed: Held) -> None:
    until_done(platform, "features", LAST, "again")
    for run in runs(20):
        with seeded("two materialise", run) as chance:
            forget_online(platform)
            order = chance.sample(DAYS, len(DAYS))

            def one(key: str, run: int = run) -> None:
                until_done(platform, "materialize", key, f"two{run}-{key}")

            side_by_side(map(one, order[:5]), map(one, order[5:]))
            check_nothing_went_back(platform)
            assert online(held(platform)) == online(undisturbed), f"order {order}"


def forget_online(platform: Platform) -> None:
    tables = ", ".join(f'online."flights__{view}"' for view in VIEWS)
    platform.owner().query(f"truncate {tables}; delete from ledger.watermark where stream = 'online'")


def online(found: Held) -> Held:
    return {name: rows for name, rows in found.items() if name.startswith("online")}


def overtaken(platform: Platform) -> None:
    """A materialisation that has read what is online, and writes after another one of newer days.

    It waits at the checker's gate, which lets newer values through, until the other one is done or
    waits for it.
    """
    until_done(platform, "features", LAST, "all")
    until_done(platform, "materialize", FIRST, "begin")
    old = "2013-01-05"
    platform.owner().query(
        f"""create function public.wait() returns trigger language plpgsql security definer as $$ begin
                perform pg_advisory_xact_lock(hashtextextended('older values', 0)); return new;
            end $$;
            create trigger wait before insert or update on online."flights__{VIEWS[0]}" for each row
            when (new.event_ts <= date '{old}' + 1) execute function public.wait()"""
    )
    gate = Gate(platform, "older values")
    watcher = platform.owner()
    waits = """select count(*) from pg_locks where locktype = 'advisory' and not granted
               and database = (select oid from pg_database where datname = current_database())"""
    with ThreadPoolExecutor(2) as pool:
        older = pool.submit(until_done, platform, "materialize", old, "older")
        wait_until(lambda: gate.waiting() == 1, "it did not come to the online store")
        newer = pool.submit(until_done, platform, "materialize", LAST, "newer")
        wait_until(lambda: newer.done() or watcher.query(waits) == [(2,)], "the other one did not get on")
        gate.open()
        older.result()
        newer.result()


def test_7_a_newer_materialisation_waits_for_an_older_one(platform: Platform, undisturbed: Held) -> None:
    overtaken(platform)
    check_nothing_went_back(platform)
    assert online(held(platform)) == online(undisturbed)


def test_7_the_checker_sees_two_that_do_not_wait(
    platform: Platform, undisturbed: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: without the store's lock the older values are written over the newer ones."""
    monkeypatch.setattr(online_writer, "lock", lambda *_: nullcontext(lambda: None))
    overtaken(platform)
    with pytest.raises(AssertionError):
        check_nothing_went_back(platform)
    assert online(held(platform)) != online(undisturbed)


def test_26_a_corrected_day_leaves_what_its_data_from_the_start_would(platform: Platform) -> None:
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, FLIGHTS, FIRST, LAST)
    until_done(platform, "features", LAST, "first")
    until_done(platform, "materialize", LAST, "first-online")
    for run in runs(20):
        with seeded("corrected", run) as chance:
            table = chance.choice(["flights", "arrivals", "weather"])
            day = chance.choice(DAYS[: -2 if table == "arrivals" else -1])
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
            assert found == whole, f"{table} of {day}"


def test_6_7_the_checker_sees_a_store_that_goes_back(
    platform: Platform, undisturbed: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: every value is written, and the watermark that would have kept old ones away is gone."""
    until_done(platform, "features", LAST, "all")
    until_done(platform, "materialize", LAST, "live")
    check_nothing_went_back(platform)
    monkeypatch.setattr(online_writer, "_forward", lambda *_: True)
    platform.owner().query("delete from ledger.watermark where stream = 'online'")
    until_done(platform, "materialize", "2013-01-03", "backfill")
    with pytest.raises(AssertionError):
        check_nothing_went_back(platform)
    assert held(platform) != undisturbed


def test_6_the_checker_sees_a_watermark_that_goes_back(
    platform: Platform, undisturbed: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: a backfill that sets the watermark to where it ends."""

    def anywhere(cursor: Cursor, project: str, stream: str, to: object) -> object:
        cursor.execute(
            """insert into ledger.watermark (project, stream, position) values (%s, %s, %s)
               on conflict (project, stream) do update set position = excluded.position""",
            (project, stream, to),
        )
        return to

    until_done(platform, "features", LAST, "all")
    until_done(platform, "materialize", LAST, "live")
    monkeypatch.setattr(watermarks, "advance", anywhere)
    until_done(platform, "materialize", "2013-01-03", "backfill")
    with pytest.raises(AssertionError):
        check_nothing_went_back(platform)
