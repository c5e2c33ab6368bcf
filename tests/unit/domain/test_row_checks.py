"""Rows of a delivery: types, keys, event times inside their partition, one row a key."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.quarantine import Reasons
from mlcycle.domain.row_checks import SHOWN, Checked, Declared, check

TABLE = Declared({"id": "text", "at": "timestamp", "count": "integer"}, ["id"], "at")
DAY = Partition.parse("2013-06-01", Unit.DAY)
HOUR = Partition.parse("2013-06-01T05", Unit.HOUR)


def checked(
    *rows: tuple[str | None, ...], partition: Partition = DAY, owner: list[int] | None = None
) -> Checked:
    columns = zip(*rows, strict=True)
    cells = pa.table(
        {
            name: pa.chunked_array([pa.array(column, pa.string())])
            for name, column in zip(TABLE.columns, columns, strict=True)
        }
    )
    partitions = [partition] if owner is None else [partition, partition.shift(1)]
    return check(cells, np.array(owner or [0] * len(rows)), partitions, TABLE)


def test_good_rows_pass_with_their_types_and_event_times() -> None:
    found = checked(("a", "2013-06-01T00:00:00Z", "1"), ("b", "2013-06-01T12:00:00Z", None))
    assert found.reasons.by_row == {}
    assert found.good.tolist() == [True, True]
    assert found.duplicates.tolist() == [False, False]
    assert found.typed.column_names == ["id", "at", "count"]
    assert found.typed.column("count").to_pylist() == [1, None]
    start = int(datetime(2013, 6, 1, tzinfo=UTC).timestamp())
    assert found.event_us.tolist() == [start * 1_000_000, (start + 12 * 3600) * 1_000_000]


def test_a_cell_of_another_type_is_a_reason_that_quotes_it() -> None:
    found = checked(
        ("a", "2013-06-01T00:00:00Z", "many"),
        ("b", "then", "1"),
        ("c", "2013-06-01T00:00:00Z", "x" * (SHOWN + 1)),
    )
    assert found.reasons.by_row == {
        0: {"column count: not an integer": "column count: 'many' is not an integer"},
        1: {
            "column at: not a time like 2013-06-01T12:00:00Z": "column at: 'then' is not a time like 2013-06-01T12:00:00Z"
        },
        2: {"column count: not an integer": f"column count: '{'x' * SHOWN}...' is not an integer"},
    }
    assert found.typed.column("count").to_pylist() == [None, 1, None]
    assert found.good.tolist() == [False, False, False]


def test_a_cell_as_long_as_is_shown_is_shown_whole() -> None:
    (reasons,) = checked(("a", "2013-06-01T00:00:00Z", "x" * SHOWN)).reasons.by_row.values()
    assert list(reasons.values()) == [f"column count: '{'x' * SHOWN}' is not an integer"]


def test_what_identifies_a_row_must_be_there() -> None:
    found = checked(
        (None, "2013-06-01T00:00:00Z", "1"), ("b", None, "1"), ("c", "2013-06-01T00:00:00Z", None)
    )
    says = "column {}: empty, but it identifies the row"
    assert found.reasons.by_row == {
        0: {says.format("id"): says.format("id")},
        1: {says.format("at"): says.format("at")},  # and nothing about its partition
    }


@pytest.mark.parametrize("partition", [DAY, HOUR], ids=["day", "hour"])
@pytest.mark.parametrize(
    ("from_start", "inside"),
    [(timedelta(0), True), (timedelta(microseconds=-1), False)],
    ids=["first-moment", "just-before"],
)
def test_a_partition_begins_at_its_start(partition: Partition, from_start: timedelta, inside: bool) -> None:
    moment = (partition.start + from_start).isoformat()
    assert (checked(("a", moment, "1"), partition=partition).reasons.by_row == {}) is inside


@pytest.mark.parametrize("partition", [DAY, HOUR], ids=["day", "hour"])
@pytest.mark.parametrize(
    ("from_end", "inside"),
    [(timedelta(microseconds=-1), True), (timedelta(0), False), (timedelta(days=400), False)],
    ids=["last-moment", "end", "much-later"],
)
def test_a_partition_ends_before_its_end(partition: Partition, from_end: timedelta, inside: bool) -> None:
    moment = (partition.end + from_end).isoformat()
    assert (checked(("a", moment, "1"), partition=partition).reasons.by_row == {}) is inside


@given(st.sampled_from([DAY, HOUR]), st.integers(-(3 * 86_400), 3 * 86_400))
def test_the_event_time_decides_by_the_second(partition: Partition, seconds: int) -> None:
    moment = partition.start + timedelta(seconds=seconds)
    found = checked(("a", moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "1"), partition=partition)
    assert found.good.tolist() == [partition.start <= moment < partition.end]


def test_a_row_outside_says_when_it_is_and_where_it_should_be() -> None:
    row = ("a", "2013-06-02T03:00:00Z", "1")
    found = checked(row, row, owner=[0, 1])  # the same row is right in the next partition
    assert found.reasons.by_row == {
        0: {
            "column at: outside its partition": "column at: 2013-06-02T03:00:00Z is not in partition 2013-06-01"
        }
    }


def test_an_exact_copy_is_dropped_and_no_reason() -> None:
    row = ("a", "2013-06-01T00:00:00Z", "1")
    found = checked(row, ("b", "2013-06-01T00:00:00Z", "1"), row, row)
    assert found.duplicates.tolist() == [False, False, True, True]
    assert found.reasons.by_row == {}
    assert found.good.tolist() == [True, True, False, False]


def test_a_second_row_for_a_key_is_bad_and_the_first_stays() -> None:
    found = checked(
        ("a", "2013-06-01T00:00:00Z", "1"),
        ("a", "2013-06-01T00:00:00Z", "2"),
        ("a", "2013-06-01T01:00:00Z", "2"),
    )
    says = "a second row for id 'a', at '2013-06-01T00:00:00Z' with other values"
    assert found.reasons.by_row == {1: {"a second row for a key": says}}
    assert found.duplicates.tolist() == [False, False, False]


def test_one_key_written_in_two_ways_is_one_key() -> None:
    found = checked(("a", "2013-06-01T00:00:00Z", "1"), ("a", "2013-06-01 00:00", "1"))
    assert list(found.reasons.by_row) == [1]


def test_a_bad_row_does_not_stand_in_a_good_one_s_way() -> None:
    found = checked(("a", "2013-06-01T00:00:00Z", "many"), ("a", "2013-06-01T00:00:00Z", "2"))
    assert list(found.reasons.by_row) == [0]
    assert found.good.tolist() == [False, True]


def test_the_columns_that_identify_a_row_are_named_once() -> None:
    assert Declared({}, ["id", "at"], "at").identity == ["id", "at"]


def test_a_second_reason_of_one_kind_says_nothing_new() -> None:
    reasons = Reasons()
    reasons.add(3, "kind", "first")
    reasons.add(3, "kind", "second")
    reasons.add(3, "another", "third")
    assert reasons.by_row == {3: {"kind": "first", "another": "third"}}
