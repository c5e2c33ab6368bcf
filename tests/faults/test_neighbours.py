"""Row 45: a project whose views name what is not theirs. The server refuses, whatever the statement.

Each statement goes past the parser, straight to the server, as the view's own login; and once more as the
role ``train``, whose reach such SQL had before views had logins: there it must get what it is after, or
the test proves nothing.
"""

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from pydantic import TypeAdapter, ValidationError

from mlcycle.adapters.features import replay, view_sql
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.cycle import STAGES
from mlcycle.domain import sql_guard
from mlcycle.errors import ConfigError, MlcycleError
from mlcycle.project import Project
from mlcycle.project.part import Name
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, days, deliver, request

VIEW = "carrier_recent"  # of the flights; reads the table arrivals


def named(name: str, **changes: Any) -> Project:
    """The flights under another name."""
    return Project.model_validate({**FLIGHTS.document(), "name": name, **changes})


def with_sql(project: Project, text: str) -> Project:
    document = project.document()
    document["features"][VIEW]["sql"] = text
    return Project.model_validate(document)


def reading_views(project: Project, reads: list[str]) -> Project:
    document = project.document()
    document["features"][VIEW]["reads"] = reads
    return Project.model_validate(document)


@pytest.fixture
def lived(platform: Platform) -> Platform:
    """Two projects with raw data; ``flights`` has feature values too."""
    ingest = Warehouse(platform.settings("ingest"))
    for project in (FLIGHTS, named("other")):
        with ingest.transaction() as cursor:
            for table in project.source.tables:
                cursor.execute(f'create table raw."{project.name}__{table}" (carrier text, flight integer)')
                cursor.execute(f"insert into raw.\"{project.name}__{table}\" values ('UA', 1)")
    ingest.close()
    platform.owner().query(
        "create table features.other__v (x integer); insert into features.other__v values (1);"
        "create table online.other__v (x integer); insert into online.other__v values (1);"
        "grant select on features.other__v, online.other__v to mlcycle_train;"
        "insert into raw.quarantine values ('other', 't', 'p', 'd', 1, '{x}', '{}')"
    )
    return platform


@pytest.fixture
def neighbour(lived: Platform) -> Iterator[int]:
    """The process of a session of another step."""
    warehouse = Warehouse(lived.settings("train"))
    yield int(warehouse.query("select pg_backend_pid()")[0][0])
    warehouse.close()


TAKES = {
    "another project's raw table": "select carrier from raw.other__flights",
    "its own project's undeclared table": "select carrier from raw.flights__flights",
    "another project's bad rows": "select project from raw.quarantine",
    "another project's features": "select x from features.other__v",
    "another project's online values": "select x from online.other__v",
    "the ledger": "select count(*) from ledger.alert",
    "predictions": "select count(*) from serving.prediction",
    "SQL in a text": "select word from ts_stat("
    "$$select to_tsvector('simple', carrier) from raw.other__flights$$)",
    "another view's login": "select password from ledger.view_login('other', 'v', array['flights'])",
    "another session's end": "select pg_terminate_backend({pid})",
    "another session's statement": "select 1 / (query is distinct from '<insufficient privilege>')::int"
    " from pg_stat_activity where pid = {pid}",
}
NEVER = {
    "what logins are made from": "select key from ledger.view_key",
    "passwords": "select rolpassword from pg_authid",
    "the step's role": "select set_config('role', 'mlcycle_train', true)",
    "the step's login": "select set_config('session_authorization', 'mlcycle_train', true)",
    "a file": "select pg_read_file('/etc/hostname')",
    "a program": "copy (select 1) to program 'true'",
    "rights": "grant select on raw.flights__flights to public",
    "leave to write": "select set_config('transaction_read_only', 'off', true)",
    "a large object": "select lo_create(0)",
    "a table": "create temp table mine (x integer)",
}


@pytest.mark.parametrize("case", [*TAKES, *NEVER])
def test_a_view_gets_nothing_but_what_it_declares(lived: Platform, neighbour: int, case: str) -> None:
    statement = {**TAKES, **NEVER}[case].format(pid=neighbour)
    refused = "permission denied|must be|read-only|must have|transaction read-write mode|division by zero"
    with pytest.raises((MlcycleError, psycopg2.Error), match=refused):
        as_the_view(lived, "select carrier from raw.flights__arrivals", statement)


