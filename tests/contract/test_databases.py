"""A project whose rows lie in a database: read by partition through ingest, and again where they changed."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.contract import Result, Status
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, free_port
from tests.contract.ingest import FLIGHTS, Ingest

PASSWORD = "p:w/d@ %secret"
TABLE = {
    "rename": {"Station No": "station", "pm2.5": "pm25"},
    "columns": {
        "station": "integer",
        "at": "timestamp",
        "pm25": "double",
        "wind": "text",
        "wet": "boolean",
        "detail": "text",
    },
    "key": ["station"],
    "event_time": "at",
    "extra_columns": "ignore",
}


def project(url: str, database: dict[str, Any], secret: str = "", **more: Any) -> Project:
    return Project.model_validate(
        {
            "version": 1,
            "name": "air",
            "scope": {**FLIGHTS.scope.model_dump()},
            "value": {"currency": "EUR", "per_unit_error": -1},
            "monitors": {"window": "7 days"},
            "retrain": {"cooldown": "14 days", "budget": 2, "per": "30 days"},
            "source": {
                "kind": "database",
                "url": url,
                "secret": secret,
                "partition": "day",
                "start": "2013-01-01",
                "catch_up": "7 days",
                "tables": {"pm": {**TABLE, "database": database, **more}},
            },
            "entity": {"table": "pm"},
            "label": {
                "name": "later",
                "task": "regression",
                "table": "pm",
                "column": "pm25",
                "ahead": "6 hours",
                "delay": "0 hours",
            },
            "inputs": {"categorical": ["wind"]},
            "split": {"holdout": "1 day", "validation": "1 day", "history": "10 days"},
            "candidates": {"mean": {"family": "rate_table", "params": {"by": ["wind"]}}},
            "evaluation": {"metric": "rmse", "heuristic": "mean"},
        }
    )


class Read(Ingest):
    """Ingest with the places of these tests allowed."""

    def step(self, name: str, first: str, last: str = "", **more: Any) -> Result:
        request = self.request(name, first, last, before=more.get("before"))
        allowed = f"postgresql://127.0.0.1:{self.platform.server.port} file://{self.platform.folder}/data"
        return run_step(request, self.platform.settings("ingest", allowed_sources=allowed, timeout=5.0))

    def position(self) -> datetime | None:
        """How far changes were read."""
        rows = self.platform.owner().query(
            "select position from ledger.watermark where stream = 'changes/pm'"
        )
        return rows[0][0] if rows else None


@pytest.fixture
def shop(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Somebody's schema, and a login that may read its table."""
    with platform.owner().transaction() as cursor:
        cursor.execute("create schema shop")
        cursor.execute(
            """create table shop.air ("Station No" int, at timestamptz, "pm2.5" numeric(8, 2), wind text,
                 wet boolean, detail jsonb, updated_at timestamptz, ignored bytea)"""
        )
        cursor.execute(
            """insert into shop.air
               select s, timestamptz '2013-01-01 00:00Z' + h * interval '1 hour', h + s / 4.0,
                      case when h %% 2 = 0 then 'N' else 'Sü"d,' end, h %% 3 = 0, '{"b": 1, "a": [2]}',
                      timestamptz '2013-01-01 00:30Z' + h * interval '1 hour', null
               from generate_series(0, 95) h, generate_series(1, 2) s order by random()""",
            (),
        )
        cursor.execute("create role shop_reader login")
        cursor.execute("alter role shop_reader password %s", (PASSWORD,))
        cursor.execute("grant usage on schema shop to shop_reader")
        cursor.execute("grant select on shop.air to shop_reader")
    monkeypatch.setenv("MLCYCLE_SECRET_AIR__SHOP", PASSWORD)
    yield platform
    with platform.owner().transaction() as cursor:
        cursor.execute("drop owned by shop_reader; drop role shop_reader")


