"""``mlcycle migrate``: the ledger of a warehouse that the platform did not make."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from mlcycle.adapters.features import view_sql
from mlcycle.adapters.warehouse.connection import connect
from mlcycle.contract import ExitCode
from mlcycle.cycle import ALL_ROLES
from mlcycle.demo.world_data import day_file
from mlcycle.errors import ConfigError
from mlcycle.ledger.migrate import credentials, migrate
from mlcycle.local.postgres import Postgres
from mlcycle.project.file import load
from mlcycle.settings import Settings
from tests.conftest import ROOT, free_port
from tests.postgres_server import temporary

VERSIONS = ROOT / "src" / "mlcycle" / "ledger" / "migrations" / "versions"
NEWEST = max(file.name[:4] for file in VERSIONS.glob("0*.py"))
PASSWORD = "p%40s s'w/rd"
QUOTED = "p%2540s%20s%27w%2Frd"  # the same in a URL
ENV = {f"MLCYCLE_DSN_{role.upper()}": f"postgresql://mlcycle_{role}:pw@h/d" for role in ALL_ROLES}
OWNER = {"MLCYCLE_DSN_OWNER": "postgresql://dba:pw@h/d"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of its own: roles and their passwords are a server's."""
    with temporary(tmp_path_factory.mktemp("hired"), free_port()) as server:
        yield server


@pytest.fixture
def env(server: Postgres) -> dict[str, str]:
    """An empty database as one hires it, whose owner is no superuser."""
    database = f"warehouse_{secrets.token_hex(4)}"
    server.create_database(database, owner="dba", password="secret")
    as_superuser(server, database, "alter role dba createrole")
    roles = {
        f"MLCYCLE_DSN_{role.upper()}": server.dsn(database, f"mlcycle_{role}", QUOTED) for role in ALL_ROLES
    }
    return {**roles, "MLCYCLE_DSN_OWNER": server.dsn(database, "dba", "secret")}


def as_superuser(server: Postgres, database: str, statement: str) -> None:
    connection = psycopg2.connect(server.dsn(database))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def database_of(env: dict[str, str]) -> str:
    return env["MLCYCLE_DSN_OWNER"].rpartition("/")[2]


