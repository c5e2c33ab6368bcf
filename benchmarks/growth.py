"""What years and hundreds of projects cost: an hour's cycle, a page of the console, memory.

    python -m benchmarks.growth [--hours 26280] [--projects 200] [--days 1095]

A throw-away warehouse takes an hourly project through ten days and a first champion, and runs some hours'
whole cycles, the steps one after the other in one process. Then the ledger gets what years leave: the same
project back to three years before, by the steps themselves, and two hundred daily projects beside it, by
SQL. The next hours' cycles are measured against the first.
"""

import argparse
import importlib
import math
import multiprocessing
import os
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
from benchmarks.common import environment, postgres, run
from benchmarks.made import years
from tests.conftest import Platform
from tests.reign import crown

from mlcycle.cycle import ALL_ROLES
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.ledger.migrate import migrate
from mlcycle.project import Project
from mlcycle.project.file import load

ROOT = Path(__file__).parent.parent
NAME, TABLES, ORIGINS = "hourly", ("weather", "coast", "inland"), ("EWR", "JFK", "LGA")
BEGIN = datetime(2023, 11, 1, tzinfo=UTC)  # of the ten days that are lived by the steps
LIVED = 240
STAGES = ("ingest", "features", "score", "monitor")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=int, default=26_280)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--days", type=int, default=1095)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {options.times} hours")
    with postgres() as (server, folder):
        world = World.make(Platform(server, "growth", _passwords(server), folder), options.hours)
        world.live()
        empty = world.measured(0, options.times)
        empty.tell("empty ledger")
        began = time.perf_counter()
        world.grow(options.hours)
        with psycopg2.connect(server.dsn("growth")) as connection, connection.cursor() as cursor:
            years.daily_projects(cursor, options.projects, options.days, BEGIN)
        connection.autocommit = True
        connection.cursor().execute("vacuum analyze")
        connection.close()
        print(
            f"grown in {time.perf_counter() - began:.0f} s: {options.hours} hours x {len(TABLES)} tables, "
            f"{options.projects} projects x {options.days} days"
        )
        grown = world.measured(options.times, options.times)
        grown.tell("after years")
        print(f"cycle: {grown.cycle / empty.cycle:.2f} x the empty ledger's (goal 1.2 x)")
        views = len(world.project.features)
        print(
            f"freshness: {1000 * grown.fresh / views:.0f} ms a view, the step around it included (goal 50 ms)"
        )
        print(f"scoring an hour reads {grown.read} rows, {empty.read} before; it has {len(ORIGINS)} entities")
        print(f"memory: {grown.memory:.0f} MiB at the most, {empty.memory:.0f} before (goal: flat)")
        _console(world, options.projects)


@dataclass(frozen=True)
class Measured:
    """Seconds of an hour's cycle and its stages (medians), rows read by scoring, MiB at the most."""

    cycle: float
    stages: dict[str, float]
    fresh: float
    read: int
    memory: float

    def tell(self, when: str) -> None:
        """One line."""
        parts = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in self.stages.items())
        print(f"{when}: an hour's cycle {self.cycle:.2f} s ({parts}); features again {self.fresh:.3f} s")


@dataclass(frozen=True)
class World:
    """The hourly project, its source and its warehouse."""

    platform: Platform
    project: Project

    @classmethod
    def make(cls, platform: Platform, hours: int) -> "World":
        """A project of three tables that starts so many hours before the lived ones."""
        document = load(ROOT / "projects" / "weather" / "project.yaml").document()
        tables = document["source"]["tables"]
        document["source"]["tables"] = dict.fromkeys(TABLES, tables["weather"])
        document["source"]["start"] = hour(-hours)
        document.update(name=NAME)
        return cls(platform, Project.model_validate(document))

    @property
    def env(self) -> dict[str, str]:
        """What starts steps."""
        return environment(self.platform.settings)

    def live(self) -> None:
        """Ten days by the steps, and a first champion."""
        self.deliver(0, LIVED + 30)
        self.run("ingest", 0, LIVED - 1)
        self.run("features", 0, LIVED - 1)
        crown(self.platform, self.project, hour(0), hour(LIVED - 1))
        self.run("score", 0, LIVED - 1)
        self.run("monitor", LIVED - 1, LIVED - 1)

    def grow(self, hours: int) -> None:
        """The years before: raw rows by SQL, all else by the steps, a year at a time."""
        with (
            psycopg2.connect(self.platform.server.dsn("growth")) as connection,
            connection.cursor() as cursor,
        ):
            for table in TABLES:
                cursor.execute(_HISTORY.format(table=f"{NAME}__{table}"), self._span(table, hours))
            cursor.execute("analyze")
        connection.close()
        for first in range(-hours, 0, 8760):
            last = min(first + 8760, 0) - 1
            self.run("features", first, last)
            self.run("score", first, last)
        self.run("monitor", LIVED, LIVED, only="labels")

    def deliver(self, first: int, last: int) -> None:
        """Write the source's files of these hours."""
        for table in TABLES:
            target = self.platform.folder / "source" / "weather" / table
            target.mkdir(parents=True, exist_ok=True)
            for number in range(first, last):
                (target / f"{hour(number)}.csv").write_text(_csv(self.project, number))

    def run(self, stage: str, first: int, last: int, only: str | None = None) -> None:
        """A stage for a range of hours; raises where a step fails, but for what passes when tried again."""
        run(self.project, stage, self.env, hour(first), hour(last), only=only)

    def measured(self, after: int, times: int) -> Measured:
        """The next hours' cycles, in a process of its own: its memory is theirs."""
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_measure, self, LIVED + after, times).result()

    def _span(self, table: str, hours: int) -> dict[str, Any]:
        return {
            "project": NAME,
            "table": table,
            "begin": BEGIN - timedelta(hours=hours),
            "end": BEGIN - timedelta(hours=1),
            "origins": list(ORIGINS),
        }


