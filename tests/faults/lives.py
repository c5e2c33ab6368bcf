"""Lives of a project for the fault tests: every step's request with the warehouse as it was before.

A life is lived once, undisturbed. For each of its steps there is the request, a copy of the
database from just before it, and what the warehouse held afterwards. A fault is then tried on the
copy, and the checker compares the outcomes: it reads PostgreSQL itself and asks no code under test.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from mlcycle.contract import Request, Result
from mlcycle.cycle import ALL_ROLES, ROLES
from mlcycle.orchestration.runners.step_process import Forked
from mlcycle.project import Project
from mlcycle.settings import step_env
from mlcycle.stage_run import run_stage
from tests.conftest import ROOT, Platform
from tests.faults.arranged import VARIABLE

#: Columns that differ between two runs of the same work and say nothing about what was published.
VOLATILE = {
    *("token", "batch_id", "_batch_id", "host", "work", "inputs", "result", "request_id", "alert_id"),
    "document",  # of an evaluation: it holds the seconds that its attempt took
    *(
        "published_at",
        "computed_at",
        "created_at",
        "created_timestamp",
        "created_ts",
        "updated_at",
        "opened_at",
    ),
    *(
        "evaluated_at",
        "registered_at",
        "compared_at",
        "crowned_at",
        "set_at",
        "measured_at",
        "requested_at",
        "scored_at",
        "scoring_id",
        "change_id",
        "used_at",
        "moment",
    ),
    *(
        "started_at",
        "finished_at",
        "quarantined_at",
        "delivered_at",
        "closed_at",
        "noted_at",
        "link",
        "details",
    ),
    *("run_id", "model_uri", "comparison_id", "uri", "manifest", "manifest_digest", "reasons", "statistics"),
}
IGNORED_TABLES = {"ledger.attempt", "ledger.publication", "ledger.schema_version", "online.registry"}


@dataclass(frozen=True)
class Moment:
    """A step about to run: its request, the database before it, and the outcome undisturbed."""

    request: Request
    before: Platform
    after: dict[str, Any]
    publications: int
    seconds: float
    result: Result


@dataclass
class Life:
    """The moments of one life, by step name and table or candidate."""

    env: dict[str, str]
    moments: dict[str, Moment] = field(default_factory=dict)


def clone(platform: Platform, name: str) -> Platform:
    """A copy of a test's database under another name."""
    admin = psycopg2.connect(platform.server.dsn("postgres"))
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = any(%s)",
                ([platform.database, name],),
            )
            cursor.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            statement = sql.SQL("create database {} template {} strategy file_copy")
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(platform.database)))
    finally:
        admin.close()
    return replace(platform, database=name)


def environment(platform: Platform, extra: dict[str, str]) -> dict[str, str]:
    """What the starter of steps knows: a DSN for each role, and the services."""
    dsns = {
        f"MLCYCLE_DSN_{role.upper()}": platform.settings(role).warehouse_dsn.get_secret_value()
        for role in ALL_ROLES
    }
    return {
        "PATH": os.environ["PATH"],
        **dsns,
        "MLCYCLE_ARTIFACTS_URL": f"file://{platform.folder}/artifacts",
        "MLCYCLE_SCRATCH": str(platform.folder / "scratch"),
        "MLCYCLE_THREADS": "1",
        **extra,
    }


def live(
    server: str,
    platform: Platform,
    project: Project,
    stages: list[tuple[str, dict[str, Any]]],
    env: dict[str, str],
) -> Life:
    """Live the stages in order, keeping each step's moment."""
    life = Life(env)

    def execute(request: Request) -> Result:
        label = "-".join(
            [request.step, *[str(request.params[k]) for k in ("table", "candidate") if k in request.params]]
        )
        label = label if label not in life.moments else f"{label}-again"
        before = clone(platform, f"{platform.database}_{len(life.moments)}")
        begin = time.perf_counter()
        attempt = Try(server, platform, env, request)
        result = attempt.end()
        seconds = time.perf_counter() - begin
        assert result is not None, f"{label}: {attempt.lines}"
        assert result.exit_code == 0, f"{label}: {result.message}"
        life.moments[label] = Moment(
            request, before, fingerprint(platform), publications(platform, request.work), seconds, result
        )
        return result

    for stage, kwargs in stages:
        for _ in run_stage(project, stage, execute, **kwargs):
            pass
    return life


def fingerprint(platform: Platform) -> dict[str, Any]:
    """Row count and content hash of every table, without the columns that vary from run to run."""
    owner = platform.owner()
    found: dict[str, Any] = {}
    tables = owner.query(
        """select table_schema, table_name,
                  array_agg(column_name::text order by ordinal_position),
                  array_agg(column_name::text) filter (where data_type = 'double precision')
           from information_schema.columns
           where table_schema in ('raw', 'features', 'online', 'serving', 'ledger') group by 1, 2"""
    )
    for schema, table, columns, doubles in tables:
        name = f"{schema}.{table}"
        if name in IGNORED_TABLES or (schema == "online" and not table.startswith(platform_tables(owner))):
            continue
        stable = [column for column in columns if column not in VOLATILE]
        # Sums of doubles differ in their last digits with the number of threads.
        row = sql.SQL(", ").join(
            sql.SQL("round({}::numeric, 6)").format(sql.Identifier(column))
            if column in (doubles or ())
            else sql.Identifier(column)
            for column in stable
        )
        query = sql.SQL(
            "select count(*), coalesce(sum(hashtextextended(row({})::text, 0)::numeric), 0) from {}"
        )
        found[name] = owner.query(query.format(row, sql.Identifier(schema, table)))[0]
    owner.close()
    return found


