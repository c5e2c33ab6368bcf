"""Late and missing deliveries: when they are due, how often they are looked for, what counts as a gap."""

from datetime import UTC, datetime, timedelta

import pytest

from mlcycle.domain import gaps
from mlcycle.domain.gap_monitor import gaps as monitor
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.past import why_past
from mlcycle.errors import InputError

DAY = Partition.parse("2013-03-05", Unit.DAY)
DUE = datetime(2013, 3, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_delivery_is_due_when_its_partition_is_over_and_a_lagged_one_later() -> None:
    assert gaps.due(DAY, 0) == DUE
    assert gaps.due(DAY, 2) == DUE + timedelta(days=2)


@pytest.mark.parametrize(
    ("waited", "pause"),
    [
        pytest.param(timedelta(0), timedelta(minutes=1), id="at first a minute"),
        pytest.param(timedelta(minutes=-3), timedelta(minutes=1), id="a clock that is ahead"),
        pytest.param(timedelta(minutes=40), timedelta(minutes=10), id="then a quarter of the time waited"),
        pytest.param(timedelta(hours=9), HOUR, id="an hour at the most"),
        pytest.param(timedelta(hours=23, minutes=50), timedelta(minutes=10), id="not past the deadline"),
    ],
)
def test_pauses_grow_between_a_minute_and_an_hour(waited: timedelta, pause: timedelta) -> None:
    now = DUE + waited
    assert gaps.next_look(DUE, DUE + timedelta(days=1), now) - now == pause


def test_a_day_of_waiting_costs_some_forty_looks() -> None:
    now, looks = DUE, 0
    while now < DUE + timedelta(days=1):
        now, looks = gaps.next_look(DUE, DUE + timedelta(days=1), now), looks + 1
    assert 30 <= looks <= 50
    assert now == DUE + timedelta(days=1)


def test_a_span_is_a_key_or_two() -> None:
    assert gaps.span("2013-03-05", Unit.DAY) == (DAY, DAY)
    assert gaps.span("2013-03-05 to 2013-03-07", Unit.DAY) == (DAY, DAY.shift(2))
    assert gaps.within(DAY.shift(1), ["2013-01-01", "2013-03-05 to 2013-03-06"])
    assert not gaps.within(DAY.shift(2), ["2013-01-01", "2013-03-05 to 2013-03-06"])
    with pytest.raises(InputError, match="is not a day key"):
        gaps.span("March", Unit.DAY)
    with pytest.raises(ValueError, match="ends before it begins"):
        gaps.span("2013-03-05 to 2013-03-04", Unit.DAY)


def test_a_backlog_is_worked_off_in_order_and_what_never_comes_keeps_nothing_back() -> None:
    days = [DAY.shift(number) for number in range(6)]
    looked = {days[0].key: DUE + HOUR, days[1].key: DUE, days[2].key: DUE + 2 * HOUR}
    assert gaps.first_looked_for(reversed(days), looked, 2) == [days[0], days[1], days[3], days[4]]
    assert gaps.first_looked_for(days, {}, 10) == days


def test_a_gap_lies_before_the_newest_delivery_or_was_waited_for_in_vain() -> None:
    keys = ["01", "02", "03", "04", "05", "06"]
    assert gaps.unfilled(keys, {"01", "04"}, [], []) == ["02", "03"]
    assert gaps.unfilled(keys, {"01", "04"}, ["05"], ["02"]) == ["03", "05"]
    assert gaps.unfilled(keys, set(), [], []) == []


def test_the_monitor_warns_of_any_gap_and_names_it() -> None:
    found = monitor({"flights": ["2013-03-05"], "weather": [], "arrivals": ["2013-03-04", "2013-03-05"]})
    assert (found.status, found.value) == ("warn", 3.0)
    assert found.message == "3 never delivered: flights: 2013-03-05; arrivals: 2013-03-04, 2013-03-05"
    assert monitor({"flights": []}).status == "ok"


def test_many_are_not_all_listed() -> None:
    assert gaps.listed([str(n) for n in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("monitored", "published", "backfill", "why"),
    [
        pytest.param(None, None, False, "", id="nothing before"),
        pytest.param(DAY, DAY, False, "", id="the newest again"),
        pytest.param(DAY.shift(-1), DAY.shift(7), False, "", id="monitoring is behind by a window"),
        pytest.param(DAY.shift(1), DAY.shift(1), False, "2013-03-06 was monitored already", id="monitored"),
        pytest.param(None, DAY.shift(8), False, "2013-03-13 is published already", id="history"),
        pytest.param(None, None, True, "the run is a backfill", id="backfill"),
    ],
)
def test_a_run_is_for_the_past(
    monitored: Partition | None, published: Partition | None, backfill: bool, why: str
) -> None:
    assert why_past(DAY, monitored=monitored, published=published, window=WEEK, backfill=backfill) == why
