"""``mlcycle prepare`` on databases of older versions with a life in them: all is kept, also when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest

from mlcycle.contract import ExitCode
from mlcycle.cycle import ALL_ROLES
from mlcycle.deploy.airflow_db import revisions
from mlcycle.deploy.databases import create, named
from mlcycle.ledger.migrate import migrate, versions
from mlcycle.local.postgres import Postgres
from tests.conftest import free_port
from tests.contract import test_migrate_served as served
from tests.contract.deployed import PASSWORD, ask, command, environment, prepare
from tests.postgres_server import temporary

LIFE = Path(__file__).parent / "golden" / "airflow-3.0.6.sql"
KEY = "bWxjeWNsZS1nb2xkZW4ta2V5LW9mLXRlc3RzLTAwMDA="
#: What must not change, in words that old and new schema share.
KEPT = {
    "dag": "dag_id, is_paused, bundle_name, owners",
    "dag_run": "id, dag_id, run_id, run_type, state, conf::jsonb::text, run_after, end_date",
    "task_instance": "id, task_id, run_id, map_index, state, try_number, max_tries, pool, end_date, dag_version_id",
    "task_instance_history": "task_instance_id, task_id, map_index, state, try_number, end_date",
    "xcom": "dag_run_id, task_id, map_index, key, value::jsonb::text",
    "asset": "id, name, uri",
    "asset_event": "asset_id, source_task_id, source_run_id, timestamp",
    "dag_version": "id, dag_id, version_number",
    "dag_code": "dag_id, source_code",
    "connection": "conn_id, conn_type, host, login, password, is_encrypted",
    "variable": "key, val, is_encrypted",
    "slot_pool": "pool, slots, description, include_deferred",
}
#: Airflow's own code on what it finds: the password and the variable are encrypted, the XCom is JSON.
READ = """
from airflow.models import Connection, DagRun, Variable
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
with create_session() as session:
    run = session.query(DagRun).one()
    states = {(one.task_id, one.map_index): one.state for one in run.get_task_instances(session=session)}
    print(run.state, sorted(states.items()))
    print(session.query(Connection).one().password, session.query(Variable).one().val)
    found = session.query(XComModel).filter_by(task_id="extract")
    print([XComModel.deserialize_value(row) for row in found])
"""
#: Ends the sessions of Airflow's migrations, as a server that is restarted does.
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'airflow'"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    with temporary(tmp_path, free_port()) as server:
        yield server


@pytest.fixture
def env(server: Postgres, tmp_path: Path) -> dict[str, str]:
    """A deployment of old: Airflow 3.0.6's database after a run of its own, a ledger of the first version."""
    env = {**environment(server, tmp_path / "airflow"), "AIRFLOW__CORE__FERNET_KEY": KEY}
    create(server.dsn("postgres"), named(env))
    with psycopg2.connect(server.dsn("airflow", "airflow", PASSWORD)) as connection:
        connection.cursor().execute(LIFE.read_text())
    connection.close()
    spare = server.dsn("spare", "dba", PASSWORD)
    create(server.dsn("postgres"), named({"MLCYCLE_DSN_OWNER": spare}))
    migrate(spare, dict.fromkeys(ALL_ROLES, "pw"))  # for the roles
    served.alembic(env["MLCYCLE_DSN_OWNER"], "upgrade", "0001")
    ask(server, "warehouse", served.ROWS)
    return env


def kept(server: Postgres) -> dict[str, list[tuple[object, ...]]]:
    """All that must outlive the upgrade."""
    tables = [("airflow", *one) for one in KEPT.items()] + [
        ("warehouse", *one) for one in served.READ.items()
    ]
    return {
        table: sorted(ask(server, database, f"select {columns} from {table}"), key=str)
        for database, table, columns in tables
    }


def are_current(server: Postgres) -> bool:
    airflow = ask(server, "airflow", "select version_num from alembic_version")
    ledger = ask(server, "warehouse", "select version_num from ledger.schema_version")
    return airflow == [(revisions()[1],)] and ledger == [(versions()[1],)]


def test_an_upgrade_brings_both_up_to_date_and_keeps_what_was_lived(
    env: dict[str, str], server: Postgres
) -> None:
    before = kept(server)
    assert all(before.values())
    assert not are_current(server)
    done = prepare(env)
    assert done.returncode == 0, done.stderr
    assert "before: 0001" in done.stdout
    assert are_current(server)
    assert kept(server) == before
    read = subprocess.run([sys.executable, "-c", READ], env=env, capture_output=True, text=True, check=False)
    assert read.stdout.splitlines() == [
        "failed [(('extract', -1), 'success'), (('fails', -1), 'failed'), (('one', 0), 'success'), "
        "(('one', 1), 'success'), (('publish', -1), 'success')]",
        "secret hello",
        "[{'outputs': {'a': 'file:///a'}}]",
    ], read.stderr
    again = prepare(env)
    assert again.returncode == 0, again.stderr
    assert kept(server) == before


@pytest.mark.parametrize("how", ["it and all it started", "it alone", "its connections"])
def test_an_upgrade_that_is_killed_amid_airflow_s_migrations_goes_on_when_run_again(
    env: dict[str, str], server: Postgres, how: str
) -> None:
    """The last migrations change ``xcom``: whoever reads it in a transaction holds them up."""
    before = kept(server)
    (old,) = ask(server, "airflow", "select version_num from alembic_version")
    reader = psycopg2.connect(server.dsn("airflow"))
    reader.cursor().execute("select from xcom")
    first = subprocess.Popen(
        command(), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        wait_until_held_up(server, first)
        (reached,) = ask(server, "airflow", "select version_num from alembic_version")
        assert reached not in (old, (revisions()[1],)), "it is amid its migrations"
        if how == "its connections":
            ask(server, "airflow", CUT)
            said = first.communicate(timeout=60)[0].decode().splitlines()
            assert first.returncode == ExitCode.FATAL
            assert said[-1].startswith("mlcycle: airflow db migrate ended with 1, see above; ")
        elif how == "it alone":
            first.kill()
        else:
            os.killpg(first.pid, signal.SIGKILL)
        waits = prepare(env, "--wait", "--seconds", "1")
        assert "Airflow's database is not up to date yet" in waits.stderr
        second = subprocess.Popen(command(), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(1)
        reader.rollback()
        told = second.communicate(timeout=120)[0].decode()
        assert second.returncode == 0, told
    finally:
        reader.close()
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
    assert are_current(server)
    assert kept(server) == before


def wait_until_held_up(server: Postgres, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    waiting = "select 1 from pg_locks where not granted and relation = 'xcom'::regclass"
    while not ask(server, "airflow", waiting):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no migration wants xcom"
        time.sleep(0.1)
