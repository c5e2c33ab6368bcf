"""Sources in MySQL and DuckDB: partitions of their rows, with their types, their changes and their bounds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mlcycle.contract import Result, Status
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.proposal.from_database import sampled
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, free_port
from tests.contract.ingest import Ingest
from tests.contract.test_databases import project
from tests.mariadb_server import SERVER, connect, mariadb_server

PASSWORD = "p:w/d@ %secret"


class Read(Ingest):
    """Ingest with these places allowed."""

    allowed = ""

    def step(self, name: str, first: str, last: str = "", **more: Any) -> Result:
        request = self.request(name, first, last, before=more.get("before"))
        return run_step(request, self.platform.settings("ingest", allowed_sources=self.allowed, timeout=5.0))

    def position(self) -> datetime | None:
        rows = self.platform.owner().query(
            "select position from ledger.watermark where stream = 'changes/pm'"
        )
        return rows[0][0] if rows else None

    def refused(self, first: str = "2013-01-01") -> tuple[str, str]:
        error = self.step("extract", first).error
        assert error is not None
        return error.kind, error.message


def landed(read: Read) -> None:
    """Three days of a table of 24 hours and two stations; late and changed rows; nothing new."""
    results = read.run("2013-01-01", "2013-01-02")
    assert [each.status for each in results.values()] == [Status.OK] * 3, results
    assert results["publish"].metrics["rows"] == 96
    assert results["validate"].metrics["quarantined"] == 0
    again = read.run("2013-01-01", "2013-01-02")
    assert again["publish"].status is Status.SKIPPED, "the same rows change nothing"


# MySQL


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if SERVER is None:
        pytest.skip("no MariaDB is installed here: apt install mariadb-server")
    with mariadb_server(tmp_path_factory.mktemp("mariadb"), free_port()) as port:
        yield port


@pytest.fixture
def shop(mariadb: int, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Somebody's table, and a login that may read and write it."""
    connection = connect(mariadb)
    with connection.cursor() as cursor:
        for statement in (
            "create or replace database shop",
            "set session time_zone = '+00:00'",
            """create table shop.air (`Station No` int, at timestamp null, `pm2.5` decimal(8, 2),
                 wind varchar(20), wet boolean, detail json, updated_at datetime(6), birth date, ignored blob)""",
            """insert into shop.air
               select s.seq, timestampadd(hour, h.seq, '2013-01-01 00:00:00'), h.seq + s.seq / 4.0,
                      if(h.seq % 2 = 0, 'N', 'Sü"d,'), h.seq % 3 = 0, '{"b": 1, "a": [2]}',
                      timestampadd(minute, 30 + 60 * h.seq, '2013-01-01 00:00:00'), '2013-01-01', null
               from shop.seq_0_to_95 h, shop.seq_1_to_2 s order by rand(1)""",
        ):
            cursor.execute(statement)
        cursor.execute("create or replace user reader identified by %s", (PASSWORD,))
        cursor.execute("grant select, insert, update on shop.* to reader")
    monkeypatch.setenv("MLCYCLE_SECRET_AIR__SHOP", PASSWORD)
    yield mariadb
    connection.close()


def of_shop(platform: Platform, port: int, database: dict[str, Any] | None = None, **more: Any) -> Read:
    given = database or {"table": "shop.air", "watermark": "updated_at", "look_back": "10 minutes"}
    read = Read(platform, project(f"mysql://reader@127.0.0.1:{port}/shop", given, "SHOP", **more), "pm")
    read.allowed = f"mysql://127.0.0.1:{port}"
    return read


def test_a_mysql_is_read_by_partition_with_its_types(shop: int, platform: Platform) -> None:
    read = of_shop(platform, shop)
    landed(read)
    (row,) = read.rows("pm25, wind, wet, detail", "station = 1 and at = '2013-01-01T03:00:00Z'")
    assert row == (3.25, 'Sü"d,', True, '{"b": 1, "a": [2]}')
    assert read.rows("min(at), max(at)") == [
        (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, 23, tzinfo=UTC))
    ], "a TIMESTAMP is a moment, whatever the server's zone"
    assert read.position() == datetime(2013, 1, 4, 23, 30, tzinfo=UTC)


def test_rows_of_a_mysql_that_changed_make_a_new_version(shop: int, platform: Platform) -> None:
    read = of_shop(platform, shop)
    read.run("2013-01-01", "2013-01-02")
    with connect(shop) as connection, connection.cursor() as cursor:
        cursor.execute("set session time_zone = '+00:00'")
        cursor.execute(
            "update shop.air set `pm2.5` = 99, updated_at = '2013-01-05' where at = '2013-01-01 00:00:00'"
        )
    results = read.run("2013-01-03")
    assert results["publish"].values["caught_up"] == ["2013-01-01"]
    assert read.rows("count(*)", "pm25 = 99") == [(2,)]


def test_local_times_and_a_time_for_none_in_a_mysql(shop: int, platform: Platform) -> None:
    with connect(shop) as connection, connection.cursor() as cursor:
        cursor.execute("set session sql_mode = ''")
        cursor.execute("create table shop.local (n int, at datetime, seen datetime)")
        cursor.execute(
            "insert into shop.local values (1, '2013-01-02 00:30:00', '2013-01-01'), "
            "(2, '2013-01-02 01:30:00', '0000-00-00 00:00:00'), (3, '0000-00-00 00:00:00', null)"
        )
    columns = {"station": "integer", "at": "timestamp", "seen": "timestamp", "pm25": "double", "wind": "text"}
    query = "select n as station, at, seen, 1.5 as pm25, 'N:%s' as wind from shop.local"
    more = {"rename": {}, "columns": columns, "times": {"zone": "Europe/Berlin"}, "sparse": ["seen"]}
    read = of_shop(platform, shop, {"query": query}, **more)
    assert read.run("2013-01-01", "2013-01-02")["publish"].metrics["rows"] == 2
    assert read.rows("station, seen, wind", "at < '2013-01-02'") == [
        (1, datetime(2012, 12, 31, 23, tzinfo=UTC), "N:%s"),
    ]
    assert read.rows("station, seen", "at >= '2013-01-02'") == [(2, None)]


