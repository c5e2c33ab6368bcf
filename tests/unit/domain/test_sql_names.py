"""Columns of a view's SQL that no table has, by the parser alone."""

import pytest

from mlcycle.domain.sql_names import problems
from mlcycle.project.file import find, load
from tests.conftest import ROOT

TABLES = {"weather": ["origin", "observed", "temp"], "flights": ["origin", "carrier", "sched_dep"]}
GIVES = ["origin", "event_timestamp", "temp_1h"]
OUT = "select w.origin, w.observed as event_timestamp, w.temp as temp_1h\n"


@pytest.mark.parametrize("project", sorted(find(ROOT / "projects")))
def test_the_repository_s_views_name_what_there_is(project: str) -> None:
    spec = load(find(ROOT / "projects")[project])
    for view in spec.features.values():
        tables = {name: list(spec.source.tables[name].columns) for name in view.reads}
        assert problems(view.sql, tables, [*view.entities, "event_timestamp", *view.columns]) == []


@pytest.mark.parametrize(
    ("sql", "line", "expected"),
    [
        (OUT + "from {weather} w\nwhere w.tmep > 0", 3, "w.tmep: no column 'tmep' in weather: there are origin, observed, temp: did you mean 'temp'?"),
        (OUT + "from {weather} w where tmep > 0", 2, "no column 'tmep' in weather, flights: there are"),
        (OUT + "from {weather} w where v.temp > 0", 2, "v.temp: its FROM has no 'v'"),
        (OUT.replace("temp_1h", "temp_1") + "from {weather} w", 1, "its SELECT gives no column 'temp_1h': did you mean 'temp_1'?"),
        (OUT + "from {weather} w union all " + OUT + "from {weather} w where w.tmp = 1", 3, "w.tmp: no column 'tmp'"),
        ("with d as (select w.tenp from {weather} w)\n" + OUT + "from {weather} w", 1, "w.tenp: no column"),
        (OUT + "from {weather} w join {flights} f on f.orign = w.origin", 2, "f.orign: no column 'orign' in flights"),
    ],
    ids=["of an alias", "bare", "no alias", "not given", "union", "common table", "join"],
)  # fmt: skip
def test_a_name_that_is_nowhere_is_said_with_its_line(sql: str, line: int, expected: str) -> None:
    ((at, reason),) = problems(sql, TABLES, GIVES)
    assert (at, reason[: len(expected)]) == (line, expected)


@pytest.mark.parametrize(
    "sql",
    [
        OUT + "from {weather} w where w._batch_id is not null and w.ctid is not null",
        "select * from {weather} w",
        "select w.* from {weather} w",
        "select origin, observed as event_timestamp, avg(temp)::double precision as temp_1h\n"
        "from {weather} group by origin, event_timestamp order by temp_1h",
        "select w.origin, known.at as event_timestamp, x.temp_1h from {weather} w,\n"
        "generate_series(%(start)s, %(end)s, interval '1 day') as known (at),\n"
        "lateral (select max(temp) as temp_1h from {weather} where at > observed) x",
        "select w.origin, w.observed::timestamptz as event_timestamp, count(*) as temp_1h from {weather} w\n"
        "group by 1, 2",
        "with w as (select origin, observed as at, temp as warm from {weather})\n"
        "select w.origin, w.at as event_timestamp, w.warm as temp_1h from w",
        "select origin, event_timestamp, max from (select origin, observed as event_timestamp, max(temp)\n"
        "from {weather} group by 1, 2) inner_one (origin, event_timestamp, max), (select 1 as temp_1h) y",
    ],
    ids=[
        *("of the system", "every column", "every column of one", "bare"),
        *("function and lateral", "cast and count", "alias like a table of its own", "renamed"),
    ],
)
def test_what_is_not_sure_is_left_to_the_server(sql: str) -> None:
    found = [reason for _, reason in problems(sql, TABLES, GIVES) if "gives no column" not in reason]
    assert found == []
