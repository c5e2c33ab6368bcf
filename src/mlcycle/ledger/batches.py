"""Batches: every delivery of a partition that was published, stopped or held; and watermarks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from mlcycle.domain.partitions import Partition
from mlcycle.project import Project


@dataclass(frozen=True)
class Delivery:
    """One delivery of one partition as validation left it."""

    project: str
    table: str
    partition: str
    digest: str  # SHA-256 of the bytes the source handed over
    accepted: str  # SHA-256 of what may be published, empty where nothing may
    fetched: int  # token of the attempt that fetched it: higher is later
    rows: int = 0  # that may be published
    quarantined: int = 0
    duplicates: int = 0
    event_min: datetime | None = None
    event_max: datetime | None = None
    slots: int | None = None  # parts of the partition that hold events: domain.deliveries
    clashing: int = 0  # of the quarantined, second rows of a key
    repeated: int = 0  # of the rows, with the content of another key's


@dataclass(frozen=True)
class Current:
    """What a partition holds now."""

    digest: str
    accepted: str
    fetched: int

    def same(self, delivery: Delivery) -> bool:
        """Whether publishing the delivery would change nothing."""
        return (self.digest, self.accepted) == (delivery.digest, delivery.accepted)

    def newer(self, delivery: Delivery) -> bool:
        """Whether the partition already holds a later fetch than this delivery."""
        return self.fetched > delivery.fetched


@dataclass(frozen=True)
class BadRow:
    """One row that may not be published, as it came, with every reason found."""

    number: int  # 1 is the first row under the header
    reasons: list[str]
    data: dict[str, str | None]


def current(cursor: Cursor, project: str, table: str, partitions: Sequence[str]) -> dict[str, Current]:
    """What is published now, by partition."""
    cursor.execute(
        """select partition, digest, accepted, fetched from ledger.batch
           where project = %s and table_name = %s and current and partition = any(%s)""",
        (project, table, list(partitions)),
    )
    return {partition: Current(*rest) for partition, *rest in cursor.fetchall()}


def newest(cursor: Cursor, project: Project, table: str, *, by: datetime | None = None) -> Partition | None:
    """The newest published partition of a table that holds rows, or None.

    With ``by``, as it was at that moment: what has been replaced since counts too.
    """
    cursor.execute(
        """select max(partition) from ledger.batch
           where project = %(project)s and table_name = %(table)s and status = 'published' and rows > 0
             and case when %(by)s::timestamptz is null then current else published_at <= %(by)s end""",
        {"project": project.name, "table": table, "by": by},
    )
    (key,) = cursor.fetchone() or (None,)
    return Partition.parse(key, project.unit) if key else None


def rows(cursor: Cursor, project: str, table: str, first: Partition, last: Partition) -> dict[str, int]:
    """Published rows of each partition from first to last, by key; those without a batch are absent."""
    cursor.execute(
        """select partition, rows from ledger.batch
           where current and project = %s and table_name = %s and partition between %s and %s""",
        (project, table, first.key, last.key),
    )
    return {key: int(count) for key, count in cursor.fetchall()}


@dataclass(frozen=True)
class Shape:
    """What validation counted in a delivery: slots that hold events, the latest event, repetitions."""

    slots: int
    newest: datetime | None
    counted: tuple[int, int, int, int]  # rows as delivered; exact copies, second rows of a key, repeated


def shapes(cursor: Cursor, project: str, table: str, first: Partition, last: Partition) -> dict[str, Shape]:
    """Of each published partition from first to last, in order, where it was counted."""
    cursor.execute(
        """select partition, slots, event_max, rows + quarantined + duplicates, duplicates, clashing, repeated
           from ledger.batch
           where current and project = %s and table_name = %s and partition between %s and %s
             and slots is not null
           order by partition""",
        (project, table, first.key, last.key),
    )
    return {key: Shape(slots, newest, tuple(counted)) for key, slots, newest, *counted in cursor.fetchall()}


def lock(cursor: Cursor, delivery: Delivery, *, wait_for_disk: bool = True) -> Current | None:
    """Hold the partition until the transaction ends; what it holds now, or None.

    With ``wait_for_disk`` false the commit does not wait for the log to be flushed: for a
    transaction that another one, which does wait, follows. One round trip; the last statement must
    see what the lock's last holder committed.
    """
    name = f"batch:{delivery.project}/{delivery.table}/{delivery.partition}"
    cursor.execute(
        """select set_config('synchronous_commit', %s, true) where %s;
           select pg_advisory_xact_lock(hashtextextended(%s, 0));
           select digest, accepted, fetched from ledger.batch
           where project = %s and table_name = %s and partition = %s and current""",
        ("off", not wait_for_disk, name, delivery.project, delivery.table, delivery.partition),
    )
    row = cursor.fetchone()
    return Current(*row) if row else None


def publish(cursor: Cursor, delivery: Delivery, token: int, there: Current | None) -> int:
    """Make the delivery the current one, in place of what is ``there``.

    Returns its batch id, which also becomes the setting ``mlcycle.batch_id`` of this transaction:
    the raw table's ``_batch_id`` takes it as default.
    """
    if there is not None:
        cursor.execute(
            """update ledger.batch set current = false
               where project = %s and table_name = %s and partition = %s and current""",
            (delivery.project, delivery.table, delivery.partition),
        )
    cursor.execute(
        """with batch as (
               insert into ledger.batch (project, table_name, partition, status, current, digest, accepted,
                   fetched, rows, quarantined, duplicates, event_min, event_max, slots, clashing, repeated,
                   token)
               values (%(project)s, %(table)s, %(partition)s, 'published', true, %(digest)s, %(accepted)s,
                   %(fetched)s, %(rows)s, %(quarantined)s, %(duplicates)s, %(event_min)s, %(event_max)s,
                   %(slots)s, %(clashing)s, %(repeated)s, %(token)s)
               returning batch_id)
           select batch_id, set_config('mlcycle.batch_id', batch_id::text, true) from batch""",
        {**vars(delivery), "token": token},
    )
    (batch_id, _) = cursor.fetchone() or (0, "")
    return int(batch_id)


def advance(cursor: Cursor, project: str, table: str, end: datetime) -> None:
    """Move the table's watermark to the end of a partition, if that is forward.

    Its row is locked until the transaction ends: call it once, at the end of the work.
    """
    cursor.execute(
        """insert into ledger.watermark as w (project, stream, position) values (%s, %s, %s)
           on conflict (project, stream) do update set position = excluded.position, updated_at = now()
           where w.position < excluded.position""",
        (project, f"raw/{table}", end),
    )


def stop(cursor: Cursor, delivery: Delivery, status: str, reason: str, token: int) -> None:
    """Record a delivery that was stopped or held; what is published stays current."""
    cursor.execute(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, accepted,
               fetched, rows, quarantined, duplicates, event_min, event_max, reason, token)
           values (%(project)s, %(table)s, %(partition)s, %(status)s, false, %(digest)s, '', %(fetched)s,
               %(rows)s, %(quarantined)s, %(duplicates)s, %(event_min)s, %(event_max)s, %(reason)s,
               %(token)s)""",
        {**vars(delivery), "status": status, "reason": reason, "token": token},
    )


def quarantine(cursor: Cursor, delivery: Delivery, rows: Iterable[BadRow]) -> None:
    """Put a delivery's bad rows into ``raw.quarantine``, in place of those of an earlier try."""
    cursor.execute(
        """delete from raw.quarantine
           where project = %s and table_name = %s and partition = %s and digest = %s""",
        (delivery.project, delivery.table, delivery.partition, delivery.digest),
    )
    head = (delivery.project, delivery.table, delivery.partition, delivery.digest)
    values: list[tuple[Any, ...]] = [(*head, row.number, row.reasons, Json(row.data)) for row in rows]
    execute_values(
        cursor,
        """insert into raw.quarantine
           (project, table_name, partition, digest, row_number, reasons, data) values %s""",
        values,
        page_size=500,
    )


def published_keys(cursor: Cursor, work: str) -> dict[str, dict[str, Any]]:
    """Everything that attempts of this work have published, by key."""
    cursor.execute("select key, outputs from ledger.publication where work = %s", (work,))
    return {key: dict(outputs) for key, outputs in cursor.fetchall()}