def test_a_mysql_is_only_read_and_says_what_is_wrong(
    shop: int, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad, said in (
        ({"query": "select 1; drop table shop.air"}, "syntax"),
        ({"query": "delete from shop.air"}, "syntax"),
        ({"table": "shop.none"}, "doesn't exist"),
        ({"query": "select * from mysql.user"}, "denied"),
        ({"query": "select 1) as x, (select 2"}, ""),
    ):
        kind, message = of_shop(platform, shop, bad).refused()
        assert (kind in (ConfigError.kind, "data"), said in message) == (True, True), message
    monkeypatch.setenv("MLCYCLE_SECRET_AIR__SHOP", "wrong")
    kind, message = of_shop(platform, shop).refused()
    assert (kind, "refuses the login of 'reader'" in message) == (ConfigError.kind, True)
    assert "wrong" not in message
    down = of_shop(platform, free_port())
    assert down.step("extract", "2013-01-01").error is not None
    kind, message = down.refused()
    assert (kind, "does not answer" in message) == (Unavailable.kind, True)
    elsewhere = of_shop(platform, shop)
    elsewhere.allowed = "mysql://db.example"
    assert "not among the places" in elsewhere.refused()[1]


# DuckDB


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A DuckDB of somebody's, and the same rows as Parquet files."""
    import duckdb

    folder = tmp_path / "lake's"
    (folder / "air").mkdir(parents=True)
    connection = duckdb.connect(str(folder / "air.duckdb"))
    connection.execute("set TimeZone = 'Asia/Tokyo'")
    connection.execute(
        """create table air as
           select s::integer as "Station No", timestamptz '2013-01-01 00:00Z' + h * interval 1 hour as at,
                  (h + s / 4.0)::decimal(8, 2) as "pm2.5", if(h % 2 = 0, 'N', 'Sü"d,') as wind, h % 3 = 0 as wet,
                  {'b': 1, 'a': [2]} as detail,
                  timestamp '2013-01-01 00:30' + h * interval 1 hour as updated_at, 'x'::blob as ignored
           from range(96) as hours(h), range(1, 3) as stations(s) order by random()"""
    )
    for day in (1, 2, 3, 4):
        connection.execute(
            f"copy (select * from air where date_trunc('day', \"at\" at time zone 'UTC') = '2013-01-0{day}') "
            f"to '{str(folder).replace(chr(39), chr(39) * 2)}/air/{day}.parquet'"
        )
    connection.close()
    return folder


def of_lake(platform: Platform, lake: Path, name: str = "/air.duckdb", **database: Any) -> Read:
    given = database or {"table": "air", "watermark": "updated_at"}
    read = Read(platform, project(f"duckdb://{lake}{name}", given), "pm")
    read.allowed = f"file://{lake.parent}"
    return read


def test_a_duckdb_is_read_by_partition_with_its_types(lake: Path, platform: Platform) -> None:
    read = of_lake(platform, lake)
    landed(read)
    (row,) = read.rows("pm25, wind, wet, detail", "station = 1 and at = '2013-01-01T03:00:00Z'")
    assert row == (3.25, 'Sü"d,', True, '{"a": [2], "b": 1}')
    assert read.position() == datetime(2013, 1, 4, 23, 30, tzinfo=UTC)


def test_parquet_files_are_read_by_a_query(lake: Path, platform: Platform) -> None:
    landed(of_lake(platform, lake, "", query="select * from read_parquet('{folder}/air/*.parquet')"))


def test_a_duckdb_reads_its_folder_alone(lake: Path, platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    for query, said in (
        (f"select * from read_csv('{tmp_path}/secret.csv')", "files below"),
        ("select * from '{folder}/../secret.csv'", "files below"),
        ("copy (select 1) to '{folder}/out.csv'", "one SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("select 1) as x, (select 2", "syntax error"),
        ("attach '/tmp/other.db'", "one SELECT"),
        ("select * from none", "does not exist"),
    ):
        kind, message = of_lake(platform, lake, query=query).refused()
        assert (kind, said in message) == (ConfigError.kind, True), message
    assert not (lake / "out.csv").exists()
    elsewhere = of_lake(platform, lake)
    elsewhere.allowed = "file:///nowhere"
    assert "not among the places" in elsewhere.refused()[1]


def test_a_project_is_drafted_from_a_table_of_a_duckdb(lake: Path, tmp_path: Path) -> None:
    origin = sampled("air", f"duckdb://{lake}/air.duckdb?table=air", None, tmp_path / "sample.parquet")
    assert (origin.url, origin.name, origin.cut) == (f"duckdb://{lake}/air.duckdb", "air", False)
    assert len(pq.read_table(tmp_path / "sample.parquet")) == 192


def test_a_duckdb_that_is_not_there_is_looked_for_again(lake: Path, platform: Platform) -> None:
    kind, message = of_lake(platform, lake, "/none.duckdb").refused()
    assert (kind, "it will be looked for again" in message) == (Unavailable.kind, True)
    import duckdb

    with duckdb.connect(str(lake / "air.duckdb")):  # somebody writes
        kind, message = of_lake(platform, lake).refused()
    assert (kind, "it will be tried again" in message) == (Unavailable.kind, True)
