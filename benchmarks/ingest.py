"""Ingest of the flights of 2013 (336,688 in 365 day partitions), against its peers in the same run.

Ours: extract and publish, each day its own transaction with ledger, quarantine and watermark.
Peers: one plain COPY of the same bytes into the same table shape in one transaction, and pandas
``to_sql``. Validation has no peer and is told apart. Run: ``python -m benchmarks.ingest``.

A day costs more than its share of one COPY: without an index, 365 statements took PostgreSQL 0.7 s
of processor time and one statement 0.35 s; statements of 5,000 rows or more cost little extra. The
likely reason is what COPY sets up anew for each statement's first thousand buffered rows. Publish uses
two connections: with two idle cores the days run side by side, on a busy machine they cannot.
"""

import argparse
import io
import os
import platform
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg2
from benchmarks.common import postgres, warehouse

from mlcycle.contract import PartitionRange, Request, Result
from mlcycle.demo import world_data
from mlcycle.local.postgres import Postgres
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.settings import Settings
from mlcycle.steps.runtime import run_step

ROOT = Path(__file__).parent.parent
GOAL = 1.2
SHAPE = """carrier text, flight bigint, tailnum text, origin text, dest text, sched_dep timestamptz,
    sched_hour bigint, sched_minute_of_day bigint, sched_arr_minute_of_day bigint, weekday bigint,
    distance double precision, _batch_id bigint not null default 1,
    primary key (sched_dep, carrier, flight, origin)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of ours and of COPY, medians shown")
    parser.add_argument("--skip-pandas", action="store_true")
    options = parser.parse_args()
    project = load(ROOT / "projects" / "flights" / "project.yaml")
    keys = world_data.partitions("flights", "flights")
    with postgres() as (server, folder):
        source = folder / "source" / "flights" / "flights"
        source.mkdir(parents=True)
        for key in keys:
            (source / f"{key}.csv").write_bytes(world_data.day_file("flights", "flights", key) or b"")
        seconds: dict[str, list[float]] = {}
        for number in range(options.rounds):
            settings = warehouse(server, folder, f"bench{number}")["ingest"]
            for what, took in _ours(project, settings, keys).items():
                seconds.setdefault(what, []).append(took)
            seconds.setdefault("copy", []).append(_copy(server, keys))
        if not options.skip_pandas:
            seconds["to_sql"] = [_to_sql(server, keys)]
    _tell({what: statistics.median(took) for what, took in seconds.items()})


def _tell(median: dict[str, float]) -> None:
    ours = median["extract"] + median["publish"]
    rows = [
        ("extract", median["extract"]),
        ("publish (365 transactions, ledger)", median["publish"]),
        ("extract + publish", ours),
        ("publish again, nothing changed", median["again"]),
        ("validate", median["validate"]),
        ("one plain COPY", median["copy"]),
    ]
    rows += [("pandas to_sql", median["to_sql"])] if "to_sql" in median else []
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'':36}{'seconds':>9}{'x COPY':>9}")
    for name, took in rows:
        print(f"{name:36}{took:9.2f}{took / median['copy']:9.2f}")
    verdict = "met" if ours <= GOAL * median["copy"] else "NOT met"
    print(f"goal: extract + publish at most {GOAL} x COPY: {verdict}")


def _ours(project: Project, settings: Settings, keys: list[str]) -> dict[str, float]:
    done: dict[str, Result] = {}
    took: dict[str, float] = {}
    for what, step in (
        ("extract", "extract"),
        ("validate", "validate"),
        ("publish", "publish"),
        ("again", "publish"),
    ):
        request = Request(
            step=step,
            work=uuid.uuid4().hex,
            project=project.document(),
            partitions=PartitionRange(first=keys[0], last=keys[-2]),  # the last one is a fragment of 2014
            params={"table": "flights"},
            inputs={before: [result.handover] for before, result in done.items()},
        )
        clock = time.perf_counter()
        result = run_step(request, settings)
        took[what] = time.perf_counter() - clock
        assert result.exit_code == 0, result.message
        done[step] = result
    return took


def _copy(server: Postgres, keys: list[str]) -> float:
    parts = [world_data.day_file("flights", "flights", key) or b"" for key in keys[:-1]]
    header = parts[0].split(b"\n", 1)[0] + b"\n"
    data = io.BytesIO(header + b"".join(part[len(header) :] for part in parts))

    def load_all(cursor: psycopg2.extensions.cursor) -> None:
        columns = header.decode().strip()
        cursor.copy_expert(f"copy peer ({columns}) from stdin (format csv, header match)", data, 1 << 20)

    return _in_table(server, load_all)


def _to_sql(server: Postgres, keys: list[str]) -> float:
    import pandas as pd
    import sqlalchemy

    parts = [world_data.day_file("flights", "flights", key) or b"" for key in keys[:-1]]
    frame = pd.concat([pd.read_csv(io.BytesIO(part), parse_dates=["sched_dep"]) for part in parts])
    engine = sqlalchemy.create_engine(
        server.dsn("postgres").replace("postgresql://", "postgresql+psycopg2://")
    )

    def load_all(_: psycopg2.extensions.cursor) -> None:
        frame.to_sql("peer", engine, if_exists="append", index=False, chunksize=10_000)

    return _in_table(server, load_all)


def _in_table(server: Postgres, load_all: Callable[[psycopg2.extensions.cursor], None]) -> float:
    """Seconds to fill an empty table of the raw table's shape, its creation and the commit included."""
    connection = psycopg2.connect(server.dsn("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists peer")
        cursor.execute("checkpoint")
        clock = time.perf_counter()
        cursor.execute(f"create table peer ({SHAPE})")
        load_all(cursor)
        took = time.perf_counter() - clock
    connection.close()
    return took


if __name__ == "__main__":
    main()