def of_shop(platform: Platform, database: dict[str, Any] | None = None, **more: Any) -> Read:
    url = f"postgresql://shop_reader@127.0.0.1:{platform.server.port}/{platform.database}"
    given = database or {"table": "shop.air", "watermark": "updated_at", "look_back": "10 minutes"}
    return Read(platform, project(url, given, "SHOP", **more), "pm")


def change(platform: Platform, statement: str) -> None:
    with platform.owner().transaction() as cursor:
        cursor.execute(statement)


def test_partitions_are_read_by_event_time_with_their_types(shop: Platform) -> None:
    read = of_shop(shop)
    results = read.run("2013-01-01", "2013-01-03")
    assert [results[step].status for step in ("extract", "validate", "publish")] == [Status.OK] * 3
    assert results["publish"].metrics["rows"] == 144
    assert results["validate"].metrics["quarantined"] == 0
    (row,) = read.rows("pm25, wind, wet, detail", "station = 1 and at = '2013-01-01T03:00:00Z'")
    assert row == (3.25, 'Sü"d,', True, '{"a": [2], "b": 1}')
    again = read.run("2013-01-01", "2013-01-03")
    assert again["publish"].status is Status.SKIPPED, (
        "the same rows, in whatever order they lie, change nothing"
    )
    assert [status for (_, status, _) in read.batches()] == ["published"] * 3


def test_rows_that_came_late_or_changed_make_a_new_version_of_their_partition(shop: Platform) -> None:
    read = of_shop(shop)
    read.run("2013-01-01", "2013-01-02")
    assert read.position() == datetime(2013, 1, 4, 23, 30, tzinfo=UTC)
    change(shop, "update shop.air set \"pm2.5\" = 99, updated_at = '2013-01-05' where at = '2013-01-01'")
    change(
        shop, "insert into shop.air values (3, '2013-01-02 05:00Z', 1, 'N', true, null, '2013-01-04 23:25Z')"
    )
    results = read.run("2013-01-03")
    assert results["publish"].values["caught_up"] == ["2013-01-01", "2013-01-02"]
    assert read.rows("count(*)", "pm25 = 99") == [(2,)]
    assert read.rows("count(*)", "station = 3") == [(1,)], (
        "written before what was read, within the look-back"
    )
    assert read.position() == datetime(2013, 1, 5, tzinfo=UTC)
    later = read.run("2013-01-04")
    assert later["publish"].values["caught_up"] == [], "read anew within the look-back, and found unchanged"
    assert [key for (key, _, _) in read.batches()] == [
        *("2013-01-01", "2013-01-02"),
        *("2013-01-01", "2013-01-02", "2013-01-03", "2013-01-04"),
    ]


def test_what_was_read_and_not_published_is_looked_for_again(shop: Platform) -> None:
    read = of_shop(shop)
    read.run("2013-01-01", "2013-01-02")
    change(shop, "update shop.air set wet = null, updated_at = '2013-01-06' where at = '2013-01-01'")
    assert read.step("extract", "2013-01-03").values["caught_up"] == ["2013-01-01"]  # and then it is killed
    assert read.run("2013-01-04")["publish"].values["caught_up"] == ["2013-01-01", "2013-01-03"]


def test_a_query_is_one_select_that_reads(shop: Platform) -> None:
    query = """select "Station No", at, "pm2.5", wind, wet, detail::text as detail -- 'a: b' 50%
               from shop.air where wind like 'N%' or wind = ':no'"""
    assert of_shop(shop, {"query": query}).run("2013-01-01")["publish"].metrics["rows"] == 24
    for bad, said in (
        ("select 1; drop table shop.air", "semicolon"),
        ("delete from shop.air returning *", "DELETE"),
        ("select pg_sleep(9)", "reaches the server"),
        ("select * from shop.none", "does not exist"),
        ("select 1) as x, (select 2", "syntax"),
    ):
        result = of_shop(shop, {"query": bad}).step("extract", "2013-01-01")
        assert result.error is not None
        assert (result.error.kind, said in result.error.message) == (ConfigError.kind, True), result.error


