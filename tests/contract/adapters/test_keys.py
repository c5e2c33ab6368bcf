"""An entity's key: SQL and Python agree to the letter, and no two keys are one text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mlcycle.adapters.warehouse.keys import entity_key
from mlcycle.domain.entity_key import encode
from mlcycle.local.postgres import Postgres
from mlcycle.project import Project
from tests.raw_data import FLIGHTS

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
WEIRD = st.text(st.sampled_from("|\\ab"), max_size=5)
MOMENT = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
VALUES: dict[str, tuple[st.SearchStrategy[Any], str]] = {
    "text": (TEXT | WEIRD, "text"),
    "integer": (st.integers(-(2**63), 2**63 - 1), "bigint"),
    "boolean": (st.booleans(), "boolean"),
    "timestamp": (MOMENT, "timestamptz"),
}


def project(*kinds: str) -> Project:
    """Flights with a key of columns of these types."""
    document = FLIGHTS.document()
    for table in ("flights", "arrivals"):
        source = document["source"]["tables"][table]
        source["columns"].update({f"k{number}": kind for number, kind in enumerate(kinds)})
        source["key"] = [f"k{number}" for number in range(len(kinds))]
    return Project.model_validate(document)


@pytest.fixture(scope="module")
def cursor(postgres: Postgres) -> Iterator[Any]:
    """A session in another time zone than UTC."""
    connection = psycopg2.connect(postgres.dsn("postgres"), options="-c timezone=America/New_York")
    connection.autocommit = True
    with connection.cursor() as found:
        yield found
    connection.close()


def in_sql(cursor: Any, kinds: list[str], values: list[Any]) -> str | None:
    """What PostgreSQL makes of the key."""
    columns = ", ".join(f"(%s)::{VALUES[kind][1]} as k{number}" for number, kind in enumerate(kinds))
    cursor.execute(f"with e as (select {columns}) select {entity_key(project(*kinds), 'e')} from e", values)
    (text,) = cursor.fetchone()
    return text


def drawn(kinds: list[str], data: st.DataObject) -> list[Any]:
    return [data.draw(VALUES[kind][0]) for kind in kinds]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(kinds=st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3), data=st.data())
def test_sql_and_python_agree(cursor: Any, kinds: list[str], data: st.DataObject) -> None:
    values = drawn(kinds, data)
    assert in_sql(cursor, kinds, values) == encode(values)


@given(st.integers(1, 4), st.data())
def test_no_two_keys_are_one_text(columns: int, data: st.DataObject) -> None:
    one, other = (data.draw(st.lists(TEXT | WEIRD, min_size=columns, max_size=columns)) for _ in range(2))
    assume(one != other)
    assert encode(one) != encode(other)


def test_keys_that_collided_do_not(cursor: Any) -> None:
    kinds = ["text", "text"]
    assert in_sql(cursor, kinds, ["a|b", "c"]) != in_sql(cursor, kinds, ["a", "b|c"])
    assert in_sql(cursor, kinds, ["UA", "plain"]) == "UA|plain"  # what stands in stored data


def test_a_null_loses_no_column_silently(cursor: Any) -> None:
    assert in_sql(cursor, ["text", "text"], ["a", None]) is None
    with pytest.raises(ValueError, match="no null"):
        encode(["a", None])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"0\.5 in a key: a key is made of text"):
        encode(["a", 0.5])  # type: ignore[list-item]