def run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")}
    return subprocess.run(
        [sys.executable, "-m", "mlcycle", *(arguments or ("migrate",))],
        env={**own, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_line_works_on_such_a_warehouse(env: dict[str, str], tmp_path: Path) -> None:
    """By the environment alone, where there is no local platform."""
    assert run(env).returncode == 0
    source = tmp_path / "source" / "flights" / "flights"
    source.mkdir(parents=True)
    (source / "2013-01-02.csv").write_bytes(day_file("flights", "flights", "2013-01-02") or b"")
    env |= {
        "MLCYCLE_STATE": str(tmp_path / "none"),
        "MLCYCLE_PROJECTS": str(ROOT / "projects"),
        "MLCYCLE_ARTIFACTS_URL": f"file://{tmp_path}/artifacts",
        "MLCYCLE_SOURCE_URL": f"file://{tmp_path}/source",
    }
    extracted = run(env, "run", "flights", "ingest", "--partition", "2013-01-02", "--step", "extract")
    assert "flights" in extracted.stdout, extracted.stderr
    answer = run(env, "sql", "--json", "select count(*) as attempts from ledger.attempt")
    assert (answer.returncode, answer.stdout.split()) == (0, ["[", "{", '"attempts":', "3", "}", "]"])
    nowhere = run({"MLCYCLE_STATE": str(tmp_path / "none")}, "sql", "select 1")
    assert nowhere.returncode == ExitCode.FATAL
    assert "start one with mlcycle up, or name another warehouse by MLCYCLE_DSN_SERVE" in nowhere.stderr


def test_it_makes_the_ledger_and_the_roles_and_again_changes_nothing(
    server: Postgres, env: dict[str, str]
) -> None:
    first, again = run(env), run(env)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    now = re.search(r"from nothing to version (\d{4})", first.stdout)
    assert now is not None
    assert f"up to date: version {now[1]}" in again.stdout
    assert first.stderr == again.stderr == ""
    for role in ALL_ROLES:
        settings = {"warehouse_dsn": env[f"MLCYCLE_DSN_{role.upper()}"], "artifacts_url": "file:///"}
        with connect(Settings.model_validate(settings)) as connection, connection.cursor() as cursor:
            cursor.execute("select count(*) from ledger.champion")
            cursor.execute(
                "select rolsuper or rolcreaterole or rolcreatedb from pg_roles where rolname = user"
            )
            assert cursor.fetchone() == (False,)


def test_a_view_has_a_login_of_its_own_on_such_a_server_too(server: Postgres, env: dict[str, str]) -> None:
    """Its owner is no superuser: it makes the logins and gives them rights on tables that are ingest's."""
    assert run(env).returncode == 0
    project = load(ROOT / "projects" / "flights" / "project.yaml")

    def settings(role: str) -> Settings:
        dsn = env[f"MLCYCLE_DSN_{role.upper()}"]
        return Settings.model_validate({"warehouse_dsn": dsn, "artifacts_url": "file:///"})

    with connect(settings("ingest")) as ingest, ingest.cursor() as cursor:
        cursor.execute("create table raw.flights__arrivals (); create table raw.flights__flights ()")
    with view_sql.reading(settings("train"), project, "carrier_recent") as cursor:
        cursor.execute("select count(*) from raw.flights__arrivals")
    with (
        pytest.raises(ConfigError, match="permission denied for table flights__flights"),
        view_sql.reading(settings("train"), project, "carrier_recent") as cursor,
    ):
        cursor.execute("select count(*) from raw.flights__flights")


def test_an_owner_who_lost_the_right_to_make_roles_is_one_line_without_a_password(
    server: Postgres, env: dict[str, str]
) -> None:
    assert run(env).returncode == 0
    settings = Settings.model_validate(
        {"warehouse_dsn": env["MLCYCLE_DSN_TRAIN"], "artifacts_url": "file:///"}
    )
    project = load(ROOT / "projects" / "flights" / "project.yaml")
    as_superuser(server, "postgres", "alter role dba nocreaterole")
    with pytest.raises(ConfigError, match="permission denied to create role") as caught:
        view_sql.reading(settings, project, "carrier_hour").__enter__()
    assert "\n" not in caught.value.message
    assert not re.search("[0-9a-f]{64}", caught.value.message)


def test_a_server_that_logs_statements_learns_no_password(server: Postgres, env: dict[str, str]) -> None:
    as_superuser(server, "postgres", f"alter database {database_of(env)} set log_statement = 'all'")
    assert run(env).returncode == 0
    settings = Settings.model_validate(
        {"warehouse_dsn": env["MLCYCLE_DSN_TRAIN"], "artifacts_url": "file:///"}
    )
    with connect(settings) as train, train.cursor() as cursor:
        cursor.execute(
            "select password from ledger.view_login('flights', 'carrier_recent', array['arrivals'])"
        )
        (password,) = cursor.fetchone() or ("",)
    log = (server.data.parent / "postgres.log").read_text()
    assert log.count("password 'SCRAM-SHA-256$4096:") == len(ALL_ROLES)
    assert "ledger.view_login('flights'" in log
    assert PASSWORD.replace("'", "''") not in log
    assert len(password) == 64
    assert password not in log


def test_a_server_that_takes_no_ready_made_password_gets_the_password(
    server: Postgres, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hosted one may: here, one that is longer than PostgreSQL takes."""
    real = psycopg2.extensions.encrypt_password

    def long(*args: str, **options: object) -> str:
        kind, (rounds, _salt), keys = (part.split(":") for part in str(real(*args, **options)).split("$"))
        return f"{kind[0]}${rounds}:{'A' * 600}${':'.join(keys)}"

    monkeypatch.setattr(psycopg2.extensions, "encrypt_password", long)
    migrate(*credentials(env))
    psycopg2.connect(env["MLCYCLE_DSN_SERVE"]).close()


def test_a_new_password_in_a_dsn_is_the_roles_from_then_on(server: Postgres, env: dict[str, str]) -> None:
    new = {**env, "MLCYCLE_DSN_SERVE": server.dsn(database_of(env), "mlcycle_serve", "other")}
    assert run(new).returncode == 0
    psycopg2.connect(new["MLCYCLE_DSN_SERVE"]).close()
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        psycopg2.connect(env["MLCYCLE_DSN_SERVE"])


def test_rights_that_no_step_may_have_are_taken_by_a_superuser_or_refused(
    server: Postgres, env: dict[str, str]
) -> None:
    assert run(env).returncode == 0
    as_superuser(server, "postgres", "alter role mlcycle_ingest superuser")
    refused = run(env)
    assert refused.returncode == ExitCode.FATAL
    assert "the owner may not do this: " in refused.stderr
    assert run({**env, "MLCYCLE_DSN_OWNER": server.dsn(database_of(env))}).returncode == 0
    assert run(env).returncode == 0


@pytest.mark.parametrize(
    ("owner", "code", "expected"),
    [
        pytest.param("dba:hush@127.0.0.1:1/postgres", ExitCode.RETRY, "does not answer", id="no server"),
        pytest.param("dba:secret@{}/nowhere", ExitCode.FATAL, "refused the owner's login", id="no database"),
        pytest.param("dba:hush@{}/postgres", ExitCode.FATAL, "refused the owner's login", id="no login"),
    ],
)
def test_a_login_that_fails_is_one_line(
    server: Postgres, env: dict[str, str], owner: str, code: ExitCode, expected: str
) -> None:
    dsn = "postgresql://" + owner.format(f"127.0.0.1:{server.port}")
    done = run({**env, "MLCYCLE_DSN_OWNER": dsn})
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("mlcycle: ")
    assert expected in done.stderr
    assert "MLCYCLE_DSN_OWNER" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hush" not in done.stderr
    assert "secret" not in done.stderr


def test_an_owner_who_may_not_make_roles_is_told_what_is_needed(
    server: Postgres, env: dict[str, str]
) -> None:
    server.create_database("poor", owner="poor", password="secret")
    done = run({**env, "MLCYCLE_DSN_OWNER": server.dsn("poor", "poor", "secret")})
    assert done.returncode == ExitCode.FATAL
    assert "CREATEROLE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_ledger_newer_than_the_code_is_left_alone(server: Postgres, env: dict[str, str]) -> None:
    assert run(env).returncode == 0
    as_superuser(server, database_of(env), "update ledger.schema_version set version_num = '9999'")
    done = run(env)
    assert done.returncode == ExitCode.FATAL
    assert "the ledger has version 9999" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"MLCYCLE_DSN_OWNER": ""}, "MLCYCLE_DSN_OWNER: not set", id="no owner"),
        pytest.param(
            {"MLCYCLE_DSN_OWNER": "", "MLCYCLE_DSN_SERVE": ""},
            "MLCYCLE_DSN_OWNER, MLCYCLE_DSN_SERVE: not set",
            id="several missing",
        ),
        pytest.param({"MLCYCLE_DSN_OWNER": "dba:hush@h"}, "MLCYCLE_DSN_OWNER is not a DSN", id="no DSN"),
        pytest.param(
            {"MLCYCLE_DSN_TRAIN": "postgresql://mlcycle_train@h/d"},
            "MLCYCLE_DSN_TRAIN: no password",
            id="no password",
        ),
        pytest.param(
            {"MLCYCLE_DSN_TRAIN": "postgresql://mlcycle_serve:hush@h/d"},
            "MLCYCLE_DSN_TRAIN: the user is 'mlcycle_serve', expected 'mlcycle_train'",
            id="another role's user",
        ),
        pytest.param(
            {"MLCYCLE_DSN_INGEST": "host=h dbname=d password=hush"},
            "MLCYCLE_DSN_INGEST: the user is '', expected 'mlcycle_ingest'",
            id="no user",
        ),
    ],
)
def test_a_wrong_variable_is_named_in_one_line(change: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        credentials({**OWNER, **ENV, **change})
    assert caught.value.message.startswith(expected)
    assert "hush" not in caught.value.message


def test_passwords_come_out_of_urls_and_key_value_dsns() -> None:
    given = {**OWNER, **ENV, "MLCYCLE_DSN_SERVE": "host=h dbname=d user=mlcycle_serve password=other"}
    given["MLCYCLE_DSN_TRAIN"] = f"postgresql://mlcycle_train:{QUOTED}@h/d"
    owner, passwords = credentials(given)
    assert owner == OWNER["MLCYCLE_DSN_OWNER"]
    assert passwords == {"ingest": "pw", "train": PASSWORD, "promote": "pw", "serve": "other", "keep": "pw"}
