"""Rows and times of a database in the platform's words, and what a project may say of one."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
import sqlalchemy as sa

from mlcycle.adapters.delivery import database_duckdb
from mlcycle.adapters.delivery.database_engine import translated
from mlcycle.adapters.delivery.database_place import Place, place_of
from mlcycle.adapters.delivery.database_rows import as_text, write
from mlcycle.adapters.delivery.database_times import Clock, clock_of
from mlcycle.errors import ConfigError, DataRejected, Unavailable
from mlcycle.project import Project, Source
from mlcycle.project.file import check_sql, load
from mlcycle.project.written import Times
from mlcycle.settings import Settings
from tests.conftest import ROOT

BERLIN = Times(zone="Europe/Berlin")


def bound(clock: Clock, moment: datetime) -> Any:
    """What a condition compares the column with."""
    return clock.before(sa.column("at"), moment).right.value


@pytest.mark.parametrize(
    ("moment", "local"),
    [
        ("2024-10-26T23:00+00:00", "2024-10-27T01:00"),
        ("2024-10-27T00:00+00:00", "2024-10-27T02:00"),  # the first time that it is two
        ("2024-10-27T01:00+00:00", "2024-10-27T03:00"),  # the second: no row means it
        ("2024-10-27T02:00+00:00", "2024-10-27T03:00"),
        ("2024-03-31T01:00+00:00", "2024-03-31T03:00"),  # it is never two
    ],
)
def test_local_times_are_asked_for_as_they_are_read(moment: str, local: str) -> None:
    clock = clock_of("at", 1114, BERLIN)
    assert bound(clock, datetime.fromisoformat(moment)) == datetime.fromisoformat(local)
    assert clock.read(datetime(2024, 7, 1, 12)) == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert clock.read(date(2024, 7, 1)) == datetime(2024, 6, 30, 22, tzinfo=UTC)


def test_each_type_has_its_clock_and_a_text_has_none() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert bound(clock_of("at", 1184, BERLIN), moment) == moment
    assert bound(clock_of("at", 20, Times(format="unix_ms")), moment) == 1704067200000
    assert clock_of("at", None, Times(format="unix")).read(1704067200) == moment
    assert clock_of("at", None, Times()).read("2024-01-01 01:00:00+01:00") == moment
    assert clock_of("at", None, Times()).read("yesterday") is None
    for code, times in ((25, Times()), (20, Times())):
        with pytest.raises(ConfigError, match="holds no time"):
            clock_of("at", code, times)


def test_sqlite_s_texts_are_compared_to_the_second_however_they_are_parted() -> None:
    day = datetime(2024, 1, 2, tzinfo=UTC)
    clock, column = clock_of("at", None, Times()), sa.column("at")
    query = (
        sa.select(column)
        .select_from(sa.table("t", column))
        .where(clock.at_or_after(column, day), clock.before(column, day + timedelta(hours=1)))
    )
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sa.text("create table t (at)"))
        inside = ["2024-01-02 00:00:00", "2024-01-02T00:59:59.999Z", "2024-01-02 00:30Z", "2024-01-02"]
        outside = ["2024-01-01T23:59:59.999", "2024-01-02T01:00:00", "2024-01-02 01:00", "soon", None]
        connection.execute(sa.text("insert into t values (:at)"), [{"at": at} for at in inside + outside])
        assert sorted(at for (at,) in connection.execute(query)) == sorted(inside)


def test_a_column_keeps_the_type_of_its_first_value(tmp_path: Path) -> None:
    names = ["n", "d", "t", "day", "b", "later", "code"]
    kinds = {
        "n": "integer",
        "d": "double",
        "t": "timestamp",
        "day": "timestamp",
        "b": "boolean",
        "later": "double",
    }
    east = timezone(timedelta(hours=2))
    first = [(1, Decimal("2.50"), datetime(2024, 1, 1, 2, tzinfo=east), date(2024, 1, 1), True, None, "01")]
    then = [(None, None, None, None, None, Decimal("1.500"), None)]
    file = tmp_path / "rows.parquet"
    assert write([first, then], names, kinds, file, typed=True, max_bytes=1 << 20) == 2
    table = pa.parquet.read_table(file)
    assert [str(kind) for kind in table.schema.types] == [
        *("int64", "double", "timestamp[us, tz=UTC]", "timestamp[us]", "bool", "string", "string")
    ]
    assert table.to_pylist()[0]["t"] == datetime(2024, 1, 1, tzinfo=UTC)
    assert table.to_pylist()[1]["later"] == "1.5"
    again = tmp_path / "again.parquet"
    write([first, then], names, kinds, again, typed=True, max_bytes=1 << 20)
    assert again.read_bytes() == file.read_bytes()
    with pytest.raises(DataRejected, match="max_bytes"):
        write([first] * 50, names, kinds, file, typed=True, max_bytes=100)


def test_values_are_written_as_the_platform_writes_them() -> None:
    given = [1.0, 0.1, float("nan"), Decimal("1E+3"), Decimal("0.10"), Decimal("-0.0"), False, b"\x01\xff"]
    assert [as_text(each) for each in given] == ["1", "0.1", "nan", "1000", "0.1", "-0", "false", "01ff"]
    assert as_text({"b": [1], "a": None}) == '{"a": null, "b": [1]}'
    assert as_text(None) is None


def settings(**more: str) -> Settings:
    return Settings.model_validate({"warehouse_dsn": "", "artifacts_url": "", **more})


def test_a_place_is_one_that_is_allowed_and_read_in_one_way_only(tmp_path: Path) -> None:
    allowed = settings(allowed_sources=f"postgresql://db.example, file://{tmp_path}")
    place = place_of("postgresql://reader%40x@db.example/shop?sslmode=verify-full", allowed)
    assert (place.user, place.host, place.port, place.name) == ("reader@x", "db.example", 5432, "shop")
    assert "reader" not in place.shown
    assert place_of(f"sqlite://{tmp_path}/a.db", allowed).path == f"{tmp_path}/a.db"
    own = settings(source_url="postgresql://in@db.own:6000")
    assert place_of("{source}/shop", own).port == 6000
    for url, given in (
        ("postgresql://db.example:5433/shop", allowed),
        ("postgresql://other.example/shop", allowed),
        ("postgresql://db.example,other.example/shop", allowed),
        ("postgresql://db.example/shop?host=other.example", allowed),
        ("postgresql://db.example/host=other.example", allowed),
        ("postgresql://db.example/shop?sslmode=none", allowed),
        ("{source}@other.example/shop", own),
        (f"sqlite://{tmp_path}/../a.db", allowed),
        ("sqlite:///etc/a.db", allowed),
    ):
        with pytest.raises(ConfigError):
            place_of(url, given)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError("database is locked"), Unavailable),
        (sqlite3.OperationalError("interrupted"), Unavailable),
        (sqlite3.OperationalError("no such column: x"), ConfigError),
        (sqlite3.DatabaseError("not authorized"), ConfigError),
    ],
    ids=str,
)
def test_errors_say_whether_to_try_again(error: Exception, kind: type[Exception]) -> None:
    assert isinstance(translated(error, Place("sqlite:///a.db")), kind)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1045, ConfigError), (1054, ConfigError), (1792, ConfigError), (3024, Unavailable), (2013, Unavailable)],
)
def test_numbers_of_mysql_s_errors_say_whether_to_try_again(number: int, kind: type[Exception]) -> None:
    told = translated(OSError(number, "said by the server"), Place("mysql://db/shop", user="r"))
    assert isinstance(told, kind)


def test_a_duckdb_that_takes_too_long_is_interrupted() -> None:
    raw = duckdb.connect()
    with pytest.raises(duckdb.InterruptException) as slow, database_duckdb.bounded(raw, 0.01):
        raw.execute("select count(*) from range(1000000000000) a, range(1000000000000) b")
    assert isinstance(translated(slow.value, Place("duckdb:///a.duckdb")), Unavailable)


@pytest.mark.parametrize(
    ("url", "shown", "port"),
    [
        ("mysql://r@db.example/shop?sslmode=verify-full", "mysql://db.example/shop", 3306),
        ("mysql://r@db.example:3307/shop", "mysql://db.example:3307/shop", 3307),
    ],
)
def test_a_mysql_has_an_address_like_others(url: str, shown: str, port: int) -> None:
    given = Settings.model_validate(
        {
            "warehouse_dsn": "",
            "artifacts_url": "",
            "allowed_sources": "mysql://db.example mysql://db.example:3307",
        }
    )
    place = place_of(url, given)
    assert (place.shown, place.port, place.user, place.kind) == (shown, port, "r", "mysql")
    with pytest.raises(ConfigError):
        place_of(url.partition("?")[0] + "?sslmode=prefer", given)


def test_a_driver_s_text_is_never_shown() -> None:
    told = translated(
        RuntimeError('connection to "host=db password=pw" failed'), Place("postgresql://db/shop")
    )
    assert "pw" not in str(told)


TABLE: dict[str, Any] = {
    "database": {"table": "sales.orders"},
    "columns": {"number": "integer", "at": "timestamp"},
    "key": ["number"],
    "event_time": "at",
}


def source(change: Callable[[dict[str, Any]], object]) -> Source:
    given: dict[str, Any] = {"kind": "database", "url": "postgresql://r@db/shop", "partition": "day"}
    given |= {"start": "2024-01-01", "tables": {"orders": {**TABLE, "database": dict(TABLE["database"])}}}
    change(given)
    return Source.model_validate(given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(url="postgresql://r:pw@db/shop"), "a password stands in what secret names"),
        (lambda s: s.update(url="s3://bucket"), "url of a database is"),
        (lambda s: s.update(kind="files"), "say kind: database"),
        (lambda s: s["tables"]["orders"].update(format="parquet"), "format is of files"),
        (lambda s: s["tables"]["orders"].update(file="a.csv"), "file is of files"),
        (lambda s: s["tables"]["orders"].update(kind="static", event_time=None), "are cut by their time"),
        (lambda s: s["tables"]["orders"].update(times={"format": "%d.%m.%Y"}), "unix or unix_ms"),
        (lambda s: s["tables"]["orders"]["database"].update(query="select 1"), "one of the two"),
        (lambda s: s["tables"]["orders"]["database"].update(table='a"b'), "is not a name like"),
    ],
)
def test_what_a_database_cannot_mean_is_refused(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    assert source(lambda s: None).kind == "database"
    with pytest.raises(ValueError, match=said):
        source(change)


def test_a_query_is_checked_before_any_run(tmp_path: Path) -> None:
    flights = load(ROOT / "projects" / "flights" / "project.yaml").document()
    flights["source"] |= {"kind": "database", "url": "postgresql://r@db/shop"}
    for table in flights["source"]["tables"].values():
        table |= {"file": None, "path": None, "database": {"query": "select * from a.b where c like 'x%'"}}
    check_sql(tmp_path, Project.model_validate(flights))
    flights["source"]["tables"]["flights"]["database"] = {"query": "select 1;\ndelete from a.b"}
    with pytest.raises(ConfigError, match=r"tables\.flights\.database\.query, line 1: a query is one SELECT"):
        check_sql(tmp_path, Project.model_validate(flights))
    flights["source"]["tables"]["flights"]["database"] = None
    with pytest.raises(ValueError, match="flights lacks database"):
        Project.model_validate(flights)
