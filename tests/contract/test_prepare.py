"""``mlcycle prepare``: a deployment's databases, on a server that somebody else has made."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from mlcycle.contract import ExitCode
from mlcycle.deploy.airflow_db import revisions
from mlcycle.deploy.databases import create, named
from mlcycle.errors import ConfigError
from mlcycle.local.postgres import Postgres
from tests.conftest import free_port
from tests.contract.deployed import PASSWORD, ask, command, environment, prepare
from tests.postgres_server import temporary


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with temporary(tmp_path_factory.mktemp("server"), free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def env(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A deployment's environment."""
    return environment(server, tmp_path_factory.mktemp("airflow"))


def test_who_waits_is_told_what_for(env: dict[str, str]) -> None:
    done = prepare(env, "--wait", "--seconds", "1")
    assert done.returncode == ExitCode.RETRY
    assert "Traceback" not in done.stderr
    assert "warehouse" in done.stdout


def test_from_an_empty_server_to_a_platform_twice_at_once_and_again(
    env: dict[str, str], server: Postgres
) -> None:
    both = [
        subprocess.Popen(command(), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in "ab"
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    owners = "select datname, pg_get_userbyid(datdba) from pg_database where datname not like 'template%' and datname <> 'postgres'"
    assert sorted(ask(server, "postgres", owners)) == [
        ("airflow", "airflow"),
        ("mlflow", "mlflow"),
        ("warehouse", "dba"),
    ]
    assert ask(server, "airflow", "select slots from slot_pool where pool = 'gpu'") == [(3,)]
    psycopg2.connect(env["MLCYCLE_DSN_SERVE"]).close()
    waited = prepare(env, "--wait", "--seconds", "5")
    assert (waited.returncode, waited.stdout) == (0, ""), waited.stderr
    again = prepare(env)
    assert again.returncode == 0
    assert "databases are there" in again.stdout


@pytest.mark.parametrize(
    ("database", "table", "told"),
    [
        ("airflow", "alembic_version", "Airflow's database has revision"),
        ("warehouse", "ledger.schema_version", "the ledger has version"),
    ],
    ids=["Airflow", "the ledger"],
)
def test_what_a_newer_version_has_migrated_is_refused_and_left_alone(
    env: dict[str, str], server: Postgres, database: str, table: str, told: str
) -> None:
    ((before,),) = ask(server, database, f"select version_num from {table}")
    ask(server, database, f"update {table} set version_num = 'fff999'")
    try:
        for arguments in ([], ["--wait"]):
            done = prepare(env, *arguments)
            assert done.returncode == ExitCode.FATAL, done.stdout
            assert told in done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert ask(server, database, f"select version_num from {table}") == [("fff999",)]
    finally:
        ask(server, database, f"update {table} set version_num = '{before}'")


def test_revisions_are_those_that_airflow_itself_knows() -> None:
    import airflow
    from alembic.script import ScriptDirectory

    known, newest = revisions()
    scripts = ScriptDirectory(str(Path(airflow.__file__).parent / "migrations"))
    assert newest == scripts.get_current_head()
    assert known == {script.revision for script in scripts.walk_revisions()}


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"MLFLOW_BACKEND_STORE_URI": "sqlite:///x"}, "MLFLOW_BACKEND_STORE_URI"),
        ({"MLCYCLE_DSN_OWNER": "postgresql://h/d"}, "no user"),
        ({"MLCYCLE_DSN_OWNER": "postgresql://u@h/d"}, "no password"),
    ],
    ids=["another database", "no user", "no password"],
)
def test_a_dsn_that_says_too_little_is_named(env: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        named(env)


def test_an_admin_who_may_not_is_told(server: Postgres, env: dict[str, str]) -> None:
    server.create_database("small", owner="small", password="pw")
    with pytest.raises(ConfigError, match="CREATEDB"):
        create(
            server.dsn("small", "small", "pw"),
            named({"MLCYCLE_DSN_OWNER": server.dsn("other", "other", "pw")}),
        )


def test_databases_are_utf_8_on_a_server_that_was_set_up_without_a_locale(server: Postgres) -> None:
    for statement in (
        "update pg_database set datistemplate = false where datname = 'template1'",
        "drop database template1",
        "create database template1 template template0 encoding 'SQL_ASCII' locale 'C' is_template true",
    ):
        connection = psycopg2.connect(server.dsn("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()
    create(server.dsn("postgres"), named({"MLFLOW_BACKEND_STORE_URI": server.dsn("text", "text", PASSWORD)}))
    found = "select pg_encoding_to_char(encoding) from pg_database where datname = 'text'"
    assert ask(server, "postgres", found) == [("UTF8",)]
