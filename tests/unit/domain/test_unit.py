"""Hours, and days, weeks and months of a zone: numbers, keys, calendars, and clocks that are moved."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcycle.domain.durations import parse_duration
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.split import Policy, windows
from mlcycle.errors import ConfigError, InputError

#: Clocks are moved at 2 or 3, at midnight (so that a day begins at 1, or has midnight twice), by half an hour.
ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata"]
UNITS = st.builds(Unit.of, st.sampled_from(["hour", "day", "week", "month"]), st.sampled_from(ZONES))
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
STEPS = st.integers(-400, 400)
MONTH = parse_duration("1 month")


@given(MOMENTS, UNITS)
def test_a_moment_lies_in_the_partition_of_its_number_and_key(moment: datetime, unit: Unit) -> None:
    found = Partition.containing(moment, unit)
    assert found.start <= moment < found.end
    assert found == Partition(unit.start(unit.number(moment)), unit)
    assert Partition.parse(found.key, unit) == found
    assert Partition.parse(found.key, unit).key == found.key


@given(MOMENTS, MOMENTS, UNITS)
def test_keys_and_numbers_sort_as_times_do(one: datetime, other: datetime, unit: Unit) -> None:
    a, b = Partition.containing(one, unit), Partition.containing(other, unit)
    assert (a.key < b.key) == (a < b) == (unit.number(one) < unit.number(other))


@given(MOMENTS, UNITS, STEPS, STEPS)
def test_partitions_follow_each_other_without_a_gap(
    moment: datetime, unit: Unit, steps: int, more: int
) -> None:
    found = Partition.containing(moment, unit)
    assert found.shift(steps).shift(more) == found.shift(steps + more)
    assert found.end == found.shift(1).start
    assert found.shift(1).shift(-1) == found


@given(MOMENTS, UNITS)
def test_no_partition_is_shorter_or_longer_than_its_unit_says(moment: datetime, unit: Unit) -> None:
    found = Partition.containing(moment, unit)
    assert unit.shortest <= found.end - found.start <= unit.most(unit.length)


@given(st.lists(MOMENTS, max_size=20), UNITS)
@settings(max_examples=50)
def test_moments_are_numbered_together_as_one_by_one(moments: list[datetime], unit: Unit) -> None:
    near = [moment.replace(year=2013 + moment.year % 2) for moment in moments if moment.day < 29]
    found = unit.numbers(np.array([moment.timestamp() for moment in near], dtype=np.float64))
    assert found.tolist() == [unit.number(moment) for moment in near]


@pytest.mark.parametrize(
    ("unit", "first", "keys"),
    [
        (Unit.WEEK, "2009-W52", ["2009-W52", "2009-W53", "2010-W01", "2010-W02"]),
        (Unit.WEEK, "2012-W52", ["2012-W52", "2013-W01"]),
        (Unit.MONTH, "2012-12", ["2012-12", "2013-01", "2013-02", "2013-03"]),
    ],
    ids=["a year of 53 weeks", "a year of 52 weeks", "months"],
)
def test_years_follow_each_other(unit: Unit, first: str, keys: list[str]) -> None:
    begin = Partition.parse(first, unit)
    assert [each.key for each in begin.to(begin.shift(len(keys) - 1))] == keys


def test_weeks_begin_on_monday() -> None:
    assert Partition.parse("2013-W05", Unit.WEEK).start == datetime(2013, 1, 28, tzinfo=UTC)
    assert date(2013, 1, 28).isoweekday() == 1


@pytest.mark.parametrize("key", ["2013-W54", "2010-W53", "2013-W5", "2013-05", "2013-W05-1", "week 5"])
def test_what_is_no_week_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="is not a week key: write it like '2013-W22'"):
        Partition.parse(key, Unit.WEEK)


@pytest.mark.parametrize("key", ["2013-13", "2013-00", "2013-5", "2013-W05", "2013-05-01", "May"])
def test_what_is_no_month_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="is not a month key: write it like '2013-06'"):
        Partition.parse(key, Unit.MONTH)


@pytest.mark.parametrize(
    ("zone", "key", "hours", "start"),
    [
        ("Europe/Berlin", "2013-03-31", 23, "2013-03-30T23:00:00+00:00"),
        ("Europe/Berlin", "2013-10-27", 25, "2013-10-26T22:00:00+00:00"),
        ("Europe/Berlin", "2013-07-01", 24, "2013-06-30T22:00:00+00:00"),
        ("America/Sao_Paulo", "2013-10-20", 23, "2013-10-20T03:00:00+00:00"),  # midnight was left out
        ("America/Havana", "2013-11-03", 25, "2013-11-03T04:00:00+00:00"),  # midnight came twice
    ],
)
def test_local_days_have_23_to_25_hours(zone: str, key: str, hours: int, start: str) -> None:
    found = Partition.parse(key, Unit.of("day", zone))
    assert (found.key, found.start.isoformat()) == (key, start)
    assert found.end - found.start == timedelta(hours=hours)


def test_a_day_that_a_zone_left_out_is_none() -> None:
    apia = Unit.of("day", "Pacific/Apia")
    with pytest.raises(InputError, match="is not a day key"):
        Partition.parse("2011-12-30", apia)
    assert Partition.parse("2011-12-29", apia).end == Partition.parse("2011-12-31", apia).start


def test_hours_are_utc_in_every_zone() -> None:
    assert Unit.of("hour", "Asia/Kolkata") is Unit.HOUR or Unit.of("hour", "Asia/Kolkata") == Unit.HOUR


@pytest.mark.parametrize(
    ("unit", "moment", "by", "found"),
    [
        (Unit.MONTH, "2013-05-01T00:00", MONTH, "2013-06-01T00:00"),
        (Unit.MONTH, "2013-01-31T12:00", MONTH, "2013-02-28T12:00"),
        (Unit.MONTH, "2013-03-31T12:00", -MONTH, "2013-02-28T12:00"),
        (Unit.MONTH, "2012-12-15T00:00", 14 * MONTH, "2014-02-15T00:00"),
        (Unit.of("day", "Europe/Berlin"), "2013-03-30T23:00", timedelta(days=1), "2013-03-31T22:00"),
        (Unit.of("day", "Europe/Berlin"), "2013-03-30T23:00", timedelta(hours=5), "2013-03-31T04:00"),
        (Unit.DAY, "2013-03-30T23:00", timedelta(days=1), "2013-03-31T23:00"),
    ],
)
def test_months_and_local_days_are_added_as_people_count(
    unit: Unit, moment: str, by: timedelta, found: str
) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert unit.later(at, by) == datetime.fromisoformat(found).replace(tzinfo=UTC)


@given(
    MOMENTS,
    UNITS,
    st.sampled_from([timedelta(0), timedelta(hours=5), timedelta(days=1), timedelta(days=40), MONTH]),
    st.sampled_from([timedelta(0), timedelta(hours=30), timedelta(days=7), timedelta(days=30), 2 * MONTH]),
)
def test_an_embargo_is_long_enough_on_every_day_of_the_calendar(
    moment: datetime, unit: Unit, ahead: timedelta, delay: timedelta
) -> None:
    end = Partition.containing(moment, unit)
    known = unit.later(unit.later(end.start, ahead), delay)
    assert end.shift(unit.covering(ahead, delay)).start >= known


def test_a_split_of_months_is_counted_in_months() -> None:
    policy = Policy(3 * MONTH, 2 * MONTH, 60 * MONTH, datetime(2009, 1, 1, tzinfo=UTC), Unit.MONTH, (MONTH,))
    found = windows(policy, datetime(2013, 3, 1, tzinfo=UTC))
    assert {name: (f"{w.start:%Y-%m}", f"{w.end:%Y-%m}") for name, w in found.items()} == {
        "train": ("2009-01", "2012-08"),
        "validation": ("2012-09", "2012-11"),
        "holdout": ("2012-12", "2013-03"),
    }
    with pytest.raises(ConfigError, match=r"split.holdout must be a whole number of partitions \(months\)"):
        windows(Policy(timedelta(days=90), MONTH, MONTH, policy.begin, Unit.MONTH), policy.begin)


def test_a_split_of_local_days_begins_and_ends_at_local_midnight() -> None:
    berlin = Unit.of("day", "Europe/Berlin")
    day = timedelta(days=1)
    policy = Policy(
        3 * day, 2 * day, 60 * day, Partition.parse("2013-02-01", berlin).start, berlin, (day, day)
    )
    found = windows(policy, Partition.parse("2013-04-02", berlin).start)
    assert {name: (f"{berlin.local(w.start)}", f"{berlin.local(w.end)}") for name, w in found.items()} == {
        "train": ("2013-02-01 00:00:00+01:00", "2013-03-24 00:00:00+01:00"),
        "validation": ("2013-03-26 00:00:00+01:00", "2013-03-28 00:00:00+01:00"),
        "holdout": ("2013-03-30 00:00:00+01:00", "2013-04-02 00:00:00+02:00"),
    }
