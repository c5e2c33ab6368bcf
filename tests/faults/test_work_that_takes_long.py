"""Row 43 of the faults: work longer than any limit on idle transactions; a new view over three years of hours."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.features import online_writer, staging, tables, view_sql
from mlcycle.adapters.features.view_sql import TookTooLong
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result
from mlcycle.domain import pace
from mlcycle.errors import Unavailable
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.settings import Settings
from mlcycle.steps import features
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform
from tests.raw_data import FLIGHTS, deliver, request

HOURS = 26_280  # three years
WEATHER = load(ROOT / "projects" / "weather" / "project.yaml")


@pytest.fixture(autouse=True)
def pg_sleep_in_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views may not sleep; here one does, to take as long as a test says however much it computes."""
    monkeypatch.setattr(view_sql.sql_guard, "problem", lambda *_: None)


def limited(platform: Platform) -> None:
    """Whoever is idle in a transaction for a second is cut off, as an administrator may set it."""
    platform.owner().query(
        f"alter database {platform.database} set idle_in_transaction_session_timeout = '1s'"
    )


def with_sql(project: Project, view: str, change: Callable[[str], str], **columns: str) -> Project:
    """The project with another SQL of one view, and the columns it gives beside."""
    document = project.document()
    spec = document["features"][view]
    spec["sql"], spec["columns"] = change(spec["sql"]), {**spec["columns"], **columns}
    return Project.model_validate(document)


def slowly(project: Project, view: str, seconds: float) -> Project:
    """A view whose statement takes that long, however much it computes."""
    return with_sql(
        project,
        view,
        lambda text: (
            f"with waited as materialized (select pg_sleep({seconds})) select w.* from ({text}) w, waited"
        ),
    )


def run(
    platform: Platform, step: str, project: Project, first: str, last: str = "", work: str = ""
) -> Result:
    named = work or f"{step}-{time.monotonic_ns()}"
    return run_step(request(step, project, first, last, work=named), platform.settings())


def test_43_a_view_that_takes_longer_than_the_limit_is_published(platform: Platform) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-03")
    limited(platform)
    project = slowly(FLIGHTS, "carrier_recent", 2.5)
    result = run(platform, "features", project, "2013-01-01", "2013-01-03")
    assert result.exit_code == 0, result.message
    assert result.values["computed"]["carrier_recent"] == 3