_HISTORY = """
with batch as (
    insert into ledger.batch (project, table_name, partition, status, current, digest, accepted, rows, token,
        event_min, event_max, published_at)
    select %(project)s, %(table)s, to_char(at, 'YYYY-MM-DD"T"HH24'), 'published', true, md5(at::text),
           md5(at::text), 3, 0, at, at, at + interval '1 hour'
    from generate_series(%(begin)s::timestamptz, %(end)s::timestamptz, interval '1 hour') at
    returning batch_id, event_min)
insert into raw."{table}" (origin, observed, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip,
    pressure, visib, _batch_id)
select origin, event_min, 50 + 20 * sin(extract(epoch from event_min) / 13751) + ascii(origin) %% 7,
       40 + 15 * sin(extract(epoch from event_min) / 13751), 60 + ascii(origin) %% 9,
       (extract(epoch from event_min)::bigint / 3600 * 37) %% 360, 10, 15, 0, 1013, 10, batch_id
from batch, unnest(%(origins)s::text[]) origin
"""


def hour(number: int) -> str:
    """Key of an hour, counted from the first lived one."""
    return Partition.containing(BEGIN + timedelta(hours=number), Unit.HOUR).key


def _csv(project: Project, number: int) -> str:
    """A delivery: an observation of each airport, seeded by its hour."""
    moment = BEGIN + timedelta(hours=number)
    seconds = moment.timestamp()
    columns = list(project.source.tables["weather"].columns)
    lines = [",".join(columns)]
    for place, origin in enumerate(ORIGINS):
        wave = math.sin(seconds / 13751)
        values = {
            "origin": origin,
            "observed": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "temp": round(50 + 20 * wave + place, 2),
            "dewp": round(40 + 15 * wave, 2),
            "humid": 60 + (number * 7 + place) % 20,
            "wind_dir": number * 37 % 360,
            "wind_speed": 10 + number % 5,
            "wind_gust": 15,
            "precip": 0,
            "pressure": 1013,
            "visib": 10,
        }
        lines.append(",".join(str(values[name]) for name in columns))
    return "\n".join(lines) + "\n"


def _measure(world: World, first: int, times: int) -> Measured:
    cycles: list[dict[str, float]] = []
    read = 0
    for number in range(first - 1, first + times):  # the first one imports the libraries
        taken = {}
        for stage in STAGES:
            before = _rows_read(world) if stage == "score" else 0
            began = time.perf_counter()
            world.run(stage, number, number)
            taken[stage] = time.perf_counter() - began
            if stage == "score":
                read = _rows_read(world) - before
        cycles.append(taken)
    again = []
    for _ in range(3):
        began = time.perf_counter()
        world.run("features", first, first, only="features")
        again.append(time.perf_counter() - began)
    stages = {stage: statistics.median(taken[stage] for taken in cycles[1:]) for stage in STAGES}
    cycle = statistics.median(sum(taken.values()) for taken in cycles[1:])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(cycle, stages, statistics.median(again), read, memory)


def _rows_read(world: World) -> int:
    """Rows that statements have taken from the project's own tables so far."""
    with psycopg2.connect(world.platform.server.dsn("growth")) as connection, connection.cursor() as cursor:
        time.sleep(1.1)  # statistics reach the server's memory once a second at the most
        cursor.execute(
            """select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) from pg_stat_user_tables
               where schemaname in ('raw', 'features') and relname like %s""",
            (f"{NAME}%",),
        )
        (rows,) = cursor.fetchone() or (0,)
    connection.close()
    return int(rows)


def _console(world: World, projects: int) -> None:
    """The console's pages, warm: medians of ten."""
    importlib.import_module("tests.airflow_env")  # Airflow's settings, before it is imported
    from airflow.api_fastapi.core_api.security import get_user
    from starlette.testclient import TestClient

    from mlcycle.console.app import app

    folder = world.platform.folder / "projects"
    years.project_files(folder, ROOT / "projects" / "flights", projects)
    dsn = world.platform.settings("serve").warehouse_dsn.get_secret_value()
    os.environ.update(
        MLCYCLE_PROJECTS=str(folder), MLCYCLE_DSN_SERVE=dsn, MLCYCLE_ARTIFACTS_URL="file:///none"
    )
    app.dependency_overrides[get_user] = lambda: None
    client = TestClient(app)
    while "still being read" in client.get("/").text:
        time.sleep(0.5)
    for path in ("/", f"/projects/{years.name(1)}", f"/projects/{NAME}"):
        taken = []
        for _ in range(10):
            began = time.perf_counter()
            assert client.get(path).status_code == 200
            taken.append(time.perf_counter() - began)
        print(f"console {path}: {1000 * statistics.median(taken):.0f} ms (goal 300 ms)")


def _passwords(server: Any) -> dict[str, str]:
    passwords = dict.fromkeys(ALL_ROLES, "benchmark")
    server.create_database("growth")
    migrate(server.dsn("growth"), passwords)
    return passwords


if __name__ == "__main__":
    main()
