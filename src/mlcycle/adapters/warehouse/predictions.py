"""Predictions in the warehouse: appended with who made them, when and why; read as they were in force.

Scoring a partition is one row of ``serving.scoring`` (model version, champion, run, time, reason) and
its predictions in ``serving.prediction_log``; nothing of either is ever changed but which scoring of
a partition is current, and housekeeping alone takes away what is old. ``serving.prediction`` shows the
current ones.

**In force** is the first prediction that was served for a row: it was made before the row's label
became known wherever the platform ran in time, and what people acted on. A later scoring, with
corrected features or by a newer champion, may already have learnt from the row, and nobody acted on it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.arrow import read_table
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.ledger import partitioning

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scorer:
    """Who predicts: a champion by its number in the history and its version, in an attempt at a work."""

    seq: int
    version: int
    work: str
    token: int


def serve(
    cursor: Cursor, project: str, partition: Partition, rows: "pa.Table", predictions: Array, scorer: Scorer
) -> str:
    """Append a partition's predictions and make them current; returns why, empty where nothing changed.

    The reason is ``live`` (the first scoring, and no later partition was scored yet), ``backfill`` (the
    first scoring of an older one), ``champion`` (by another version), ``corrected`` (the same version
    says something else: its inputs or rows changed) or ``emptied`` (no row is left). Holds the
    partition until the transaction ends, so that of two writers the second sees what the first wrote.

    Args:
        cursor: of the publication.
        project: its name.
        partition: what was scored.
        rows: ``entity_key`` and ``event_time``, by event time, then key; none where it is empty now.
        predictions: (rows,).
        scorer: who predicted.
    """
    cursor.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"predictions:{project}/{partition.key}",)
    )
    cursor.execute(
        """select scoring_id, version, rows from serving.scoring
           where project = %s and partition = %s and current""",
        (project, partition.key),
    )
    before = cursor.fetchone()
    table = _table(rows, predictions)
    if before is None and not table.num_rows:
        return ""
    if before is not None and before[2] == table.num_rows:
        unchanged = not table.num_rows or before[1] == scorer.version
        if unchanged and _read(cursor, project, partition, before[0]).equals(table):
            return ""
    reason = _reason(cursor, project, partition, before, table.num_rows, scorer)
    cursor.execute(
        """update serving.scoring set current = false
           where project = %s and partition = %s and current""",
        (project, partition.key),
    )
    cursor.execute(
        """insert into serving.scoring
               (project, partition, starts, ends, champion_seq, version, reason, rows, work, token)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning scoring_id""",
        (
            *(project, partition.key, partition.start, partition.end, scorer.seq, scorer.version),
            *(reason, table.num_rows, scorer.work, scorer.token),
        ),
    )
    (number,) = cursor.fetchone() or (0,)
    if table.num_rows:
        partitioning.ensure(cursor, "serving.prediction_log", partition.start, partition.end)
        _copy(cursor, project, number, table)
    return reason


def _reason(
    cursor: Cursor, project: str, partition: Partition, before: Any, rows: int, scorer: Scorer
) -> str:
    if not rows:
        return "emptied"
    if before is not None:
        return "corrected" if before[1] == scorer.version else "champion"
    cursor.execute(
        "select exists (select from serving.scoring where project = %s and partition > %s)",
        (project, partition.key),
    )
    return "backfill" if cursor.fetchone() == (True,) else "live"


def _table(rows: "pa.Table", predictions: Array) -> "pa.Table":
    import pyarrow as pa

    return pa.table(
        {
            "event_time": rows["event_time"].cast(pa.timestamp("us", tz="UTC")),
            "entity_key": rows["entity_key"].cast(pa.string()),
            "prediction": pa.array(predictions, pa.float64()),
        }
    )


def _read(cursor: Cursor, project: str, partition: Partition, scoring: int) -> "pa.Table":
    """A scoring's predictions, in the order in which rows come to be scored."""
    import pyarrow as pa

    schema = pa.schema(
        [
            ("event_time", pa.timestamp("us", tz="UTC")),
            ("entity_key", pa.string()),
            ("prediction", pa.float64()),
        ]
    )
    query = sql.SQL(
        """select event_time, entity_key, prediction from serving.prediction_log
           where project = %(project)s and event_time >= %(start)s and event_time < %(end)s
             and scoring_id = %(scoring)s order by event_time, entity_key collate "C" """
    )
    params = {"project": project, "start": partition.start, "end": partition.end, "scoring": scoring}
    return read_table(cursor, query, params, schema)


