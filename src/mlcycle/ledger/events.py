"""The queue of events: put once each, read by partition, told how far they were landed, removed at last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain.partitions import Partition

BATCH = 1000  # events that one transaction of housekeeping removes
_DONE = "p.landed > 0 and p.landed >= p.newest and p.put_at < %(before)s"


@dataclass(frozen=True)
class Event:
    """One event that may be put."""

    key: bytes  # 32 bytes; another event of the same key is a repeat
    time: datetime
    partition: str
    payload: str  # JSON object: delivered name -> text or null


@dataclass(frozen=True)
class Closed:
    """Nothing was put: these partitions take no more events."""

    partitions: list[str]


@dataclass(frozen=True)
class Standing:
    """How a table's queue stands."""

    table: str
    partitions: int
    waiting: int  # partitions with events that are not published
    removed: int
    events: int  # in the queue


def put(cursor: Cursor, project: str, table: str, events: Sequence[Event]) -> int | Closed:
    """Put events; how many of them are new.

    All of them or, where one is of a partition that was removed, none. Others that put into the same table
    wait until the transaction ends: offsets then become visible in their order.
    """
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"events:{project}/{table}",))
    keys = sorted({event.partition for event in events})
    execute_values(
        cursor,
        """insert into ledger.event_partition (project, table_name, partition) values %s
           on conflict do nothing""",
        [(project, table, key) for key in keys],
    )
    # Held against housekeeping, which may be about to remove them.
    cursor.execute(
        """select partition, removed_at is not null from ledger.event_partition
           where project = %s and table_name = %s and partition = any(%s) order by partition for update""",
        (project, table, keys),
    )
    if closed := [key for key, removed in cursor.fetchall() if removed]:
        return Closed(closed)
    new: list[tuple[str, int]] = execute_values(
        cursor,
        """insert into raw.event (project, table_name, partition, event_key, event_time, payload) values %s
           on conflict (project, table_name, event_key) do nothing returning partition, event_offset""",
        [(project, table, each.partition, each.key, each.time, each.payload) for each in events],
        page_size=1000,
        fetch=True,
    )
    newest: dict[str, int] = {}
    for key, offset in new:
        newest[key] = max(offset, newest.get(key, 0))
    for key, offset in sorted(newest.items()):
        cursor.execute(
            """update ledger.event_partition set newest = %s, put_at = now()
               where project = %s and table_name = %s and partition = %s""",
            (offset, project, table, key),
        )
    return len(new)


def removed(cursor: Cursor, project: str, table: str, partition: str) -> bool:
    """Whether a partition's events were removed once they had landed."""
    cursor.execute(
        """select removed_at is not null from ledger.event_partition
           where project = %s and table_name = %s and partition = %s""",
        (project, table, partition),
    )
    return cursor.fetchone() == (True,)


def unseen(cursor: Cursor, project: str, table: str, first: Partition, end: Partition) -> list[str]:
    """Partitions in ``[first, end)`` with events that came after the checks last saw them, in order."""
    cursor.execute(
        """select partition from ledger.event_partition
           where project = %s and table_name = %s and partition >= %s and partition < %s
             and newest > seen and removed_at is null
           order by partition""",
        (project, table, first.key, end.key),
    )
    return [key for (key,) in cursor.fetchall()]


def note_seen(cursor: Cursor, project: str, table: str, partition: str, offset: int) -> None:
    """Note that the checks stopped a partition whose last event has this offset: until more come, it is a
    person's matter.
    """
    cursor.execute(
        """update ledger.event_partition set seen = greatest(seen, %s)
           where project = %s and table_name = %s and partition = %s""",
        (offset, project, table, partition),
    )


def note_landed(cursor: Cursor, project: str, table: str, partition: str, offset: int) -> None:
    """Note, in the transaction that publishes a partition, that its events up to an offset are in it."""
    cursor.execute(
        """update ledger.event_partition
           set seen = greatest(seen, %(offset)s), landed = greatest(landed, %(offset)s)
           where project = %(project)s and table_name = %(table)s and partition = %(partition)s""",
        {"offset": offset, "project": project, "table": table, "partition": partition},
    )


def standings(cursor: Cursor, project: str) -> list[Standing]:
    """How the queue of each table stands, those that nobody ever put into left out."""
    cursor.execute(
        """select table_name, count(*), count(*) filter (where newest > landed),
                  count(*) filter (where removed_at is not null),
                  (select count(*) from raw.event e
                   where e.project = p.project and e.table_name = p.table_name)
           from ledger.event_partition p where project = %s
           group by project, table_name order by table_name""",
        (project,),
    )
    return [Standing(*row) for row in cursor.fetchall()]


def count_landed(cursor: Cursor, before: datetime) -> int:
    """Events that ``delete_landed`` takes away."""
    cursor.execute(
        f"""select count(*) from raw.event e join ledger.event_partition p
               using (project, table_name, partition)
           where p.removed_at is not null or ({_DONE})""",
        {"before": before},
    )
    (number,) = cursor.fetchone() or (0,)
    return int(number)


def delete_landed(cursor: Cursor, before: datetime) -> int:
    """Close the partitions that have landed and got no event since, then delete a batch of their events.

    Closed first: were a late event taken while the others go, it would be published without them.
    """
    cursor.execute(
        f"update ledger.event_partition p set removed_at = now() where removed_at is null and {_DONE}",
        {"before": before},
    )
    cursor.execute(
        f"""delete from raw.event where (project, table_name, partition, event_offset) in (
               select e.project, e.table_name, e.partition, e.event_offset
               from ledger.event_partition p join raw.event e using (project, table_name, partition)
               where p.removed_at is not null limit {BATCH})"""
    )
    return cursor.rowcount
