"""The way of a ledger with a life in it to version 0002 and back: nothing is lost, months are made."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.ledger import partitioning
from mlcycle.local.postgres import Postgres
from tests.conftest import ROOT, Platform

ROWS = """
insert into serving.prediction select 'p', to_char(day, 'YYYY-MM-DD'), 'k' || n, day + n * interval '1 hour',
    1 + (day >= '2013-02-01')::int, 7 + (day >= '2013-02-01')::int, n / 10.0, day + interval '1 day'
from generate_series('2013-01-30'::timestamptz, '2013-02-02', '1 day') day, generate_series(0, 3) n;
insert into serving.label select project, partition, entity_key, event_time, 1, event_time + interval '2 days'
from serving.prediction where entity_key <> 'k0';
insert into ledger.monitor_result (project, partition, monitor, subject, status, value, message, details)
values ('p', '2013-01-31', 'drift', 'wind', 'ok', 0.1, 'fine', '{"drifted": true}'),
       ('hourly', '2013-02-01T05', 'volume', '', 'page', 3, 'many', '{}');
"""
READ = {
    "serving.prediction": "project, partition, entity_key, event_time, champion_seq, version, prediction, scored_at",
    "serving.label": "project, partition, entity_key, event_time, label, known_at",
    "ledger.monitor_result": "project, partition, monitor, subject, status, value, threshold, message, details, "
    "measured_at",
}


@pytest.fixture
def dsn(postgres: Postgres, _template: dict[str, str]) -> str:
    """A ledger of version 0001; the roles are there."""
    database = f"before_{secrets.token_hex(4)}"
    postgres.create_database(database)
    found = postgres.dsn(database)
    alembic(found, "upgrade", "0001")
    return found


def alembic(dsn: str, way: str, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "src" / "mlcycle" / "ledger" / "migrations"))
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), poolclass=sqlalchemy.pool.NullPool
    )
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create schema if not exists ledger"))
        config.attributes["connection"] = connection
        getattr(command, way)(config, to)


def query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(dsn, options="-c timezone=UTC") as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def held(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: query(dsn, f"select {columns} from {table} order by 1, 2, 3, 4")
        for table, columns in READ.items()
    }


def months(dsn: str, table: str) -> list[str]:
    rows = query(
        dsn,
        f"select inhrelid::regclass::text from pg_inherits where inhparent = '{table}'::regclass order by 1",
    )
    return [name for (name,) in rows]


def test_there_and_back_every_row_is_kept(dsn: str) -> None:
    query(dsn, ROWS)
    before = held(dsn)
    alembic(dsn, "upgrade", "0002")
    assert held(dsn) == before
    for table in ("serving.prediction_log", "serving.label", "ledger.monitor_result"):
        assert months(dsn, table) == [f"{table}_201301", f"{table}_201302"]
    scorings = query(
        dsn, "select partition, version, champion_seq, reason, rows, current from serving.scoring order by 1"
    )
    assert scorings == [
        ("2013-01-30", 7, 1, "live", 4, True),
        ("2013-01-31", 7, 1, "live", 4, True),
        ("2013-02-01", 8, 2, "live", 4, True),
        ("2013-02-02", 8, 2, "live", 4, True),
    ]
    alembic(dsn, "downgrade", "0001")
    assert held(dsn) == before
    alembic(dsn, "upgrade", "head")
    assert held(dsn) == before


def test_requests_of_before_asked_for_retrains_and_what_the_older_words_lack_goes_back(dsn: str) -> None:
    alembic(dsn, "upgrade", "0011")
    columns = "project, work, source, reason, as_of, accepted"
    query(
        dsn, f"insert into ledger.retrain_request ({columns}) values ('p', 'a', 'monitor', 'r', now(), true)"
    )
    alembic(dsn, "upgrade", "0012")
    assert query(dsn, "select work, wants from ledger.retrain_request") == [("a", "retrain")]
    query(
        dsn,
        f"""insert into ledger.retrain_request ({columns}, wants)
            values ('p', 'b', 'period', 'r', now(), true, 'shadow'), ('p', 'c', 'shadow', 'r', now(), true, 'retrain')""",
    )
    alembic(dsn, "downgrade", "0011")
    found = query(dsn, "select work, source from ledger.retrain_request order by 1")
    assert found == [("a", "monitor"), ("c", "monitor")]
    alembic(dsn, "upgrade", "head")


def test_a_step_gets_its_month_without_the_right_to_make_tables(platform: Platform) -> None:
    train, owner = Warehouse(platform.settings("train")), platform.server.dsn(platform.database)
    with pytest.raises(Exception, match="permission denied for schema serving"):
        train.query("create table serving.prediction_log_201306 (x integer)")
    moment = datetime(2013, 6, 30, 23, 30, tzinfo=UTC)
    with train.transaction() as cursor:
        partitioning.ensure(cursor, "serving.label", moment, moment.replace(month=7, hour=1))
    assert months(owner, "serving.label") == ["serving.label_201306", "serving.label_201307"]
    train.query("insert into serving.label values ('p', '2013-06-30', 'k', %s, 1, %s)", (moment, moment))
    refused = [
        ("ledger.attempt", "2013-06-01"),
        ("serving.label", "2013-06-02"),
        ("serving.label", "1066-10-01"),
    ]
    for table, month in refused:
        with pytest.raises(psycopg2.errors.RaiseException, match=r"not partitioned by month|no month begins"):
            train.query("select ledger.ensure_month(%s, %s)", (table, month))
    with pytest.raises(Exception, match="permission denied for function ensure_month"):
        Warehouse(platform.settings("serve")).query(
            "select ledger.ensure_month('serving.label', '2013-06-01')"
        )


def test_a_month_is_made_once_by_many_writers_and_waits_for_no_reader(platform: Platform) -> None:
    """A reader in an open transaction would hold up ``create table ... partition of`` for ever."""
    reader = psycopg2.connect(platform.server.dsn(platform.database))
    with reader.cursor() as cursor:
        cursor.execute("select count(*) from serving.label")

    def write(number: int) -> None:
        warehouse = Warehouse(platform.settings("train"))
        moment = datetime(2013, 1 + number % 2, 1, number, tzinfo=UTC)
        with warehouse.transaction() as cursor:
            cursor.execute("set local lock_timeout = '5s'")
            partitioning.ensure(cursor, "serving.label", moment, moment.replace(minute=59))
            cursor.execute(
                "insert into serving.label values ('p', 'x', %s, %s, 1, %s)", (str(number), moment, moment)
            )
        warehouse.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    reader.close()
    owner = platform.server.dsn(platform.database)
    assert months(owner, "serving.label") == ["serving.label_201301", "serving.label_201302"]
    assert query(owner, "select count(*) from serving.label") == [(16,)]


def test_a_window_reads_its_own_months_alone(platform: Platform) -> None:
    owner = platform.owner()
    for month in range(1, 7):
        owner.query("select ledger.ensure_month('serving.prediction_log', %s)", (f"2013-{month:02}-01",))
    plan = owner.query(
        """explain select * from serving.prediction_log where project = 'p'
           and event_time >= '2013-03-30' and event_time < '2013-04-02'"""
    )
    text = " ".join(line for (line,) in plan)
    assert [month for month in range(1, 7) if f"prediction_log_2013{month:02}" in text] == [3, 4]


def test_predictions_of_before_have_no_decision_and_stay_as_they_were(dsn: str) -> None:
    query(dsn, ROWS)
    alembic(dsn, "upgrade", "0011")
    before = query(dsn, "select * from serving.prediction order by 2, 3")
    rights = (
        "select grantee from information_schema.role_table_grants where table_name = 'prediction' order by 1"
    )
    readers = query(dsn, rights)
    alembic(dsn, "upgrade", "0013")
    after = query(dsn, "select * from serving.prediction order by 2, 3")
    assert after == [(*row, None, None) for row in before]
    assert query(dsn, rights) == readers
    query(
        dsn,
        """select ledger.ensure_month('serving.prediction_log', '2013-06-01');
           insert into serving.prediction_log values ('p', '2013-06-03', 'k', 1, 0.5, true, 0.975)""",
    )
    alembic(dsn, "downgrade", "0011")
    assert query(dsn, "select * from serving.prediction order by 2, 3") == before
    assert query(dsn, rights) == readers