def as_the_view(platform: Platform, declared: str, statement: str) -> None:
    """Run what the view may read, which must work, then the statement."""
    with view_sql.reading(platform.settings("train"), FLIGHTS, VIEW) as cursor:
        cursor.execute(declared)
        assert cursor.fetchall() == [("UA",)]
        cursor.execute(statement)


@pytest.mark.parametrize("case", TAKES)
def test_the_role_of_the_steps_has_that_reach(lived: Platform, neighbour: int, case: str) -> None:
    warehouse = Warehouse(lived.settings("train"))
    with warehouse.transaction() as cursor:
        cursor.execute(TAKES[case].format(pid=neighbour))
        assert cursor.fetchall()


@pytest.fixture
def compute(platform: Platform) -> Callable[[Project, str], Result]:
    """Run the features step for a day."""

    def run(project: Project, work: str) -> Result:
        asked = request("features", project, "2013-01-01", "2013-01-02", work=work)
        return run_step(asked, platform.settings("train"))

    return run


def test_the_step_says_the_same_of_a_table_that_is_there_and_of_one_that_is_not(
    platform: Platform, compute: Callable[[Project, str], Result]
) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-02")
    text = "select carrier from raw.{}"
    there, absent = (
        compute(with_sql(FLIGHTS, text.format(table)), table) for table in ("flights__flights", "x__flights")
    )
    assert there.status is absent.status is Status.FAILED
    assert there.message.replace("flights__flights", "x__flights") == absent.message
    assert there.message.startswith(
        "feature view 'carrier_recent', line 1: 'raw.flights__flights' is not among the tables it reads"
    )
    audit = platform.owner().query(
        "select result -> 'error' ->> 'message' from ledger.attempt where step = 'features' order by token"
    )
    assert audit == [(there.message,), (absent.message,)]


