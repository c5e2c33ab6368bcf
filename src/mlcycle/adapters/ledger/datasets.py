"""Dataset snapshots that exist, and how far labels reach."""

import json
from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project


def newest_partition(cursor: Cursor, project: Project, table: str) -> Partition | None:
    """The newest published partition of a table that holds rows, or None."""
    cursor.execute(
        """select max(partition) from ledger.batch
           where project = %s and table_name = %s and current and status = 'published' and rows > 0""",
        (project.name, table),
    )
    (key,) = cursor.fetchone() or (None,)
    return Partition.parse(key, project.unit) if key else None


def labels_until(cursor: Cursor, project: Project) -> datetime | None:
    """End of the newest partition of events whose labels were delivered, or None."""
    rows = newest_partition(cursor, project, project.entity.table)
    labels = newest_partition(cursor, project, project.label.table)
    if rows is None or labels is None:
        return None
    reach = Partition.containing(labels.end - project.label.ahead, project.unit).start
    return min(rows.end, reach)


def find(cursor: Cursor, project: str, digest: str) -> str | None:
    """URI of a snapshot's manifest, or None where there is no such snapshot."""
    cursor.execute("select uri from ledger.dataset where project = %s and digest = %s", (project, digest))
    row = cursor.fetchone()
    return str(row[0]) if row else None


def insert(cursor: Cursor, manifest: DatasetManifest, uri: str) -> None:
    """Note a snapshot; the same one noted before stays as it is."""
    cursor.execute(
        """insert into ledger.dataset (project, digest, uri, manifest, rows) values (%s, %s, %s, %s, %s)
           on conflict do nothing""",
        (
            manifest.project,
            manifest.digest,
            uri,
            json.dumps(manifest.model_dump(mode="json")),
            sum(bounds.rows for bounds in manifest.splits.values()),
        ),
    )
