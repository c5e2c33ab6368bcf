"""Feature views in Python: the values of the SQL beside them, fresh and stale alike, and held to what they say."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mlcycle.adapters.features import replay
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.errors import LeakageError
from mlcycle.ledger.features import definition
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, request

VIEW = {
    "entities": ["dest"],
    "columns": {"planned": "integer", "farthest": "double"},
    "reads": ["flights"],
    "ttl": "1 day",
    "lookback": "1 day",
    "python": "views:planned",
}
#: Flights planned to each destination within a day, hour by hour: as SQL and as Python.
SQL = """
select dest, hour + interval '1 hour' as event_timestamp,
       (select count(*) from {flights} s where s.dest = g.dest and s.sched_dep > hour - interval '5 hours'
          and s.sched_dep <= hour + interval '1 hour') as planned,
       (select max(distance) from {flights} s where s.dest = g.dest and s.sched_dep > hour - interval '5 hours'
          and s.sched_dep <= hour + interval '1 hour') as farthest
from (select distinct dest, date_bin('1 hour', sched_dep - interval '1 microsecond', 'epoch') as hour
      from {flights} where sched_dep > %(start)s and sched_dep <= %(end)s) g
"""
PYTHON = """
import pandas as pd


def planned(tables, start, end):
    rows = tables["flights"]
    rows = rows.assign(hour=(rows["sched_dep"] - pd.Timedelta("1us")).dt.floor("h"))
    found = []
    for (dest, hour), _ in rows.groupby(["dest", "hour"]):
        near = rows[(rows["dest"] == dest) & (rows["sched_dep"] > hour - pd.Timedelta("5h"))]
        near = near[near["sched_dep"] <= hour + pd.Timedelta("1h")]
        found.append((dest, hour + pd.Timedelta("1h"), len(near), near["distance"].max()))
    return pd.DataFrame(found, columns=["dest", "event_timestamp", "planned", "farthest"])
"""

Compute = Callable[..., Result]


def project_with(python: str = PYTHON, **view: Any) -> Project:
    """Flights with one view, of a function of its own."""
    document = FLIGHTS.document()
    document["features"] = {"planned": {**VIEW, **view}}
    document["inputs"]["numeric"] = ["distance", "planned"]
    document["inputs"]["categorical"] = ["dest"]
    document["inputs"]["known"] = []
    document["evaluation"] |= {"slices": [], "groups": [], "must_not_matter": [], "directions": {}}
    document["candidates"] = {
        "table": {"family": "rate_table", "params": {"by": ["dest"]}},
    }
    document["evaluation"]["heuristic"] = "table"
    document["code"] = {"files": {"views.py": python}}
    return Project.model_validate(document)


@pytest.fixture
def compute(platform: Platform) -> Compute:
    runs = iter(range(1000))

    def run(project: Project, first: str, last: str = "") -> Result:
        asked = request("features", project, first, last, work=f"features-{next(runs)}")
        return run_step(asked, platform.settings("train"))

    return run


def values(platform: Platform) -> list[tuple[object, ...]]:
    """All values of the view."""
    query = 'select dest, event_timestamp, planned, farthest from features."flights__planned" order by 1, 2'
    return platform.owner().query(query)


def test_python_gives_what_sql_gives_day_by_day_and_at_once(platform: Platform, compute: Compute) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-03")
    done = compute(project_with(), "2013-01-01", "2013-01-03")
    assert done.status is Status.OK, done.message
    whole = values(platform)
    assert len(whole) > 500
    platform.owner().query("truncate ledger.feature_partition")
    for day in (1, 2, 3):
        assert compute(project_with(), f"2013-01-0{day}").status is Status.OK
    assert values(platform) == whole
    assert compute(project_with(), "2013-01-01", "2013-01-03").values["computed"] == {}
    by_sql = Project.model_validate(
        {**project_with().document(), "features": {"planned": {**VIEW, "python": None, "sql": SQL}}}
    )
    assert compute(by_sql, "2013-01-01", "2013-01-03").status is Status.OK
    assert values(platform) == whole


def test_a_view_is_another_when_the_code_is(platform: Platform) -> None:
    changed = project_with(PYTHON.replace("5h", "4h"))
    assert definition(project_with(), "planned") != definition(changed, "planned")
    assert definition(project_with(), "planned") == definition(project_with(), "planned")


def test_a_function_that_knows_the_future_is_found_by_the_replay(
    platform: Platform, compute: Compute
) -> None:
    leaks = project_with(
        PYTHON.replace('near["sched_dep"] <= hour + pd.Timedelta("1h")', 'near["dest"] == dest')
    )
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-03")
    window = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 4, tzinfo=UTC)
    for project, leaking in ((project_with(), False), (leaks, True)):
        assert compute(project, "2013-01-01", "2013-01-03").status is Status.OK
        with Warehouse(platform.settings("train")).reading() as cursor:
            if not leaking:
                assert replay.check_views(cursor, platform.settings("train"), project, *window) >= 3
                continue
            with pytest.raises(LeakageError, match="planned"):
                replay.check_views(cursor, platform.settings("train"), project, *window)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def planned(tables, start, end):\n    return 1\n", "returns int: a pandas DataFrame is expected"),
        (
            PYTHON.replace('"farthest"])', '"far"])'),
            "returns no column 'farthest': it returns dest, event_timestamp",
        ),
        (PYTHON.replace('near["distance"].max()', '"far"'), "returns farthest that is not double"),
        (PYTHON.replace("len(near)", "1 / 0"), "views.py:12: ZeroDivisionError: division by zero"),
        (PYTHON.replace('tables["flights"]', 'tables["arrivals"]'), "KeyError: 'arrivals'"),
    ],
    ids=["no frame", "no column", "no number", "raises", "a table it does not read"],
)
def test_what_a_function_must_not_do_is_one_line(
    platform: Platform, compute: Compute, text: str, expected: str
) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-01")
    done = compute(project_with(text), "2013-01-01")
    assert done.error is not None
    assert done.error.kind == "config"
    assert done.error.message.startswith("feature view 'planned' (views:planned)")
    assert expected in done.error.message
