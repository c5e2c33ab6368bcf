"""The features step on real flights: fresh, stale, doubled, killed, and SQL that must not run."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.ledger import attempts, feature_views
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, replace, request

Compute = Callable[..., Result]


@pytest.fixture
def compute(platform: Platform) -> Compute:
    """Run the step for a range of partitions, as a work of its own."""
    runs = iter(range(1000))

    def run(first: str, last: str = "", project: Project = FLIGHTS, **fields: object) -> Result:
        work = {"work": f"features-{next(runs)}", **fields}
        return run_step(request("features", project, first, last, **work), platform.settings("train"))

    return run


@pytest.fixture
def ingest(platform: Platform) -> Warehouse:
    """A warehouse connection of the ingest role."""
    return Warehouse(platform.settings("ingest"))


def values(platform: Platform, project: Project = FLIGHTS) -> dict[str, list[tuple[object, ...]]]:
    """All feature values, by view."""
    found = {}
    for name, view in project.features.items():
        columns = ", ".join([*view.entities, "event_timestamp", *view.columns])
        rows = platform.owner().query(
            f'select {columns} from features."{project.name}__{name}" order by 1, 2, 3'
        )
        found[name] = rows
    return found


def without(project: Project, **sql: str) -> Project:
    """The project with other SQL in its views."""
    document = project.document()
    for view, text in sql.items():
        document["features"][view]["sql"] = text
    return Project.model_validate(document)


def test_day_by_day_gives_what_all_at_once_gives(
    platform: Platform, ingest: Warehouse, compute: Compute
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-12")
    assert compute("2013-01-01", "2013-01-12").status is Status.OK
    whole = values(platform)
    assert all(whole.values())
    platform.owner().query("truncate ledger.feature_partition")
    for day in range(1, 13):
        assert compute(f"2013-01-{day:02}").status is Status.OK
    assert values(platform) == whole


def test_a_second_run_finds_nothing_to_do_and_the_first_is_what_views_cost(
    platform: Platform, ingest: Warehouse, compute: Compute
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-05")
    computed = compute("2013-01-01", "2013-01-05").values["computed"]
    assert computed
    again = compute("2013-01-01", "2013-01-05")
    assert (again.status, again.values["computed"]) == (Status.OK, {})
    with platform.owner().transaction() as cursor:
        spent = feature_views.spent(cursor, FLIGHTS.name, timedelta(hours=1))
    assert {each.view: each.partitions for each in spent} == computed
    assert all(each.seconds > 0 for each in spent)
    assert {each.view: each.rows for each in spent} == {
        name: len(rows) for name, rows in values(platform).items()
    }


def test_a_new_day_makes_no_earlier_day_stale(ingest: Warehouse, compute: Compute) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-05")
    compute("2013-01-01", "2013-01-05")
    deliver(ingest, FLIGHTS, "2013-01-06", "2013-01-06")
    assert compute("2013-01-06").values["computed"] == dict.fromkeys(FLIGHTS.features, 1)


def test_a_corrected_day_makes_everything_within_its_reach_stale(
    platform: Platform, ingest: Warehouse, compute: Compute
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-20")
    compute("2013-01-01", "2013-01-20")
    before = values(platform)
    data = day_file("flights", "arrivals", "2013-01-03")
    assert data is not None
    corrected = b"\n".join(
        line.rpartition(b",")[0] + b",200" if at and line else line
        for at, line in enumerate(data.split(b"\n"))
    )
    replace(ingest, FLIGHTS, "arrivals", [("2013-01-03", corrected)])
    deliver(ingest, FLIGHTS, "2013-01-21", "2013-01-21")
    computed = compute("2013-01-21").values["computed"]
    # Known from the 4th on; the view looks back 9 days from the end of the 3rd: to the 12th.
    assert computed["carrier_recent"] == 9 + 1
    assert computed["origin_weather"] == 1
    after = values(platform)
    assert after["dest_recent"] != before["dest_recent"]
    # The values are those of a warehouse that had the corrected day from the start.
    platform.owner().query("truncate ledger.feature_partition")
    compute("2013-01-01", "2013-01-21")
    assert values(platform) == after


def test_a_backfilled_old_day_refreshes_later_days_and_leaves_the_watermark(
    platform: Platform, ingest: Warehouse, compute: Compute
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-03", "2013-01-10")
    compute("2013-01-03", "2013-01-10")
    mark = "select position from ledger.watermark where stream = 'features:carrier_recent'"
    (before,) = platform.owner().query(mark)
    deliver(ingest, FLIGHTS, "2013-01-02", "2013-01-02")
    assert compute("2013-01-02").values["computed"]["carrier_recent"] > 1
    assert platform.owner().query(mark) == [before]


def test_killed_between_commit_and_result_publishes_once(
    platform: Platform, ingest: Warehouse, compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-05")
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", lambda *_: None)  # as if killed before the end was noted
        compute("2013-01-01", "2013-01-05", work="killed")
    published = platform.owner().query("select key from ledger.publication order by 1")
    whole = values(platform)
    assert compute("2013-01-01", "2013-01-05", work="killed").status is Status.OK
    assert platform.owner().query("select key from ledger.publication order by 1") == published
    assert values(platform) == whole


def test_a_changed_view_is_computed_again_for_its_whole_history(
    platform: Platform, ingest: Warehouse, compute: Compute
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-06")
    compute("2013-01-01", "2013-01-06")
    document = FLIGHTS.document()
    view = document["features"]["carrier_recent"]
    view["columns"] = {**view["columns"], "seen": "integer"}
    view["sql"] = view["sql"].replace("from generate_series", ", count(*) as seen from generate_series")
    project = Project.model_validate(document)
    assert compute("2013-01-02", project=project).values["computed"] == {"carrier_recent": 6}
    assert platform.owner().query(
        "select min(seen) > 0, count(distinct event_timestamp) from features.flights__carrier_recent"
    ) == [(True, 5)]


BAD = {
    "a second statement": ("select 1; drop table features.x", "line 1: a view is one SELECT: remove"),
    "the wrapper closed": ("select 1) v --", 'line 1: syntax error at or near ")"'),
    "a missing column": ("select a.carrier,\n a.nothing\nfrom {arrivals} a", "line 2: column a.nothing does"),
    "an undeclared table": ("select * from {flights}", "'flights' is neither a table it reads"),
    "an unknown parameter": ("select %(now)s", "'now' is neither a table it reads"),
    "a lone percent sign": ("select 1 % 2 from {arrivals}", "any other brace or percent sign twice"),
    "a write": (
        "with gone as (delete from {arrivals} returning *) select * from gone",
        "line 1: a view is one SELECT, without a data-modifying statement in it: remove the DELETE",
    ),
    "a write inside a function": (
        "select query_to_xml('create table features.x ()', true, true, '')::text as carrier, 1.0 as"
        " carrier_late_7d, sched_dep as event_timestamp, 1.0 as carrier_delay_7d from {arrivals}",
        "query_to_xml() reaches the server, not the data",
    ),
    "a sequence": (
        "select nextval('features.numbers')::text as carrier, sched_dep + interval '1 day' as event_timestamp,"
        " 1.0 as carrier_late_7d, 1.0 as carrier_delay_7d from {arrivals}",
        "nextval() reaches the server, not the data",
    ),
    "two values at once": (
        "select carrier, %(end)s as event_timestamp, 1 as carrier_late_7d, 1 as carrier_delay_7d"
        " from {arrivals}",
        "two values for one entity",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sql_is_one_clear_line_and_publishes_nothing(
    platform: Platform, ingest: Warehouse, compute: Compute, case: str
) -> None:
    text, message = BAD[case]
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-02")
    platform.owner().query("create sequence features.numbers; grant all on features.numbers to mlcycle_train")
    result = compute("2013-01-01", "2013-01-02", without(FLIGHTS, carrier_recent=text))
    assert result.status is Status.FAILED
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("config", False)
    assert "feature view 'carrier_recent'" in result.message
    assert message in result.message
    assert "\n" not in result.message
    assert platform.owner().query("select count(*) from ledger.publication") == [(0,)]