def _copy(cursor: Cursor, project: str, scoring: int, table: "pa.Table") -> None:
    import pyarrow as pa
    from pyarrow import csv

    count = table.num_rows
    table = table.append_column("project", pa.array([project] * count, pa.string()))
    table = table.append_column("scoring_id", pa.array(np.full(count, scoring), pa.int64()))
    buffer = io.BytesIO()
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    columns = ", ".join(table.column_names)
    cursor.copy_expert(f"copy serving.prediction_log ({columns}) from stdin (format csv)", buffer)


def filled(cursor: Cursor, project: str, partitions: list[str]) -> list[str]:
    """Those of the partitions that have current predictions, in order."""
    cursor.execute(
        """select partition from serving.scoring
           where project = %s and partition = any(%s) and current and rows > 0 order by partition""",
        (project, partitions),
    )
    return [key for (key,) in cursor.fetchall()]


def first_in_force(cursor: Cursor, project: str, version: int, unit: Unit) -> Partition | None:
    """The first partition whose rows a version was the first to predict, or None."""
    cursor.execute(
        """select s.partition from serving.scoring s
           where s.project = %(project)s and s.version = %(version)s and s.rows > 0 and not exists (
               select from serving.scoring e where e.project = s.project and e.partition = s.partition
                 and e.rows > 0 and e.scoring_id < s.scoring_id)
           order by s.partition limit 1""",
        {"project": project, "version": version},
    )
    (key,) = cursor.fetchone() or (None,)
    return Partition.parse(key, unit) if key else None


@dataclass(frozen=True)
class Scored:
    """Predictions in force in a window, ordered by event time; ``labels`` is NaN where none is known."""

    predictions: Array
    labels: Array
    versions: NDArray[np.int64]  # that made them
    times: Array  # of the events, in seconds since 1970

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return np.isfinite(self.labels)

    def only(self, rows: NDArray[np.bool_]) -> "Scored":
        """These rows of it."""
        return Scored(self.predictions[rows], self.labels[rows], self.versions[rows], self.times[rows])

    def unlearnt(self, learnt_until: Mapping[int, datetime]) -> NDArray[np.bool_]:
        """Which rows lie after what their own model was trained on; ``learnt_until`` by version."""
        ends = {version: moment.timestamp() for version, moment in learnt_until.items()}
        limits = np.array([ends.get(int(version), -np.inf) for version in self.versions], dtype=float)
        found: NDArray[np.bool_] = self.times >= limits
        return found


def scored(
    cursor: Cursor,
    project: str,
    first: Partition,
    last: Partition,
    *,
    as_of: datetime,
    made_until: datetime | None = None,
    version: int | None = None,
) -> Scored:
    """Predictions in force from one partition to another, with the labels known at ``as_of``.

    Args:
        cursor: reads.
        project: its name.
        first: first partition of the window.
        last: last partition of the window.
        as_of: data's own time; a row whose label became known later is there, without it.
        made_until: predictions made later, by the clock, are not seen; None sees all.
        version: keeps the rows that this model version was the first to predict.
    """
    # The newest days are beyond what the server's statistics know: it expects no row there, and would look
    # through all labels for each prediction. Sorting or hashing both sides is right whatever their size.
    cursor.execute("set local enable_nestloop = off")
    cursor.execute(
        """select served.prediction, l.label, served.version, extract(epoch from served.event_time)
           from (select distinct on (p.event_time, p.entity_key)
                        p.event_time, p.entity_key, p.prediction, s.version
                 from serving.prediction_log p
                 join serving.scoring s on s.project = p.project and s.scoring_id = p.scoring_id
                 where p.project = %(project)s and p.event_time >= %(start)s and p.event_time < %(end)s
                   and s.partition between %(first)s and %(last)s
                   and (%(made_until)s::timestamptz is null or s.scored_at <= %(made_until)s)
                 order by p.event_time, p.entity_key, p.scoring_id) served
           left join serving.label l
             on l.project = %(project)s and l.event_time = served.event_time
                and l.entity_key = served.entity_key and l.known_at <= %(as_of)s
                and l.event_time >= %(start)s and l.event_time < %(end)s
           where %(version)s::integer is null or served.version = %(version)s
           order by served.event_time, served.entity_key""",
        {
            "project": project,
            "start": first.start,
            "end": last.end,
            "first": first.key,
            "last": last.key,
            "version": version,
            "as_of": as_of,
            "made_until": made_until,
        },
    )
    rows = np.asarray(cursor.fetchall(), dtype=float).reshape(-1, 4)
    cursor.execute("set local enable_nestloop to default")
    return Scored(rows[:, 0], rows[:, 1], rows[:, 2].astype(np.int64), rows[:, 3])
