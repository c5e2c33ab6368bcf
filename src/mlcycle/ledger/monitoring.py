"""What monitors measured, one row for each partition, monitor and subject."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.ledger.document import as_json

if TYPE_CHECKING:
    from mlcycle.domain.monitors import Measurement


def replace(cursor: Cursor, project: str, partition: str, found: "Sequence[Measurement]") -> None:
    """Store a partition's measurements in place of those of an earlier run."""
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


def drifted_before(
    cursor: Cursor, project: str, partitions: Iterable[str], monitor: str = "drift"
) -> dict[str, list[bool]]:
    """For each subject whether it drifted on each measured one of these partitions, newest first."""
    cursor.execute(
        """select subject, coalesce((details ->> 'drifted')::boolean, false) from ledger.monitor_result
           where project = %s and monitor = %s and status <> 'error' and partition = any(%s)
           order by subject, partition desc""",
        (project, monitor, list(partitions)),
    )
    history: dict[str, list[bool]] = {}
    for subject, drifted in cursor.fetchall():
        history.setdefault(subject, []).append(drifted)
    return history