def test_a_column_that_went_stops_the_partition_and_says_so(shop: Platform) -> None:
    change(shop, "alter table shop.air drop column wet")
    results = of_shop(shop).run("2013-01-01")
    assert results["validate"].status is Status.REJECTED
    assert "column 'wet' is missing" in results["validate"].message


def test_a_day_without_rows_is_not_delivered_and_too_many_are_refused(shop: Platform) -> None:
    late = of_shop(shop).step("extract", "2013-02-01")
    assert late.values["missing"] == ["2013-02-01"]
    large = of_shop(shop, max_bytes=500).step("extract", "2013-01-01")
    assert large.status is Status.REJECTED
    assert "max_bytes" in large.message


def test_no_password_is_ever_shown_and_errors_say_whether_to_try_again(
    shop: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = of_shop(shop)
    monkeypatch.setenv("MLCYCLE_SECRET_AIR__SHOP", "wr:ong@secret")
    wrong = read.step("extract", "2013-01-01")
    monkeypatch.delenv("MLCYCLE_SECRET_AIR__SHOP")
    unset = read.step("extract", "2013-01-01")
    monkeypatch.setenv("MLCYCLE_SECRET_AIR__SHOP", PASSWORD)
    change(shop, "revoke select on shop.air from shop_reader")
    refused = read.step("extract", "2013-01-01")
    port = free_port()
    allowed = f"postgresql://127.0.0.1:{port}"
    gone = Read(shop, project(f"postgresql://x@127.0.0.1:{port}/shop", {"table": "air"}, "SHOP"), "pm")
    down = run_step(
        gone.request("extract", "2013-01-01"), shop.settings("ingest", allowed_sources=allowed, timeout=2.0)
    )
    outside = gone.step("extract", "2013-01-01")
    found = [wrong, unset, refused, down, outside]
    kinds = [each.error.kind if each.error else "" for each in found]
    assert kinds == ["config", "config", "config", Unavailable.kind, "config"]
    assert "MLCYCLE_ALLOWED_SOURCES" in outside.message
    assert "MLCYCLE_SECRET_AIR__SHOP is not set" in unset.message
    shown = "".join(each.model_dump_json() for each in found)
    assert "secret" not in shown.replace("source.secret", "").replace("MLCYCLE_SECRET", "")
    assert PASSWORD not in json.dumps(read.project.document())


@pytest.fixture
def file(platform: Platform) -> Path:
    """A SQLite file of two days."""
    path = platform.folder / "data" / "air.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute('create table air ("Station No", at, "pm2.5", wind, wet, detail, updated_at)')
        rows = [
            (
                s,
                f"2013-01-0{d}{'T' if s == 1 else ' '}{h:02}:59:59.999",
                h / 4,
                "N",
                h % 2,
                None,
                f"2013-01-0{d} 23:00",
            )
            for d in (1, 2, 3)
            for h in range(24)
            for s in (1, 2)
        ]
        connection.executemany("insert into air values (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.close()
    return path


def test_a_sqlite_file_is_read_by_its_own_words_for_time(platform: Platform, file: Path) -> None:
    given = {"table": "air", "watermark": "updated_at"}
    read = Read(platform, project(f"sqlite://{file}", given, sparse=["detail"]), "pm")
    assert read.run("2013-01-01", "2013-01-02")["publish"].metrics["rows"] == 96
    assert read.rows("pm25, wet", "station = 2 and at = '2013-01-01T23:59:59.999Z'") == [(5.75, True)]
    with sqlite3.connect(file) as connection:
        connection.execute("update air set wind = 'S', updated_at = '2013-01-04' where at < '2013-01-01T05'")
    connection.close()
    assert read.run("2013-01-03")["publish"].values["caught_up"] == ["2013-01-01"]


def test_a_zone_s_hours_and_numbers_for_times_are_told_apart(platform: Platform, file: Path) -> None:
    given = project(f"sqlite://{file}", {"table": "air"}, sparse=["detail"], times={"zone": "Asia/Shanghai"})
    read = Read(platform, given, "pm")
    assert read.run("2013-01-01")["publish"].metrics["rows"] == 48
    assert read.rows("min(at), max(at)") == [
        (datetime(2013, 1, 1, 0, 59, 59, 999000, UTC), datetime(2013, 1, 1, 23, 59, 59, 999000, UTC))
    ]
    query = 'select "Station No", cast(strftime(\'%s\', at) as int) at, "pm2.5", wind, wet, detail from air'
    unix = Read(
        platform,
        project(f"sqlite://{file}", {"query": query}, sparse=["detail"], times={"format": "unix"}),
        "pm",
    )
    assert unix.step("extract", "2013-01-02").metrics["partitions"] == 1


def test_a_sqlite_query_can_neither_write_nor_open_another_file(platform: Platform, file: Path) -> None:
    for bad in (
        "delete from air",
        "select 1) as x; attach '/tmp/x' as y; --",
        "select load_extension('x') as at",
    ):
        result = Read(platform, project(f"sqlite://{file}", {"query": bad}), "pm").step(
            "extract", "2013-01-01"
        )
        assert result.error is not None
        assert result.error.kind == "config", result.error
    link = file.with_name("link.db")
    link.symlink_to("/etc/passwd")
    led = Read(platform, project(f"sqlite://{link}", {"table": "air"}), "pm").step("extract", "2013-01-01")
    assert "leads out" in led.message


def test_new_drafts_a_project_for_a_table_that_ingest_reads(shop: Platform, tmp_path: Path) -> None:
    url = f"postgresql://shop_reader@127.0.0.1:{shop.server.port}/{shop.database}"
    told = ["--table", "shop.air", "--label", "pm2.5", "--yes", "--projects", str(tmp_path / "projects")]
    done = CliRunner().invoke(app, ["new", "air", "--from", url, *told])
    assert done.exit_code != 0, "the secret is DATABASE's"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLCYCLE_SECRET_AIR__DATABASE", PASSWORD)
        done = CliRunner().invoke(app, ["new", "air", "--from", url, *told])
        assert done.exit_code == 0, done.output or done.exception
        made = load(tmp_path / "projects/air/project.yaml")
        source = made.source
        assert (source.kind, source.url, source.secret) == ("database", url, "DATABASE")
        rows = source.tables["rows"]
        assert rows.database is not None
        assert (rows.database.table, rows.database.watermark) == ("shop.air", "updated_at")
        assert (rows.event_time, rows.key, rows.columns["wet"]) == ("at", ["station_no"], "boolean")
        assert PASSWORD not in (tmp_path / "projects/air/project.yaml").read_text()
        read = Read(shop, made, "rows")
        assert read.run("2013-01-04T19", "2013-01-04T23")["publish"].metrics["rows"] == 10


def test_new_says_what_an_address_lacks(platform: Platform, file: Path, tmp_path: Path) -> None:
    def said(*told: str) -> str:
        projects = ["--yes", "--projects", str(tmp_path / "projects")]
        done = CliRunner().invoke(app, ["new", "air", "--from", *told, *projects])
        assert done.exit_code != 0
        return str(done.exception)

    assert "MLCYCLE_SECRET_AIR__DATABASE" in said("postgresql://u:pw@h/d", "--table", "t")
    assert "pw" not in said("postgresql://u:pw@h/d", "--table", "t")
    assert "say which table" in said(f"sqlite://{file}")
    assert "no such table" in said(f"sqlite://{file}?table=none")
    assert "is no file" in said("sqlite:///none.db?table=air")
    assert "--table is of a database" in said(str(file), "--table", "air")
