"""Raw tables filled without the ingest steps: the same shape, the same ledger rows, real data."""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import SQL_TYPES, Warehouse, raw_table
from mlcycle.contract import PartitionRange, Request
from mlcycle.demo.world_data import day_file
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project
from mlcycle.project.file import load

FLIGHTS = load(Path(__file__).parent.parent / "projects" / "flights" / "project.yaml")


def short_flights() -> dict[str, Any]:
    """The project file of the flights with two of its feature views, which are computed in a moment."""
    document = FLIGHTS.document()
    document["features"] = {name: document["features"][name] for name in ("carrier_recent", "carrier_hour")}
    document["inputs"] = {
        "categorical": ["carrier", "origin", "dest"],
        "numeric": ["sched_hour", "distance", "carrier_late_7d", "carrier_hour_late_28d"],
    }
    return document


def days(project: Project, first: str, last: str) -> list[Partition]:
    """The partitions from first to last."""
    return list(Partition.parse(first, project.unit).to(Partition.parse(last, project.unit)))


def request(step: str, project: Project, first: str, last: str = "", **fields: object) -> Request:
    """A request of a step for a range of partitions."""
    last = last or first
    values = {
        "step": step,
        "work": f"test:{step}:{first}:{last}",
        "project": project.document(),
        "partitions": PartitionRange(first=first, last=last),
        **fields,
    }
    return Request.model_validate(values)


def deliver(ingest: Warehouse, project: Project, first: str, last: str) -> None:
    """What a run of ingest for these partitions publishes, a lagged table's earlier ones included."""
    with ingest.transaction() as cursor:
        for name, table in project.source.tables.items():
            _create(cursor, project, name)
            wanted = [p.shift(-table.lag) for p in days(project, first, last)]
            files = {p: day_file(project.name, name, p.key) for p in wanted}
            publish(cursor, project, name, {p: data for p, data in files.items() if data})
    ingest.connection.autocommit = True
    with ingest.connection.cursor() as cursor:
        for name in project.source.tables:
            cursor.execute(sql.SQL("analyze {}").format(raw_table(project.name, name)))
    ingest.connection.autocommit = False


def publish(cursor: Cursor, project: Project, table: str, files: dict[Partition, bytes]) -> None:
    """Replace partitions of a raw table by CSV files with a header."""
    target, moment = raw_table(project.name, table), project.source.tables[table].event_time
    columns = list(project.source.tables[table].columns)
    parts = []
    for partition, data in files.items():
        header, *rows = data.decode().splitlines()
        assert header.split(",") == columns
        cursor.execute(
            "update ledger.batch set current = false where project = %s and table_name = %s and partition = %s",
            (project.name, table, partition.key),
        )
        cursor.execute(
            """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
               values (%s, %s, %s, 'published', true, %s, %s, 0) returning batch_id""",
            (project.name, table, partition.key, hashlib.sha256(data).hexdigest(), len(rows)),
        )
        (batch,) = cursor.fetchone() or (0,)
        parts += [f"{row},{batch}\n" for row in rows]
        cursor.execute(
            sql.SQL("delete from {0} where {1} >= %s and {1} < %s").format(target, sql.Identifier(moment)),
            (partition.start, partition.end),
        )
    names = sql.SQL(", ").join(map(sql.Identifier, [*columns, "_batch_id"]))
    cursor.copy_expert(
        sql.SQL("copy {} ({}) from stdin (format csv)").format(target, names).as_string(cursor),
        io.StringIO("".join(parts)),
    )


def replace(ingest: Warehouse, project: Project, table: str, files: Iterable[tuple[str, bytes]]) -> None:
    """A partition delivered again, or by hand: key and CSV."""
    with ingest.transaction() as cursor:
        _create(cursor, project, table)
        parsed = {Partition.parse(key, project.unit): data for key, data in files}
        publish(cursor, project, table, parsed)


def _create(cursor: Cursor, project: Project, name: str) -> None:
    table, spec = raw_table(project.name, name), project.source.tables[name]
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(SQL_TYPES[kind]))
        for column, kind in spec.columns.items()
    ]
    cursor.execute(
        sql.SQL("create table if not exists {} ({}, _batch_id bigint not null)").format(
            table, sql.SQL(", ").join(columns)
        )
    )
    index = sql.Identifier(f"{project.name}__{name}_time")
    cursor.execute(
        sql.SQL("create index if not exists {} on {} ({})").format(
            index, table, sql.Identifier(spec.event_time)
        )
    )
