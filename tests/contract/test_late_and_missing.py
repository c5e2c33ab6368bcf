"""Late, missing and declared deliveries, on the real steps, a real PostgreSQL and the machine's clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlcycle.contract import Status
from mlcycle.domain.partitions import Partition
from mlcycle.stage_run import run_stage
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest, days
from tests.hourly import WEATHER, Hourly, now_hour

HOURS = ("2013-02-20T00", "2013-02-22T23")


@pytest.fixture
def hourly(platform: Platform) -> Hourly:
    """A living source whose deliveries may come six hours late; three hours before the newest are there."""
    found = Hourly(platform, lateness="6 hours")
    newest = now_hour()
    found.come(*newest.shift(-3).to(newest.shift(-1)))
    for hour in newest.shift(-3).to(newest.shift(-1)):
        assert found.tick(hour)["publish"].status is Status.OK
    return found


# a delivery that is late


def test_a_late_delivery_is_waited_for_and_taken(hourly: Hourly) -> None:
    newest = now_hour()
    waiting = hourly.tick(newest, work="late")["extract"]
    assert (waiting.status, waiting.exit_code) == (Status.WAITING, 10)
    assert "it is waited for until" in waiting.message
    assert waiting.again_at is not None
    pause = waiting.again_at - datetime.now(UTC)
    assert timedelta(seconds=30) < pause < timedelta(minutes=20)
    assert (hourly.gaps(), hourly.alerts()) == ({}, [])
    hourly.come(newest)
    assert hourly.tick(newest, work="late")["publish"].status is Status.OK
    assert hourly.held()[-1] == newest.key


def test_after_its_lateness_a_delivery_is_a_gap_that_somebody_is_told_of_once(platform: Platform) -> None:
    hourly, newest = Hourly(platform), now_hour()
    hourly.come(*newest.shift(-4).to(newest))
    hourly.tick(newest.shift(-4))
    for missing in newest.shift(-3).to(newest.shift(-2)):
        (platform.folder / "source" / "weather" / "weather" / f"{missing.key}.csv").unlink()
        found = hourly.tick(missing)
        assert found["extract"].status is Status.SKIPPED
        assert f"1 not delivered: {missing.key}" in found["extract"].message
        assert found["alert"].status is (Status.OK if missing == newest.shift(-3) else Status.SKIPPED)
    assert hourly.gaps() == {newest.shift(n).key: "missing" for n in (-3, -2)}
    assert hourly.alerts() == [("late:weather", "open")]
    assert hourly.deliveries() == [("delivered", 1)]
    title, body, count = platform.owner().query("select title, body, count from ledger.alert")[0]
    assert title == f"weather {newest.shift(-2).key}: weather was not delivered"
    assert f"mlcycle absent weather {newest.shift(-2).key} --table weather" in body
    assert count == 2


def test_what_comes_after_all_is_taken_by_the_next_run_and_closes_gap_and_alert(platform: Platform) -> None:
    hourly, newest = Hourly(platform), now_hour()
    hourly.come(newest.shift(-4), newest.shift(-2))
    hourly.tick(newest.shift(-4))
    hourly.tick(newest.shift(-3))
    hourly.tick(newest.shift(-2))
    assert hourly.alerts() == [("late:weather", "open")]
    hourly.come(newest.shift(-3), newest.shift(-1))
    found = hourly.tick(newest.shift(-1))
    assert found["publish"].values["caught_up"] == [newest.shift(-3).key]
    assert hourly.gaps() == {newest.shift(-3).key: "delivered"}
    assert hourly.alerts() == [("late:weather", "closed")]
    assert hourly.held() == [newest.shift(n).key for n in (-4, -2, -3, -1)]
    events = platform.owner().query("select action, actor from ledger.gap_event order by event_id")
    assert events == [("missing", "extract"), ("delivered", "the source")]


def test_many_that_come_at_once_close_the_alert(platform: Platform) -> None:
    """They are published side by side, and each sees the others as missing."""
    hourly, newest = Hourly(platform), now_hour()
    hourly.come(newest.shift(-30), newest.shift(-2))
    for hour in (newest.shift(-30), newest.shift(-2)):
        hourly.tick(hour)
    assert (len(hourly.gaps()), hourly.alerts()) == (24, [("late:weather", "open")])
    hourly.come(*newest.shift(-29).to(newest.shift(-1)))
    hourly.tick(newest.shift(-1))
    assert set(hourly.gaps().values()) == {"delivered"}
    assert hourly.alerts() == [("late:weather", "closed")]


def test_ten_days_late_is_not_too_late(platform: Platform) -> None:
    hourly, newest = Hourly(platform, start=now_hour().shift(-400).key), now_hour()
    old = newest.shift(-240)
    hourly.come(old.shift(-1), newest.shift(-1))
    hourly.tick(old.shift(-1))
    hourly.tick(old)
    assert hourly.gaps() == {old.key: "missing"}
    hourly.come(old)
    hourly.tick(newest.shift(-1))
    assert hourly.gaps()[old.key] == "delivered"


def test_a_source_that_is_away_longer_than_its_lateness_is_told_and_asked_by_later_runs(
    platform: Platform,
) -> None:
    hourly, newest = Hourly(platform), now_hour()
    hourly.come(newest.shift(-3))
    hourly.tick(newest.shift(-3))
    request = hourly.request("extract", newest.shift(-2).key)
    down = run_step(request, platform.settings("ingest", source_url="http://127.0.0.1:1"))
    assert down.status is Status.SKIPPED, down.message
    assert hourly.gaps() == {newest.shift(-2).key: "missing"}
    assert hourly.alerts() == [("late:weather", "open")]


def test_a_partition_that_is_not_over_is_refused_and_not_waited_for(hourly: Hourly) -> None:
    found = hourly.tick(now_hour().shift(500))["extract"]
    assert found.exit_code == 20
    assert "is not due before" in found.message


def test_an_hour_that_the_source_no_longer_holds_is_no_gap(hourly: Hourly, platform: Platform) -> None:
    hour = now_hour().shift(-2)
    (platform.folder / "source" / "weather" / "weather" / f"{hour.key}.csv").unlink()
    found = hourly.tick(hour)["extract"]
    assert found.status is Status.SKIPPED
    assert hourly.gaps() == {}
    assert hour.key in hourly.held()


# a range with a gap


def test_the_rest_of_a_range_is_published_and_what_is_missing_is_listed(platform: Platform) -> None:
    """72 hours of real weather, of which the source never had one."""
    ingest = Ingest(platform, WEATHER, "weather")
    first, last = (Partition.parse(key, WEATHER.unit) for key in HOURS)
    there = 0
    for hour in first.to(last):
        try:
            ingest.deliver(hour.key)
            there += 1
        except AssertionError:
            pass
    assert there == 71
    results = ingest.run(*HOURS)
    assert results["publish"].status is Status.OK
    assert results["extract"].values["missing_count"] == 1
    (missing,) = results["extract"].values["missing"]  # type: ignore[misc]
    assert f"1 not delivered: {missing}" in results["extract"].message
    assert len([b for b in ingest.batches() if b[2]]) == 71
    assert platform.owner().query("select partition, state from ledger.gap") == [(missing, "missing")]


# declared absent


def absent(platform: Platform, project: Any, last: str, **params: str) -> Any:
    def execute(request: Any) -> Any:
        asked = request.model_copy(update={"origin": request.origin.model_copy(update={"user": "ada"})})
        return run_step(asked, platform.settings("ingest"))

    ((_, result),) = run_stage(project, "absent", execute, last=last, params=params)
    return result


def test_a_declared_partition_is_not_waited_for_and_taken_if_it_comes_all_the_same(hourly: Hourly) -> None:
    newest, platform = now_hour(), hourly.platform
    said = absent(platform, hourly.project, newest.key, reason="the sensor is away")
    assert said.message == f"declared absent: weather: {newest.key}"
    found = hourly.tick(newest)
    assert found["extract"].status is Status.SKIPPED
    assert f"1 declared absent: {newest.key}" in found["extract"].message
    assert hourly.alerts() == []
    hourly.come(newest)
    assert hourly.tick(newest)["publish"].status is Status.OK
    assert hourly.gaps() == {newest.key: "delivered"}
    audit = platform.owner().query("select action, actor, reason from ledger.gap_event order by event_id")
    assert audit == [
        ("absent", "ada", "the sensor is away"),
        ("delivered", "the source", "delivered after all"),
    ]


def test_a_declaration_closes_the_alert_and_can_be_taken_back(platform: Platform) -> None:
    hourly, newest = Hourly(platform), now_hour()
    hourly.come(newest.shift(-4))
    hourly.tick(newest.shift(-4))
    hourly.tick(newest.shift(-3))
    assert hourly.alerts() == [("late:weather", "open")]
    gap = newest.shift(-3).key
    absent(platform, hourly.project, gap, reason="storm", table="weather")
    assert (hourly.alerts(), hourly.gaps()) == ([("late:weather", "closed")], {gap: "absent"})
    undone = absent(platform, hourly.project, gap, reason="it is on its way", undo="yes")
    assert undone.message == f"expected again: weather: {gap}"
    assert hourly.gaps() == {gap: "missing"}
    assert absent(platform, hourly.project, gap, reason="x", undo="yes").status is Status.SKIPPED
    assert "say why" in absent(platform, hourly.project, gap).message


def test_the_project_file_may_declare(platform: Platform) -> None:
    newest = now_hour()
    span = f"{newest.shift(-3).key} to {newest.key}"
    hourly = Hourly(platform, absent=[span])
    hourly.come(newest.shift(-4))
    hourly.tick(newest.shift(-4))
    for hour in newest.shift(-3).to(newest):
        assert "declared absent" in hourly.tick(hour)["extract"].message
    assert hourly.alerts() == []
    assert set(hourly.gaps().values()) == {"absent"}


# after an outage


def test_after_an_outage_every_missed_hour_is_taken_in_order_some_at_a_time(platform: Platform) -> None:
    hourly, newest = Hourly(platform), now_hour()
    begin = newest.shift(-60)
    hourly.come(*begin.to(newest))
    hourly.tick(begin)
    taken = [hourly.tick(hour)["extract"].values["caught_up"] for hour in newest.shift(-2).to(newest)]
    assert [len(keys) for keys in taken] == [24, 24, 9]  # type: ignore[arg-type]
    missed = [hour.key for hour in begin.shift(1).to(newest.shift(-3))]
    assert [key for keys in taken for key in keys] == missed  # type: ignore[union-attr]
    assert sorted(hourly.held()) == [hour.key for hour in begin.to(newest)]
    assert hourly.alerts() == []


def test_a_new_project_is_not_flooded_and_a_range_takes_what_it_was_asked_for(platform: Platform) -> None:
    hourly, newest = Hourly(platform, start="2013-01-01T00"), now_hour()
    hourly.come(*newest.shift(-30).to(newest))
    assert hourly.tick(newest)["extract"].values["caught_up"] == []
    first = newest.shift(-400)
    hourly.come(first)
    hourly.tick(first)
    ranged = hourly.step("extract", newest.shift(-5).key, newest.shift(-3).key)
    assert (ranged.values["partitions"], ranged.values["caught_up"]) == (3, [])
    found = hourly.tick(newest)["extract"]
    assert "24 of earlier runs still missing" in found.message
    assert min(hourly.gaps()) == newest.shift(-14 * 24).key  # no further back than catch_up


def test_a_bad_delivery_that_is_caught_up_with_stops_nobody(platform: Platform) -> None:
    hourly, newest = Hourly(platform), now_hour()
    hourly.come(newest.shift(-4), newest.shift(-1))
    hourly.deliver(newest.shift(-2).key, b"")
    hourly.tick(newest.shift(-4))
    found = hourly.tick(newest.shift(-1))["publish"]
    assert found.status is Status.OK
    assert f"1 stopped, the first {newest.shift(-2).key}" in found.message


# what ranges and lateness may be


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"lateness": "3 days"}, "lateness is more than 48 partitions"),
        ({"catch_up": "900 days"}, "catch_up is more than 2000 partitions"),
        ({"absent": ["yesterday"]}, "absent: partition 'yesterday' is not a hour key"),
        ({"absent": ["2013-01-02T00 to 2013-01-01T00"]}, "ends before it begins"),
    ],
    ids=["lateness", "catch-up", "not a key", "backwards"],
)
def test_a_wrong_source_is_refused(source: dict[str, Any], message: str) -> None:
    from tests.hourly import project

    with pytest.raises(ValueError, match=message):
        project(**source)


def test_lateness_is_a_partition_s_length_unless_said() -> None:
    assert WEATHER.source.lateness == timedelta(hours=1)
    assert FLIGHTS.source.lateness == timedelta(days=1)


# gaps where people look


def test_gaps_are_a_monitor(platform: Platform) -> None:
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.ledger import gaps

    ingest = Ingest(platform)
    for day in days("2013-01-01", "2013-01-06"):
        if day not in ("2013-01-03", "2013-01-04"):
            ingest.deliver(day)
    ingest.run("2013-01-01", "2013-01-06")
    absent(platform, FLIGHTS, "2013-01-04", reason="closed", table="flights")
    first, last = (Partition.parse(key, FLIGHTS.unit) for key in ("2012-12-31", "2013-01-06"))
    with Warehouse(platform.settings("train")).transaction() as cursor:
        found = gaps.missing(cursor, FLIGHTS, first, last)
        assert gaps.overview(cursor) == [("flights", 1, "2013-01-03", "2013-01-03")]
    assert found["flights"] == ["2013-01-03"]


def test_stopped_batches_are_those_that_nothing_was_published_of_since(platform: Platform) -> None:
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.ledger import overview

    ingest = Ingest(platform)
    for day in ("2013-01-01", "2013-01-02"):
        ingest.deliver(day, b"")
        ingest.run(day)

    def stopped() -> int:
        with Warehouse(platform.settings("serve")).transaction() as cursor:
            return sum(count for _project, _table, count in overview.stopped(cursor))

    assert stopped() == 2
    ingest.deliver("2013-01-01")
    assert ingest.run("2013-01-01")["publish"].status is Status.OK
    assert stopped() == 1
    Path(ingest.deliver("2013-01-01", b"")).touch()
    ingest.run("2013-01-01")
    assert stopped() == 2  # the correction was stopped, what was there before still serves
