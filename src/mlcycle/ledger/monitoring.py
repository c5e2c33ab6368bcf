"""What monitors measured, one row for each partition, monitor and subject."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain.partitions import Partition
from mlcycle.domain.unit import Length
from mlcycle.ledger import partitioning
from mlcycle.ledger.document import as_json

if TYPE_CHECKING:
    from mlcycle.domain.monitors import Measurement


def replace(cursor: Cursor, project: str, last: Partition, found: "Sequence[Measurement]") -> None:
    """Store the measurements of the window that ends with ``last`` in place of an earlier run's."""
    partition = last.key
    partitioning.ensure(cursor, "ledger.monitor_result", *_months(last))
    cursor.execute(
        "delete from ledger.monitor_result where project = %s and partition = %s", (project, partition)
    )
    execute_values(
        cursor,
        """insert into ledger.monitor_result
               (project, partition, monitor, subject, status, value, threshold, message, details)
           values %s""",
        [
            (
                *(project, partition, item.monitor, item.subject, item.status, item.value),
                *(item.threshold, item.message, as_json(item.details)),
            )
            for item in found
        ],
    )


def _months(last: Partition) -> tuple[datetime, datetime]:
    """Of the months between whose keys the partition's own lies: ``2013-W05`` is after ``2013-12``."""
    if last.unit.kind is not Length.WEEK:
        return last.start, last.end
    year = int(last.key[:4])
    return datetime(year, 12, 1, tzinfo=UTC), datetime(year, 12, 31, tzinfo=UTC)


def moment(cursor: Cursor, project: str, partition: str) -> datetime:
    """When the window that ends with the partition was first watched; now, where it never was."""
    cursor.execute(
        """select coalesce((select moment from ledger.monitored where project = %s and partition = %s),
                           clock_timestamp())""",
        (project, partition),
    )
    (found,) = cursor.fetchone() or (None,)
    assert isinstance(found, datetime)
    return found


def note_moment(cursor: Cursor, project: str, partition: str, when: datetime) -> None:
    """Keep when a window was first watched, once its last partition has predictions.

    Before that there is nothing to keep to: a partition that was scored late is watched then.
    """
    cursor.execute(
        """insert into ledger.monitored (project, partition, moment)
           select %(project)s, %(partition)s, %(when)s where exists (
               select from serving.scoring
               where project = %(project)s and partition = %(partition)s and scored_at <= %(when)s)
           on conflict do nothing""",
        {"project": project, "partition": partition, "when": when},
    )


def details_before(
    cursor: Cursor, project: str, monitor: str, partitions: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """A monitor's measurements at these partitions, by subject: their details, newest first; no errors."""
    if not partitions:
        return {}
    cursor.execute(
        """select subject, details from ledger.monitor_result
           where project = %(project)s and monitor = %(monitor)s and status <> 'error'
             and partition >= %(first)s and partition <= %(last)s and partition = any(%(partitions)s)
           order by subject, partition desc""",
        {
            "project": project,
            "monitor": monitor,
            "first": min(partitions),  # a range, so that the planner reads its months alone
            "last": max(partitions),
            "partitions": list(partitions),
        },
    )
    history: dict[str, list[dict[str, Any]]] = {}
    for subject, details in cursor.fetchall():
        history.setdefault(subject, []).append(details)
    return history
