"""docs/tables.md: its columns are there, of these types, readable by whom ``mlcycle sql`` is; its queries run."""

import re

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse, select_read_only
from mlcycle.contract import Status
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform
from tests.raw_data import FLIGHTS, deliver, request
from tests.reign import crown

PAGE = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
#: Heading of a table -> what of it stands under the heading.
TABLES = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
#: Tables of a project stand for all of their kind.
OF_FLIGHTS = {
    "raw.<project>__<table>": ["raw.flights__flights", "raw.flights__arrivals", "raw.flights__weather"],
    "features.<project>__<view>": [f"features.flights__{name}" for name in FLIGHTS.features],
}
COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), has_column_privilege(current_user, a.attrelid, a.attnum, 'select')
from pg_attribute a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped
"""


def promised(text: str) -> list[tuple[str, str]]:
    """Columns and types that a part of the page names."""
    return re.findall(r"^\| `(\w+)` \| ([a-z \[\]]+) \|", text, re.MULTILINE)


CHECKS = """
select a.attname, pg_get_constraintdef(c.oid) as def
from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
where c.conrelid = %s::regclass and c.contype = 'c'
"""


def listed(text: str) -> dict[str, set[str]]:
    """Values that the page lists of a column."""
    rows = re.findall(r"^\| `(\w+)` \| text \| (.*) \|$", text, re.MULTILINE)
    return {column: values for column, said in rows if (values := set(re.findall(r"`([a-z]+)`", said)))}


@pytest.fixture
def lived(platform: Platform) -> Platform:
    """A platform with flights, their features, a champion and its predictions."""
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-04")
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-03")
    for step in ("features", "score"):
        asked = request(step, FLIGHTS, "2013-01-03", "2013-01-04", work=step)
        done = run_step(asked, platform.settings(mlflow_url="http://127.0.0.1:1", timeout=2.0))
        assert done.status is Status.OK, done.message
    return platform


def test_the_page_says_what_is_so(lived: Platform) -> None:
    reader = lived.settings("serve")
    assert len(TABLES) >= 11
    for name, text in TABLES.items():
        columns = promised(text)
        assert columns, f"{name} names no column"
        for table in OF_FLIGHTS.get(name, [name]):
            rows = select_read_only(reader, COLUMNS, (table,))
            found = {row["attname"]: (row["format_type"], row["has_column_privilege"]) for row in rows}
            for column, kind in columns:
                assert found.get(column) == (kind, True), f"{table}.{column}"
        if name.startswith("ledger."):
            held = {row["attname"]: row["def"] for row in select_read_only(reader, CHECKS, (name,))}
            for column, values in listed(text).items():
                assert values == set(re.findall(r"'([a-z]+)'::text", held[column])), f"{name}.{column}"
        queries = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
        assert queries, f"{name} has no query"
        for query in queries:
            found_rows = select_read_only(reader, query)
            if name.split(".")[0] in ("raw", "features") and "quarantine" not in name:
                assert found_rows, query
    (told,) = select_read_only(
        reader, "select count(*) as n from serving.prediction where project = 'flights'"
    )
    assert told["n"] > 0
    keys = select_read_only(reader, "select entity_key, probabilities, acted from serving.prediction limit 1")
    assert re.fullmatch(r"\w+\|\d+\|\w+", keys[0]["entity_key"])
