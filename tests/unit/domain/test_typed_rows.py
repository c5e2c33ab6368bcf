"""Text cells read as declared types."""

import time
from datetime import UTC, datetime

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.adapters.warehouse.connection import SQL_TYPES
from mlcycle.domain.typed_rows import cast
from mlcycle.local.postgres import Postgres


def read(kind: str, *cells: str | None) -> tuple[list[object], list[bool]]:
    values, bad = cast(pa.chunked_array([pa.array(cells, pa.string())]), kind)
    return values.to_pylist(), bad.tolist()


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("integer", "-12", -12),
        ("integer", "+7", 7),
        ("integer", "007", 7),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("double", "39.02", 39.02),
        ("double", ".5", 0.5),
        ("double", "1e3", 1000.0),
        ("double", "0e-999", 0.0),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("timestamp", "2013-06-01T12:00:00Z", datetime(2013, 6, 1, 12, tzinfo=UTC)),
        ("timestamp", "2013-06-01 12:00", datetime(2013, 6, 1, 12, tzinfo=UTC)),
        ("timestamp", "2013-06-01T12:00:00.5+02:00", datetime(2013, 6, 1, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("text", "=1+1", "=1+1"),
    ],
    ids=str,
)
def test_a_cell_is_read_as_its_type(kind: str, cell: str, value: object) -> None:
    assert read(kind, cell, None) == ([value, None], [False, False])


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        *(
            ("integer", cell)
            for cell in ("", " 1", "1.0", "1e3", "0x1", "1_0", "9223372036854775808", "\u0661")
        ),
        *(
            ("double", cell)
            for cell in ("", "NaN", "inf", "1e999", "1e-999", "1,5", "0x1p3", "1_0.5", "1" * 500)
        ),
        *(("boolean", cell) for cell in ("", "yes", "2", "truth")),
        *(
            ("timestamp", cell)
            for cell in ("", "now", "infinity", "2013-02-30T00:00:00Z", "2013-06-01T24:00:00Z")
        ),
        *(("timestamp", cell) for cell in ("2013-06-01", "12013-06-01T00:00:00Z", "0000-01-01T00:00:00Z")),
    ],
    ids=str,
)
def test_a_cell_that_is_no_such_value_is_bad_and_its_neighbours_are_not(kind: str, cell: str) -> None:
    good = {"integer": "1", "double": "1", "boolean": "t", "timestamp": "2013-06-01T00:00:00Z"}[kind]
    values, bad = read(kind, good, cell, None, good)
    assert bad == [False, True, False, False]
    assert values[1] is None
    assert values[0] == values[3] is not None


cells = st.one_of(
    st.text(alphabet="0123456789+-.eE_xinfaNtTrueZ: ", max_size=24),
    st.floats().map(repr),
    st.integers(-(2**64), 2**64).map(str),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda moment: moment.isoformat() + "Z"),
)


def test_what_passes_postgresql_takes_and_means_the_same_by(postgres: Postgres) -> None:
    connection = psycopg2.connect(postgres.dsn("postgres"), options="-c timezone=UTC")
    connection.autocommit = True
    cursor = connection.cursor()

    @given(kind=st.sampled_from(["integer", "double", "boolean", "timestamp"]), cell=cells)
    def check(kind: str, cell: str) -> None:
        ((value,), (bad,)) = read(kind, cell)
        if not bad:
            cursor.execute(f"select %s::{SQL_TYPES[kind]}", (cell,))
            assert cursor.fetchone() == (value,)

    check()
    connection.close()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("t", True),
        ("1", True),
        ("false", False),
        ("f", False),
        ("0", False),
        ("F", False),
        ("True", True),
    ],
    ids=str,
)
def test_each_word_for_a_boolean_is_read(text: str, value: bool) -> None:
    assert read("boolean", text) == ([value], [False])


def test_a_number_may_have_400_characters_and_no_more() -> None:
    assert read("double", "0." + "1" * 398)[1] == [False]
    assert read("double", "0." + "1" * 399)[1] == [True]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_a_time_means_the_same_wherever_the_machine_is(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        noon = datetime(2013, 6, 1, 12, tzinfo=UTC)
        values, bad = read(
            "timestamp", "2013-06-01 12:00", "2013-06-01T14:00:00+02:00", "2013-06-01T12:00:00Z"
        )
        assert values == [noon] * 3
        assert not any(bad)
        from mlcycle.domain.typed_rows import _timestamp

        assert [_timestamp(text) for text in ("2013-06-01 12:00", "2013-06-01T14:00:00+02:00")] == [
            noon,
            noon,
        ]
        assert str(_timestamp("2013-06-01T14:00:00+02:00")) == "2013-06-01 12:00:00+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()
