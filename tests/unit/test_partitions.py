"""Partitions of time: keys, bounds, ranges."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
UNITS = st.sampled_from(Unit.ALL)


@given(MOMENTS, UNITS)
def test_a_key_reads_back_and_its_partition_holds_the_moment(moment: datetime, unit: Unit) -> None:
    partition = Partition.containing(moment, unit)
    assert Partition.parse(partition.key, unit) == partition
    assert partition.start <= moment < partition.end


@given(MOMENTS, MOMENTS, UNITS)
def test_keys_sort_as_times_do(one: datetime, other: datetime, unit: Unit) -> None:
    a, b = Partition.containing(one, unit), Partition.containing(other, unit)
    assert (a.key < b.key) == (a < b)


def test_a_leap_day_is_a_day_and_no_day_is_skipped() -> None:
    days = list(Partition.parse("2016-02-28", Unit.DAY).to(Partition.parse("2016-03-01", Unit.DAY)))
    assert [day.key for day in days] == ["2016-02-28", "2016-02-29", "2016-03-01"]


def test_a_zone_with_daylight_saving_does_not_move_a_partition() -> None:
    local = datetime(2013, 3, 10, 22, 30, tzinfo=timezone(timedelta(hours=-4)))
    assert Partition.containing(local, Unit.DAY).key == "2013-03-11"


@pytest.mark.parametrize(
    "key", ["", "2013-6-1x", "2013-02-29", "2013-06-01T05", "yesterday", "2013-06-01; drop"]
)
def test_a_wrong_key_is_answered_with_an_example(key: str) -> None:
    with pytest.raises(InputError, match="write it like '2013-06-01'"):
        Partition.parse(key, Unit.DAY)


def test_a_partition_is_utc_s_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = Partition.containing(datetime(2013, 6, 1, 20, tzinfo=UTC), Unit.DAY)
        assert (found.key, str(found.start)) == ("2013-06-01", "2013-06-01 00:00:00+00:00")
    finally:
        monkeypatch.undo()
        time.tzset()