def platform_tables(owner: Any) -> tuple[str, ...]:
    """Prefixes of Feast's online tables: its registry's own tables hold timestamps in blobs."""
    return tuple({f"{row[0]}_" for row in owner.query("select distinct project from ledger.attempt")})


def publications(platform: Platform, work: str) -> int:
    """How many publications a piece of work has made."""
    owner = platform.owner()
    count = owner.query("select count(*) from ledger.publication where work = %s", (work,))[0][0]
    owner.close()
    return int(count)


@contextmanager
def step_server(folder: Path) -> Iterator[str]:
    """A running step server with its libraries loaded; yields its socket."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "s.sock"
    log = (folder / "step-server.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.arranged", "--socket", str(path)], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while "all loaded" not in (folder / "step-server.log").read_text():
            assert process.poll() is None, (folder / "step-server.log").read_text()
            assert time.monotonic() < deadline, "the step server did not load its libraries"
            time.sleep(0.1)
        yield str(path)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


class Try:
    """One attempt at a request on a copy of its moment's database, as a real process.

    ``arranged`` names what of ``arranged.py`` happens in it.
    """

    def __init__(
        self, server: str, platform: Platform, env: dict[str, str], request: Request, *arranged: str
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=platform.folder))
        (self.folder / "request.json").write_text(request.model_dump_json())
        variables = step_env(environment(platform, env), ROLES[request.step])
        child = Forked.ask(server, request.step, self.folder, {**variables, VARIABLE: ",".join(arranged)})
        assert child is not None, "the step server does not answer"
        self._child = child
        self.lines: list[str] = []

    def signal(self, signum: signal.Signals) -> None:
        """Signal the step; one that has ended already is left alone."""
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, signum)

    def until_stopped(self) -> None:
        """Wait until the step stands still."""
        stat = Path(f"/proc/{self._child.pid}/stat")
        wait_until(
            lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "T",
            "the step did not stop",
        )
        assert stat.exists(), "the step ended before it would have stopped"

    def end(self) -> Result | None:
        """Wait for the end; the result it left, or None."""
        self._child.wait(self.lines.append)
        self._child.close()
        path = self.folder / "result.json"
        return Result.model_validate_json(path.read_bytes()) if path.exists() else None


def wait_until(condition: Callable[[], bool], otherwise: str, seconds: float = 180) -> None:
    """Look until something is so, and fail where it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.002)


class Gate:
    """An advisory lock that the checker holds, and whoever comes to it waits until it is opened."""

    def __init__(self, platform: Platform, name: str) -> None:
        self._owner, self._name = platform.owner(), name
        self._owner.query("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))

    def waiting(self) -> int:
        """How many wait at it. An advisory lock's number is split in two in ``pg_locks``."""
        ((count,),) = self._owner.query(
            """select count(*) from pg_locks where locktype = 'advisory' and not granted
               and database = (select oid from pg_database where datname = current_database())
               and (classid::bigint << 32) + objid::bigint = hashtextextended(%s, 0)""",
            (self._name,),
        )
        return int(count)

    def open(self) -> None:
        """Let everybody in."""
        self._owner.close()


def gate_behind_commit(platform: Platform) -> Gate:
    """Where every step waits that is about to close its attempt: what it publishes is committed by then."""
    platform.owner().query(
        """create function ledger.wait() returns trigger language plpgsql as $$ begin
               perform pg_advisory_xact_lock(hashtextextended('behind the commit', 0)); return new; end $$;
           create trigger wait before update on ledger.attempt for each row execute function ledger.wait()"""
    )
    return Gate(platform, "behind the commit")


def writers(platform: Platform, work: str) -> list[int]:
    """The attempts whose publications of a work there are, counted from the work's newest, which is 0."""
    owner = platform.owner()
    attempts = "select token from ledger.attempt where work = %s order by token desc"
    order = [token for (token,) in owner.query(attempts, (work,))]
    found = owner.query("select token from ledger.publication where work = %s", (work,))
    owner.close()
    return sorted(order.index(token) for (token,) in found)


def published_by(platform: Platform, work: str) -> list[int]:
    """Tokens of the attempts whose publications of a work there are."""
    owner = platform.owner()
    found = owner.query("select token from ledger.publication where work = %s order by 1", (work,))
    owner.close()
    return [token for (token,) in found]


def allow_second_records(platform: Platform) -> None:
    """Take the publications' key away, which refuses a second record of one work by itself: what holds
    then is the guard that is tried.
    """
    platform.owner().query("alter table ledger.publication drop constraint publication_pkey")
