"""A delivery against those before it: parts of it without events, rows that repeat others."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.domain import deliveries
from mlcycle.domain.partitions import Partition, Unit

DAY = Partition.parse("2013-05-01", Unit.DAY)
NIGHT = range(4, 9)  # no event in these hours, ever
USUAL = sum(1 << hour for hour in range(24) if hour not in NIGHT)
NEWEST = datetime(2013, 5, 1, 20, 30, tzinfo=UTC)


def without(*hours: int) -> int:
    return USUAL & ~sum(1 << hour for hour in hours)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (USUAL, ""),
        (without(21, 22, 23), "between 21:00 and 00:00"),
        (without(15), "between 15:00 and 16:00"),
        (without(9), ""),
        (without(3), ""),
        (without(9, 10), "between 10:00 and 11:00"),
    ],
    ids=["as ever", "ends early", "a hole", "begins an hour later", "the night an hour earlier", "later"],
)
def test_hours_that_were_always_there_are_missed_and_a_timetable_may_move_by_an_hour(
    now: int, told: str
) -> None:
    found = deliveries.freshness("flights", DAY, now, [USUAL] * 60, NEWEST)
    assert found is not None
    assert (found.status, found.subject) == ("warn" if told else "ok", "flights")
    assert told in found.message
    assert "newest event 3.5 hours before the partition's end" in found.message


def test_a_table_that_has_missed_an_hour_before_is_told_of_when_it_misses_two() -> None:
    before = [0, *[USUAL] * 200, without(12)]  # the first one begins when the table does
    assert deliveries.freshness("w", DAY, without(15), before, NEWEST).status == "ok"  # type: ignore[union-attr]
    assert deliveries.freshness("w", DAY, without(15, 16), before, NEWEST).status == "warn"  # type: ignore[union-attr]


def test_few_deliveries_say_nothing_of_the_next_one() -> None:
    assert deliveries.freshness("w", DAY, 0, [USUAL] * 27, None) is None
    assert deliveries.duplicates("w", (10, 10, 0, 0), [(10, 0, 0, 0)] * 27) is None
    assert deliveries.duplicates("w", (10, 10, 0, 0), [(10, 0, 0, 0)] * 28) is not None


@pytest.mark.parametrize(
    ("now", "kinds"),
    [
        ((1000, 4, 0, 100), []),
        ((1000, 10, 0, 100), ["exact copies"]),
        ((1000, 0, 30, 190), ["a key's second row"]),
        ((1000, 0, 0, 201), ["content of another key"]),
        ((1000, 50, 50, 500), [*deliveries.KINDS]),
    ],
)
def test_repetitions_are_told_of_from_twice_the_most_on(now: tuple[int, ...], kinds: list[str]) -> None:
    before = [(1000, 0, 0, 90)] * 30 + [(1000, 2, 10, 100)]
    found = deliveries.duplicates("w", now, before)
    assert found is not None
    assert (found.details["kinds"], found.status) == (kinds, "warn" if kinds else "ok")


def test_a_table_that_repeats_itself_anyway_is_not_judged_by_it() -> None:
    found = deliveries.duplicates("w", (1000, 0, 0, 1000), [(1000, 0, 0, 900)] * 30)
    assert found is not None
    assert found.status == "ok"


def test_slots_are_equal_parts_of_the_partition() -> None:
    hour = Partition.parse("2013-05-01T07", Unit.HOUR)
    start = int(hour.start.timestamp()) * 1_000_000
    times = np.array([0, 149_999_999, 150_000_000, 3_599_999_999]) + start
    assert deliveries.slots(times, hour) == 1 | 2 | 1 << 23
    assert deliveries.slots(np.array([], dtype=np.int64), hour) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from(["a", "b", None]), st.sampled_from(["1", None]), st.booleans()
        ),
        max_size=30,
    )
)
def test_repeated_rows_are_counted_by_delivery(rows: list[tuple[int, str | None, str | None, bool]]) -> None:
    owner, x, y, good = ([row[at] for row in rows] for at in range(4))
    content = pa.table({"x": pa.array(x, pa.string()), "y": pa.array(y, pa.string())})
    found = deliveries.repeated(content, np.array(owner, dtype=np.int64), np.array(good, dtype=bool), 3)
    for number in range(3):
        own = [(a, b) for at, a, b, fit in rows if at == number and fit and (a or b)]
        assert found[number] == len(own) - len({*own})
    none = deliveries.repeated(content.select([]), np.array(owner, dtype=np.int64), np.array(good), 3)
    assert none.tolist() == [0, 0, 0]