def test_43_a_publication_held_open_meanwhile_is_seen(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: a transaction that waits for the view's SQL is cut, which is an error that retries."""
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-02")
    limited(platform)
    real = staging.stage

    def stage(settings: Settings, warehouse: Warehouse, *args: Any) -> staging.Staged:
        with warehouse.transaction() as cursor:
            cursor.execute("select 1")
            staged = real(settings, Warehouse(settings), *args)
            cursor.execute("select 1")
            return staged

    monkeypatch.setattr(staging, "stage", stage)
    result = run(platform, "features", slowly(FLIGHTS, "carrier_recent", 2.5), "2013-01-02")
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("unavailable", True), result.message


def hours_of_weather(platform: Platform, hours: int) -> tuple[str, str]:
    """So many hours of weather at three airports; the first and the last partition's key."""
    deliver(Warehouse(platform.settings("ingest")), WEATHER, "2013-01-01T06", "2013-01-01T06")
    platform.owner().query(
        """truncate raw.weather__weather;
           delete from ledger.batch;
           insert into raw.weather__weather (origin, observed, temp, dewp, humid, pressure, wind_speed, _batch_id)
               select name, timestamptz '2013-01-01 06:00Z' + n * interval '1 hour',
                      n %% 90, 40, 50, 1010, n %% 20, 1
               from generate_series(0, %(last)s) n, unnest(array['EWR', 'JFK', 'LGA']) name;
           insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
               select 'weather', 'weather',
                      to_char(timestamp '2013-01-01 06:00' + n * interval '1 hour', 'YYYY-MM-DD"T"HH24'),
                      'published', true, '', 3, 0
               from generate_series(0, %(last)s) n""",
        {"last": hours - 1},
    )
    platform.owner().query("create unique index on raw.weather__weather (observed, origin)")
    owner = platform.owner()
    owner.connection.autocommit = True
    with owner.connection.cursor() as cursor:
        cursor.execute("vacuum analyze raw.weather__weather, ledger.batch")
    begin = datetime(2013, 1, 1, 6)
    return (f"{moment:%Y-%m-%dT%H}" for moment in (begin, begin + timedelta(hours=hours - 1)))  # type: ignore[return-value]


#: A view as heavy as it is long: a millisecond for each hour of its window, 26 s for three years.
HEAVY = """with waited as materialized (
             select pg_sleep(extract(epoch from %(end)s::timestamptz - %(start)s) / 3600 / 1000))
           select origin, observed + interval '1 hour' as event_timestamp, temp as temp_now
           from {weather}, waited where observed >= %(start)s and observed < %(end)s"""


def heavy() -> Project:
    """Weather with one view, whose cost grows with its window."""
    document = WEATHER.document()
    view = document["features"].pop("daily_cycle")
    document["features"] = {
        "heavy": {**view, "sql": HEAVY, "columns": {"temp_now": "double"}, "lookback": "1 hour"}
    }
    document["inputs"] = {"categorical": ["origin"], "numeric": ["temp", "temp_now"]}
    document["candidates"] = {"t": {"family": "rate_table", "params": {"by": ["origin"]}}}
    document["evaluation"]["heuristic"] = "t"
    return Project.model_validate(document)


def test_43_a_new_view_over_three_years_of_hours_is_published_in_bounded_statements(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = hours_of_weather(platform, HOURS)
    limited(platform)
    # A tenth of the real limits: one statement for all of it takes 26 s and may take 6.
    monkeypatch.setattr(view_sql, "TIME_LIMIT", 6)
    monkeypatch.setattr(pace, "GOAL", 2.0)
    result = run(platform, "features", heavy(), first, last)
    assert result.exit_code == 0, result.message
    assert result.values == {"computed": {"heavy": HOURS}, "rows": 3 * HOURS}
    owner = platform.owner()
    pieces = owner.query("select (outputs ->> 'partitions')::int from ledger.publication")
    assert len(pieces) > 6
    assert sum(count for (count,) in pieces) == HOURS
    assert owner.query("select count(*), sum(rows) from ledger.feature_partition") == [(HOURS, 3 * HOURS)]
    assert owner.query("select count(*), count(distinct event_timestamp) from features.weather__heavy") == [
        (3 * HOURS, HOURS)
    ]


def test_43_one_statement_for_all_of_it_is_seen_to_fail(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard off: the window in one piece, and no smaller one after it took too long."""
    first, last = hours_of_weather(platform, HOURS)
    monkeypatch.setattr(view_sql, "TIME_LIMIT", 6)
    monkeypatch.setattr(pace.Pace, "size", HOURS)
    monkeypatch.setattr(features, "Pace", lambda: pace.Pace(HOURS))
    monkeypatch.setattr(features, "TookTooLong", type("Never", (Exception,), {}))
    result = run(platform, "features", heavy(), first, last)
    assert result.error is not None
    assert "took longer than 6 s" in result.message
    assert platform.owner().query("select count(*) from ledger.feature_partition") == [(0,)]


def test_43_a_kill_loses_one_piece(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = hours_of_weather(platform, 500)
    real, staged = staging.stage, []

    def stage(*args: Any) -> staging.Staged:
        if len(staged) == 3:
            raise KeyboardInterrupt
        staged.append(args)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(staging, "stage", stage)
        patch.setattr(features, "Pace", lambda: type("Fixed", (pace.Pace,), {"took": lambda *_: None})(50))
        with pytest.raises(KeyboardInterrupt):
            run(platform, "features", WEATHER, first, last, work="killed")
    owner = platform.owner()
    assert owner.query("select count(*), min(partition) = %s from ledger.feature_partition", (first,)) == [
        (150, True)
    ]
    again = run(platform, "features", WEATHER, first, last, work="killed")
    assert again.values["computed"] == {"recent": 350, "daily_cycle": 500}
    assert owner.query("select view, count(*) from ledger.feature_partition group by 1 order by 1") == [
        ("daily_cycle", 500),
        ("recent", 500),
    ]


def test_43_a_consumer_that_takes_its_time_holds_no_transaction(platform: Platform) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-03")
    assert run(platform, "features", FLIGHTS, "2013-01-01", "2013-01-03").exit_code == 0
    limited(platform)
    start, rows = datetime(2013, 1, 1, tzinfo=UTC), 0
    open_ones = "select count(*) from pg_stat_activity where usename = 'mlcycle_train' and datname = current_database()"
    warehouse = Warehouse(platform.settings())
    for chunk in joined_rows(
        warehouse, FLIGHTS, start, start + timedelta(days=3), labels=False, chunk_rows=800
    ):
        assert platform.owner().query(open_ones) == [(0,)]
        time.sleep(1.2)  # a model predicts, a dataset is written
        rows += chunk.num_rows
    assert rows > 2000


def test_43_an_online_store_that_takes_its_time_holds_no_transaction(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-03")
    assert run(platform, "features", FLIGHTS, "2013-01-01", "2013-01-03").exit_code == 0
    assert run(platform, "materialize", FLIGHTS, "2013-01-02").exit_code == 0  # Feast has its definitions
    limited(platform)
    real = online_writer.OnlineWriter.write

    def write(self: online_writer.OnlineWriter, view: str, newest: Any) -> int:
        time.sleep(1.5)  # where a slow network would be
        return real(self, view, newest)

    monkeypatch.setattr(online_writer.OnlineWriter, "write", write)
    result = run(platform, "materialize", FLIGHTS, "2013-01-03")
    assert result.exit_code == 0, result.message
    assert result.values["written"]["origin_weather"] == 3


@pytest.mark.parametrize(
    "limit", ["idle_in_transaction_session_timeout", "transaction_timeout"], ids=["idle", "whole"]
)
def test_43_a_transaction_that_was_cut_is_an_error_that_retries(platform: Platform, limit: str) -> None:
    platform.owner().query(f"alter database {platform.database} set {limit} = '300ms'")
    warehouse = Warehouse(platform.settings())
    with pytest.raises(Unavailable, match="tried again"), warehouse.transaction() as cursor:  # noqa: PT012
        cursor.execute("select 1")
        time.sleep(0.6)
        cursor.execute("select 1")
    with pytest.raises(Unavailable), warehouse.reading() as cursor:  # noqa: PT012
        cursor.execute("select 1")
        time.sleep(0.6)  # and nothing more is asked: the commit finds it


def test_43_a_session_that_an_administrator_ended_is_an_error_that_retries(platform: Platform) -> None:
    warehouse = Warehouse(platform.settings())
    with pytest.raises(Unavailable), warehouse.transaction() as cursor:  # noqa: PT012
        cursor.execute("select pg_backend_pid()")
        platform.owner().query("select pg_terminate_backend(%s)", cursor.fetchone())
        cursor.execute("select 1")


def seen(platform: Platform, cursor: Any) -> int:
    cursor.execute("select count(carrier_late_7d) from features.flights__carrier_recent")
    (count,) = cursor.fetchone()
    return int(count)


def test_43_a_reader_from_before_a_view_was_built_anew_is_told_so(platform: Platform) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-05")
    assert run(platform, "features", FLIGHTS, "2013-01-01", "2013-01-05").exit_code == 0
    changed = with_sql(
        FLIGHTS,
        "carrier_recent",
        lambda text: text.replace("from generate_series", ", count(*) as seen from generate_series"),
        seen="integer",
    )
    warehouse = Warehouse(platform.settings())
    with pytest.raises(Unavailable, match="'carrier_recent' was built anew"):  # noqa: PT012, SIM117
        with warehouse.reading() as cursor:
            cursor.execute("select 1 from ledger.batch")  # its snapshot is taken
            assert run(platform, "features", changed, "2013-01-05").exit_code == 0
            assert seen(platform, cursor) == 0, "the new table's rows are not of its snapshot"
            tables.readable(cursor, "flights", "carrier_recent")
    with warehouse.reading() as cursor:
        assert tables.readable(cursor, "flights", "carrier_recent")
        assert seen(platform, cursor) > 0


def test_43_a_reader_that_has_begun_sees_the_values_before_to_its_end(platform: Platform) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-05")
    assert run(platform, "features", FLIGHTS, "2013-01-01", "2013-01-05").exit_code == 0
    changed = with_sql(FLIGHTS, "carrier_recent", lambda text: f"{text} -- as before")
    done: list[Result] = []
    other = threading.Thread(target=lambda: done.append(run(platform, "features", changed, "2013-01-05")))
    with Warehouse(platform.settings()).reading() as cursor:
        assert tables.readable(cursor, "flights", "carrier_recent")
        before = seen(platform, cursor)
        other.start()
        other.join(2)
        assert seen(platform, cursor) == before > 0
    other.join(60)
    assert done[0].values["computed"] == {"carrier_recent": 5}


def test_43_what_is_read_stays_whole_while_a_view_is_built(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-06")
    assert run(platform, "features", FLIGHTS, "2013-01-01", "2013-01-06").exit_code == 0
    marked = with_sql(FLIGHTS, "carrier_recent", lambda text: f"select carrier, event_timestamp, 2.0::float8"
                      f" as carrier_late_7d, carrier_delay_7d from ({text}) v")  # fmt: skip
    query = (
        "select count(*) filter (where carrier_late_7d = 2), count(*) from features.flights__carrier_recent"
    )
    real, during = staging.stage, []

    def stage(*args: Any) -> staging.Staged:
        during.extend(platform.owner().query(query))
        return real(*args)

    ((_, everything),) = platform.owner().query(query)
    monkeypatch.setattr(staging, "stage", stage)
    monkeypatch.setattr(features, "Pace", lambda: type("Fixed", (pace.Pace,), {"took": lambda *_: None})(2))
    assert run(platform, "features", marked, "2013-01-06").exit_code == 0
    assert during == [(0, everything)] * 3
    assert platform.owner().query(query) == [(everything, everything)]
    assert platform.owner().query("select tablename from pg_tables where tablename like '~%%'") == []


def test_43_features_before_any_ingest_are_one_clear_line(platform: Platform) -> None:
    result = run(platform, "features", FLIGHTS, "2013-01-01")
    assert result.message == (
        "no partition of arrivals, flights, weather is published yet, which the views read: run ingest first"
    )
    assert result.error is not None
    assert result.error.kind == "input"
    assert TookTooLong.retryable is False
