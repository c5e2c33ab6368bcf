"""Predictions and labels in the warehouse: written a partition at a time, read for a window."""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.datasets.point_in_time import entity_key_sql
from mlcycle.adapters.warehouse.connection import raw_table
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError
from mlcycle.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]


def clear(cursor: Cursor, project: str, partition: str) -> int:
    """Remove a partition's predictions; returns how many there were.

    Holds the partition until the transaction ends, so that two writers come one after the other.
    """
    _hold(cursor, f"predictions:{project}/{partition}")
    cursor.execute(
        "delete from serving.prediction where project = %s and partition = %s", (project, partition)
    )
    return cursor.rowcount


def append(
    cursor: Cursor, project: str, rows: "pa.Table", predictions: Array, *, seq: int, version: int
) -> None:
    """COPY predictions of rows (``partition``, ``entity_key``, ``event_time``) of a champion."""
    import pyarrow as pa
    from pyarrow import csv

    count = rows.num_rows
    table = pa.table(
        {
            "project": pa.array([project] * count, pa.string()),
            "partition": rows["partition"],
            "entity_key": rows["entity_key"],
            "event_time": rows["event_time"].cast(pa.timestamp("us", tz="UTC")),
            "champion_seq": pa.array(np.full(count, seq), pa.int32()),
            "version": pa.array(np.full(count, version), pa.int32()),
            "prediction": pa.array(predictions, pa.float64()),
        }
    )
    buffer = io.BytesIO()
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    columns = ", ".join(table.column_names)
    cursor.copy_expert(f"copy serving.prediction ({columns}) from stdin (format csv)", buffer)


@dataclass(frozen=True)
class Scored:
    """Predictions of a window, ordered by event time; ``labels`` is NaN where none is known."""

    predictions: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return np.isfinite(self.labels)


def scored(
    cursor: Cursor,
    project: str,
    first: Partition,
    last: Partition,
    *,
    as_of: datetime,
    version: int | None = None,
) -> Scored:
    """Predictions from one partition to another, with the labels known at ``as_of``.

    ``version`` keeps one model version's predictions alone.
    """
    cursor.execute(
        """select p.prediction, l.label
           from serving.prediction p
           left join serving.label l using (project, partition, entity_key, event_time)
           where p.project = %(project)s and p.partition between %(first)s and %(last)s
             and (%(version)s::integer is null or p.version = %(version)s)
             and (l.known_at is null or l.known_at <= %(as_of)s)
           order by p.partition, p.event_time, p.entity_key""",
        {"project": project, "first": first.key, "last": last.key, "version": version, "as_of": as_of},
    )
    rows = np.asarray(cursor.fetchall(), dtype=float).reshape(-1, 2)
    return Scored(rows[:, 0], rows[:, 1])


def replace_labels(cursor: Cursor, project: Project, partition: Partition) -> tuple[int, int]:
    """Replace a partition's labels by what the label table says now.

    Returns the rows labelled and the rows of the entity table without a label.
    """
    _hold(cursor, f"labels:{project.name}/{partition.key}")
    cursor.execute(
        "delete from serving.label where project = %s and partition = %s", (project.name, partition.key)
    )
    entity, label = project.entity_table, project.label
    table = project.source.tables[label.table]
    event, moment = sql.Identifier("e", entity.event_time), sql.Identifier("l", table.event_time)
    keys = [sql.SQL("l.{0} = e.{0}").format(sql.Identifier(name)) for name in _shared_key(project)]
    params: dict[str, Any] = {
        "project": project.name,
        "partition": partition.key,
        "start": partition.start,
        "end": partition.end,
        "ahead": label.ahead,
        "known_at": partition.end + label.delay + label.ahead,
    }
    cursor.execute(
        sql.SQL(
            """insert into serving.label (project, partition, entity_key, event_time, label, known_at)
               select %(project)s, %(partition)s, key, event_time, label, %(known_at)s
               from (select {key} as key, {event} as event_time, {value} as label
                     from {entity} e join {labels} l on {match} and {moment} = {event} + %(ahead)s
                     where {event} >= %(start)s and {event} < %(end)s
                       and {moment} >= %(start)s + %(ahead)s and {moment} < %(end)s + %(ahead)s) found
               where label is not null and label <> 'NaN'"""
        ).format(
            key=entity_key_sql(project, "e"),
            event=event,
            moment=moment,
            value=_label_value(project),
            entity=raw_table(project.name, project.entity.table),
            labels=raw_table(project.name, label.table),
            match=sql.SQL(" and ").join(keys),
        ),
        params,
    )
    labelled = cursor.rowcount
    cursor.execute(
        sql.SQL("select count(*) from {} e where {event} >= %(start)s and {event} < %(end)s").format(
            raw_table(project.name, project.entity.table), event=event
        ),
        params,
    )
    (rows,) = cursor.fetchone() or (0,)
    return labelled, int(rows) - labelled


def _hold(cursor: Cursor, name: str) -> None:
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def _shared_key(project: Project) -> list[str]:
    """The entity's key columns, all of which the label table has. Raises ConfigError."""
    columns = project.source.tables[project.label.table].columns
    if missing := [name for name in project.entity_table.key if name not in columns]:
        raise ConfigError(
            f"label.table {project.label.table!r} lacks {', '.join(missing)}: labels are joined on the key "
            f"of {project.entity.table!r}"
        )
    return project.entity_table.key


def _label_value(project: Project) -> sql.Composable:
    """The label as a double: NaN stays NaN, so that a threshold does not make a class of it."""
    label = project.label
    kind = project.source.tables[label.table].columns[label.column]
    if kind in ("text", "timestamp"):
        raise ConfigError(f"label.column {label.column!r} is {kind}: a label is a number or a boolean")
    cast = "::int::double precision" if kind == "boolean" else "::double precision"
    value = sql.SQL("l.{}" + cast).format(sql.Identifier(label.column))
    if label.at_least is None:
        return value
    return sql.SQL("case when {0} = 'NaN' then null else ({0} >= {1})::int::double precision end").format(
        value, sql.Literal(label.at_least)
    )