def test_what_the_parser_lets_through_the_server_refuses(
    platform: Platform, compute: Callable[[Project, str], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-02")
    monkeypatch.setattr(sql_guard, "problem", lambda *_: None)
    stolen = with_sql(
        FLIGHTS,
        "select carrier, %(end)s as event_timestamp, count(*) as carrier_late_7d, 1 as carrier_delay_7d"
        " from raw.flights__flights group by 1",
    )
    result = compute(stolen, "stolen")
    assert result.message == "feature view 'carrier_recent': permission denied for table flights__flights"
    with monkeypatch.context() as patch:  # as it was: the step's own login runs it
        patch.setattr(view_sql, "reading", lambda settings, *_, **__: Warehouse(settings).reading())
        assert compute(stolen, "as it was").values["computed"][VIEW] == 2


def test_rights_follow_what_the_view_declares(lived: Platform) -> None:
    def can(project: Project, table: str) -> bool:
        with view_sql.reading(lived.settings("train"), project, VIEW) as cursor:
            cursor.execute("select has_table_privilege(%s, 'select')", (f"raw.{project.name}__{table}",))
            return cursor.fetchone() == (True,)

    both = reading_views(FLIGHTS, ["arrivals", "flights"])
    assert [can(FLIGHTS, "arrivals"), can(FLIGHTS, "flights")] == [True, False]
    assert [can(both, "arrivals"), can(both, "flights")] == [True, True]
    assert [can(FLIGHTS, "arrivals"), can(FLIGHTS, "flights")] == [True, False]
    # A table that a person moved away and ingest made again
    Warehouse(lived.settings("ingest")).query(
        "drop table raw.flights__arrivals; create table raw.flights__arrivals (carrier text)"
    )
    assert can(FLIGHTS, "arrivals")


def test_what_a_view_costs_is_bounded(lived: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_sql, "TIME_LIMIT", 1)
    with view_sql.reading(lived.settings("train"), FLIGHTS, VIEW) as cursor:
        cursor.execute("select current_setting('temp_file_limit'), current_setting('transaction_read_only')")
        assert cursor.fetchone() == ("20GB", "on")
    endless = "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b"
    with (
        pytest.raises(ConfigError, match="took longer than 1 s: make its SQL read less"),
        view_sql.reading(lived.settings("train"), FLIGHTS, VIEW) as cursor,
    ):
        view_sql.copy_out(cursor, VIEW, (endless, 0), io.BytesIO())


def test_a_login_that_was_given_more_is_refused(lived: Platform) -> None:
    with view_sql.reading(lived.settings("train"), FLIGHTS, VIEW) as cursor:
        cursor.execute("select user")
        (login,) = cursor.fetchone() or ("",)
    lived.owner().query(f'grant mlcycle_train to "{login}"')
    changed = reading_views(FLIGHTS, ["arrivals", "flights"])
    try:
        with (
            pytest.raises(MlcycleError, match="may do more than a view's login"),
            view_sql.reading(lived.settings("train"), changed, VIEW),
        ):
            pass
    finally:
        lived.owner().query(f'revoke mlcycle_train from "{login}"')


def test_first_uses_at_one_moment_do_not_meet(lived: Platform) -> None:
    """Every view of two projects, each by three sessions at once: rights on one table are one row."""
    ingest = Warehouse(lived.settings("ingest"))
    projects = [named(name) for name in ("crowd_a", "crowd_b")]
    for project in projects:
        for table in project.source.tables:
            ingest.query(f'create table raw."{project.name}__{table}" (carrier text)')

    def read(project: Project, view: str) -> int:
        with view_sql.reading(lived.settings("train"), project, view) as cursor:
            for table in project.features[view].reads:
                cursor.execute(f'select count(*) from raw."{project.name}__{table}"')
            return len(project.features[view].reads)

    work = [(project, view) for project in projects for view in project.features] * 3
    with ThreadPoolExecutor(len(work)) as pool:
        assert all(pool.map(lambda item: read(*item), work))


def test_a_view_sees_the_snapshot_of_who_asks(lived: Platform) -> None:
    ingest = Warehouse(lived.settings("ingest"))
    with Warehouse(lived.settings("train")).reading() as cursor:
        cursor.execute("select pg_export_snapshot()")
        (snapshot,) = cursor.fetchone() or ("",)
        ingest.query("insert into raw.flights__arrivals values ('AA', 2)")
        with view_sql.reading(lived.settings("train"), FLIGHTS, VIEW, snapshot=snapshot) as reader:
            reader.execute("select carrier from raw.flights__arrivals")
            assert reader.fetchall() == [("UA",)]


def test_the_replay_outlives_a_limit_on_idle_transactions(
    platform: Platform, compute: Callable[[Project, str], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step's snapshot waits while the views' logins compute on it; red without its own limit."""
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-02")
    assert compute(FLIGHTS, "before").status is Status.OK
    platform.owner().query(
        f"alter database {platform.database} set idle_in_transaction_session_timeout = '500ms'"
    )
    real = view_sql.copy_out

    def slow(*args: Any, **options: Any) -> None:
        time.sleep(1)
        real(*args, **options)

    monkeypatch.setattr(view_sql, "copy_out", slow)
    monkeypatch.setattr(view_sql, "reading", unlimited(view_sql.reading))
    settings, days_ = platform.settings("train"), days(FLIGHTS, "2013-01-01", "2013-01-02")
    with Warehouse(settings).reading() as cursor:
        assert replay.check_views(cursor, settings, FLIGHTS, days_[0].start, days_[-1].end) > 0
        cursor.execute("select 1")


def unlimited(reading: Any) -> Any:
    """The views' own sessions, which this test makes idle by sleeping in them, without the limit."""

    @contextmanager
    def opened(*args: Any, **options: Any) -> Iterator[Any]:
        with reading(*args, **options) as cursor:
            cursor.execute("set idle_in_transaction_session_timeout = 0")
            yield cursor

    return opened


def test_no_two_projects_meet_in_one_dag() -> None:
    """``<project>_<stage>``: no stage's name is the end of another's, behind an underscore."""
    assert not [(one, other) for one in STAGES for other in STAGES if one.endswith(f"_{other}")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("a_", "b"), ("a", "_b"), id="underscore at the seam"),
        pytest.param(("a__b", "c"), ("a", "b__c"), id="two of them inside"),
        pytest.param(("a__", "b"), ("a", "__b"), id="nothing but underscores"),
    ],
)
def test_no_two_projects_meet_in_one_table_name(first: tuple[str, str], second: tuple[str, str]) -> None:
    """Of two pairs of names that would make one table, at least one is refused."""

    def refused(project: str, table: str) -> bool:
        try:
            named(project), TypeAdapter(Name).validate_python(table)
        except ValidationError:
            return True
        return False

    assert "__".join(first) == "__".join(second)
    assert refused(*first) or refused(*second)
