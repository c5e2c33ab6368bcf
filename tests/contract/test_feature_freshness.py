"""What a run finds stale by the changes noted since: the same as all of history says, and as quick after years."""

import random
import threading
import time
from datetime import timedelta

import pytest
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain.freshness import Deliveries, Reach, stale
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.ledger import feature_views
from mlcycle.ledger import features as ledger
from mlcycle.project import Project
from tests.conftest import Platform
from tests.raw_data import FLIGHTS

VIEW = "dest_recent"  # reads two tables, one of them lagged
TABLES = FLIGHTS.features[VIEW].reads
DAY = Partition.parse("2013-03-01", Unit.DAY)


def batch(cursor: Cursor, table: str, partition: Partition, project: str = "flights") -> None:
    """A delivery published in place of another."""
    cursor.execute(
        "update ledger.batch set current = false where project = %s and table_name = %s and partition = %s and current",
        (project, table, partition.key),
    )
    cursor.execute(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
           values (%s, %s, %s, 'published', true, '', 1, 0)""",
        (project, table, partition.key),
    )


def all_of_history(
    cursor: Cursor, project: Project, view: str, asked: list[Partition]
) -> dict[Partition, str]:
    """The peer: every batch and every record there is, as it was computed before changes were noted."""
    unit, spec = project.unit, project.features[view]
    found: dict[str, dict[Partition, int]] = {name: {} for name in spec.reads}
    cursor.execute(
        "select table_name, partition, batch_id from ledger.batch where project = %s and current",
        (project.name,),
    )
    for table, key, number in cursor.fetchall():
        if table in found:
            found[table][Partition.parse(key, unit)] = number
    tables = {
        name: Deliveries(project.source.tables[name].lag, spec.lookback, found[name]) for name in spec.reads
    }
    cursor.execute(
        "select partition, inputs from ledger.feature_partition where project = %s and view = %s",
        (project.name, view),
    )
    recorded = {Partition.parse(key, unit): inputs for key, inputs in cursor.fetchall()}
    return stale(Reach(ledger.definition(project, view), tables), asked, recorded)


def publish(cursor: Cursor, found: ledger.Look, upto: int) -> None:
    """What a run publishes until it is killed after so many partitions; all of them settle the look."""
    items = list(found.stale.items())
    ledger.record(cursor, "flights", VIEW, dict(items[:upto]), {})
    if upto >= len(items):
        feature_views.settle(cursor, found.view_id, found.taken_up, found.covers())
    elif upto:
        feature_views.settle(cursor, found.view_id, (), found.covers(items[upto - 1][0]))


@pytest.fixture
def registered(platform: Platform) -> Warehouse:
    """The owner's connection, with the view registered."""
    owner = platform.owner()
    with owner.transaction() as cursor:
        feature_views.register(cursor, "flights", VIEW, ledger.definition(FLIGHTS, VIEW), TABLES)
    return owner


@pytest.mark.parametrize("seed", range(30))
def test_a_look_finds_what_all_of_history_says(registered: Warehouse, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        with registered.transaction() as cursor:
            for _ in range(chance.choice([0, 1, 1, 2, 8])):
                batch(
                    cursor, chance.choice(["flights", "arrivals", "weather"]), DAY.shift(chance.randrange(70))
                )
            if chance.random() < 0.05:
                cursor.execute(
                    "delete from ledger.batch where batch_id in (select batch_id from ledger.batch order by random() limit 1)"
                )
            if chance.random() < 0.03:
                cursor.execute("delete from ledger.feature_partition")
            first = DAY.shift(chance.randrange(-3, 70))
            asked = list(first.to(first.shift(chance.choice([-1, 0, 0, 3]))))
            found = ledger.look(cursor, FLIGHTS, VIEW, asked, building=False)
            assert found is not None
            assert found.stale == all_of_history(cursor, FLIGHTS, VIEW, asked)
            publish(cursor, found, chance.choice([0, len(found.stale) // 2, len(found.stale)]))


def test_a_batch_that_commits_after_younger_ones_is_not_missed(
    platform: Platform, registered: Warehouse
) -> None:
    """Its id is lower than all that were looked at: a mark at the highest id seen would pass over it."""
    with registered.transaction() as cursor:
        for number in range(40):
            batch(cursor, "flights", DAY.shift(number))
    slow = Warehouse(platform.settings("ingest"))
    with slow.transaction() as cursor:
        batch(cursor, "arrivals", DAY.shift(3))
        with registered.transaction() as other:
            batch(other, "arrivals", DAY.shift(4))
            found = ledger.look(other, FLIGHTS, VIEW, [DAY.shift(39)], building=False)
            assert found is not None
            publish(other, found, len(found.stale))
    with registered.transaction() as cursor:
        found = ledger.look(cursor, FLIGHTS, VIEW, [DAY.shift(39)], building=False)
        assert found is not None
        assert found.stale == all_of_history(cursor, FLIGHTS, VIEW, [DAY.shift(39)])
        assert DAY.shift(4) in found.stale


def test_a_view_that_is_registered_waits_for_batches_on_their_way(platform: Platform) -> None:
    """One that did not would neither see them nor have them noted."""
    slow, order = Warehouse(platform.settings("ingest")), []

    def register() -> None:
        with platform.owner().transaction() as cursor:
            feature_views.register(cursor, "flights", VIEW, ledger.definition(FLIGHTS, VIEW), TABLES)
        order.append("registered")

    with slow.transaction() as cursor:
        batch(cursor, "flights", DAY)
        thread = threading.Thread(target=register)
        thread.start()
        time.sleep(0.3)
        order.append("committed")
    thread.join(10)
    assert order == ["committed", "registered"]


def hours_of_three_years(platform: Platform, project: str, tables: list[str]) -> None:
    """A ledger as an hourly project has it after three years."""
    platform.owner().query(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
           select %s, name, to_char(timestamp '2013-01-01' + n * interval '1 hour', 'YYYY-MM-DD"T"HH24'),
                  'published', true, '', 3, 0
           from generate_series(0, 26279) n, unnest(%s::text[]) name order by n""",
        (project, tables),
    )
    platform.owner().query("analyze ledger.batch")


def hourly() -> Project:
    """The flights as an hourly project: three tables, views of up to 30 days."""
    document = FLIGHTS.document()
    document["source"] |= {"partition": "hour", "start": "2013-01-01T00"}
    document["label"]["delay"] = "1 hour"  # of partitions that are delivered one after their own
    document["split"] |= {"holdout": "14 days"}
    return Project.model_validate(document)


def test_freshness_after_three_years_of_hours_takes_no_longer_than_50_ms_a_view(platform: Platform) -> None:
    project, owner = hourly(), platform.owner()
    first = Partition.parse("2013-01-01T00", Unit.HOUR)
    last = first.shift(26279)
    hours_of_three_years(platform, "flights", list(project.source.tables))
    with owner.transaction() as cursor:
        for view, spec in project.features.items():
            feature_views.register(cursor, "flights", view, ledger.definition(project, view), spec.reads)
            found = ledger.look(cursor, project, view, [last], building=False)
            assert found is not None
            assert len(found.stale) == 26280
            ledger.record(cursor, "flights", view, found.stale, {})
            feature_views.settle(cursor, found.view_id, found.taken_up, found.covers())
    owner.query("analyze ledger.feature_partition")
    new = last.shift(1)
    with owner.transaction() as cursor:
        for table in project.source.tables:
            batch(cursor, table, new)
    with owner.transaction() as cursor:
        for view in project.features:
            took = []
            for _ in range(5):
                began = time.perf_counter()
                found = ledger.look(cursor, project, view, [new], building=False)
                took.append(time.perf_counter() - began)
            assert found is not None
            assert list(found.stale) == [new]
            print(view, f"{sorted(took)[2] * 1000:.1f} ms")
            assert sorted(took)[0] < 0.05, view


def test_one_corrected_hour_three_years_back_is_found_as_quickly(platform: Platform) -> None:
    project, owner, view = hourly(), platform.owner(), "carrier_recent"
    first = Partition.parse("2013-01-01T00", Unit.HOUR)
    last = first.shift(26279)
    hours_of_three_years(platform, "flights", ["arrivals"])
    with owner.transaction() as cursor:
        feature_views.register(cursor, "flights", view, ledger.definition(project, view), ["arrivals"])
        found = ledger.look(cursor, project, view, [last], building=False)
        assert found is not None
        ledger.record(cursor, "flights", view, found.stale, {})
        feature_views.settle(cursor, found.view_id, found.taken_up, found.covers())
        batch(cursor, "arrivals", first.shift(100))
        began = time.perf_counter()
        found = ledger.look(cursor, project, view, [last], building=False)
        took = time.perf_counter() - began
    assert found is not None
    assert len(found.stale) == timedelta(days=9) / timedelta(hours=1)
    assert took < 0.2
