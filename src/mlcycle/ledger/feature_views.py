"""What the ledger knows of each feature view as a whole: its definition, how far it was looked at, changes.

Every partition between ``covered_from`` and ``covered_to`` was looked at once. What has changed since, a
trigger notes in ``ledger.feature_change``: a run reads those notes, and not all of history.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain.partitions import Partition, Unit


@dataclass(frozen=True)
class KnownView:
    """A registered view. ``covered`` is the first and last of the partitions that were looked at."""

    view_id: int
    definition: str
    covered: tuple[Partition, Partition] | None


@dataclass(frozen=True)
class Change:
    """A batch of a table came, went or was replaced."""

    change_id: int
    table: str
    partition: Partition


def find(
    cursor: Cursor, project: str, view: str, unit: Unit, *, building: str | None = None
) -> KnownView | None:
    """A view as it is read, or with ``building`` the one of that definition that is being built."""
    cursor.execute(
        """select view_id, definition, covered_from, covered_to from ledger.feature_view
           where project = %s and view = %s and building = %s and (not building or definition = %s)""",
        (project, view, building is not None, building),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    view_id, definition, first, last = row
    covered = (partition_of(first, unit), partition_of(last, unit)) if first and last else None
    return KnownView(int(view_id), definition, covered)


def register(
    cursor: Cursor, project: str, view: str, definition: str, reads: Sequence[str], *, building: bool = False
) -> None:
    """Have changes noted for a view from here on; one that is registered already stays as it is.

    Waits for the batches that are being published just now: their changes are either seen by whoever
    looks after this transaction, or noted.
    """
    # One round trip and one transaction, also where each statement is one of its own.
    cursor.execute(
        """select pg_advisory_xact_lock(hashtextextended(%s, 0));
           insert into ledger.feature_view (project, view, definition, reads, building)
           values (%s, %s, %s, %s, %s) on conflict do nothing""",
        (f"feature views:{project}", project, view, definition, list(reads), building),
    )


def redefine(cursor: Cursor, project: str, view: str, definition: str, reads: Sequence[str]) -> None:
    """Have a view that is read looked at anew, whole, by another definition."""
    cursor.execute(
        """select pg_advisory_xact_lock(hashtextextended(%s, 0));
           update ledger.feature_view
           set definition = %s, reads = %s, covered_from = null, covered_to = null
           where project = %s and view = %s and not building""",
        (f"feature views:{project}", definition, list(reads), project, view),
    )


def others_being_built(cursor: Cursor, project: str, view: str, definition: str) -> list[str]:
    """Definitions of a view that are being built beside this one, or were given up."""
    cursor.execute(
        """select definition from ledger.feature_view
           where project = %s and view = %s and building and definition <> %s""",
        (project, view, definition),
    )
    return [found for (found,) in cursor.fetchall()]


def abandon(cursor: Cursor, project: str, view: str, definition: str) -> None:
    """Forget a view that was being built."""
    cursor.execute(
        """delete from ledger.feature_view
           where project = %s and view = %s and building and definition = %s""",
        (project, view, definition),
    )


def swap(cursor: Cursor, project: str, view: str, definition: str) -> None:
    """Make the view that was built the one that is read, and forget the one before."""
    cursor.execute(
        "delete from ledger.feature_view where project = %s and view = %s and not building", (project, view)
    )
    cursor.execute(
        """update ledger.feature_view set building = false
           where project = %s and view = %s and building and definition = %s""",
        (project, view, definition),
    )


def forget(cursor: Cursor, project: str, keep: Iterable[str]) -> None:
    """Have nothing noted any more for views that a project no longer has. Their values stay."""
    cursor.execute(
        """delete from ledger.feature_view
           where project = %s and not view = any(%s) and not view like '@%%'""",
        (project, list(keep)),
    )
    if cursor.rowcount:
        drop_orphans(cursor)


def drop_orphans(cursor: Cursor) -> None:
    """Take away the notes for views that are gone."""
    cursor.execute(
        """delete from ledger.feature_change c
           where not exists (select from ledger.feature_view v where v.view_id = c.view_id)"""
    )


def changes(cursor: Cursor, view_id: int, unit: Unit) -> list[Change]:
    """What was noted for a view and not taken up yet."""
    cursor.execute(
        "select change_id, table_name, partition from ledger.feature_change where view_id = %s", (view_id,)
    )
    return [Change(int(number), table, partition_of(key, unit)) for number, table, key in cursor.fetchall()]


def settle(
    cursor: Cursor,
    view_id: int,
    taken_up: Sequence[int] = (),
    covered: tuple[Partition, Partition] | None = None,
) -> None:
    """Take away the notes of changes that were taken up, and note how far the view was looked at."""
    if taken_up:
        cursor.execute(
            "delete from ledger.feature_change where view_id = %s and change_id = any(%s)",
            (view_id, list(taken_up)),
        )
    if covered:
        cursor.execute(
            "update ledger.feature_view set covered_from = %s, covered_to = %s where view_id = %s",
            (covered[0].key, covered[1].key, view_id),
        )


def partition_of(key: str, unit: Unit) -> Partition:
    """A partition by a key that the ledger wrote; a tenth of the time that checking it takes."""
    if not unit.fixed:
        return Partition.parse(key, unit)
    return Partition(datetime.fromisoformat(key).replace(tzinfo=UTC), unit)


@dataclass(frozen=True)
class Spent:
    """What computing a view took lately."""

    view: str
    seconds: float
    partitions: int
    rows: int


def spent(cursor: Cursor, project: str, last: timedelta) -> list[Spent]:
    """What each view's computing took in attempts that began within ``last``."""
    cursor.execute(
        """select split_part(p.key, ':', 2), sum((p.outputs->>'seconds')::double precision),
                  sum((p.outputs->>'partitions')::bigint), sum((p.outputs->>'rows')::bigint)
           from ledger.attempt a join ledger.publication p on p.work = a.work and p.token = a.token
           where a.project = %s and a.step = 'features' and a.started_at >= now() - %s::interval
             and starts_with(p.key, 'features:') and p.outputs ? 'seconds'
           group by 1 order by 1""",
        (project, last),
    )
    return [
        Spent(view, float(s), int(partitions), int(rows)) for view, s, partitions, rows in cursor.fetchall()
    ]
