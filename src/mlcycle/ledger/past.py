"""Whether a run speaks of the past, by what the ledger knew when the run's work began."""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain.partitions import Partition
from mlcycle.domain.past import why_past
from mlcycle.ledger import batches
from mlcycle.project import Project


def began(cursor: Cursor, work: str) -> datetime | None:
    """When the first attempt at a piece of work was made."""
    cursor.execute("select min(started_at) from ledger.attempt where work = %s", (work,))
    found: tuple[datetime | None] = cursor.fetchone() or (None,)
    return found[0]


def why(cursor: Cursor, project: Project, last: Partition, work: str, *, backfill: bool = False) -> str:
    """Why a run that ends with ``last`` is for the past; empty where it is not.

    Measured when the work's first attempt began: what waited a day for its partition has not become
    the past by waiting.
    """
    start = began(cursor, work)
    cursor.execute(
        """select max(partition) from ledger.monitor_result
           where project = %(project)s and partition > %(last)s
             and measured_at <= coalesce(%(began)s, now())""",
        {"project": project.name, "last": last.key, "began": start},
    )
    (monitored,) = cursor.fetchone() or (None,)
    return why_past(
        last,
        monitored=Partition.parse(monitored, project.unit) if monitored else None,
        published=batches.newest(cursor, project, project.entity.table, by=start),
        window=project.monitors.window,
        backfill=backfill,
    )
