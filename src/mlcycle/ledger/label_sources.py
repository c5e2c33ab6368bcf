"""What each partition's labels were made from: batches of the entity table and of the label table."""

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from mlcycle.project import Project

VIEW = "@labels"  # no feature view can bear this name


@dataclass(frozen=True)
class Sources:
    """Current batch of each partition, and the note each partition's labels were made with."""

    entity: dict[str, int]
    label: dict[str, int]
    made_from: dict[str, str]


def read(cursor: Cursor, project: Project) -> Sources:
    """Where a project's labels stand: a few bytes for each partition ever published."""
    batches: dict[str, dict[str, int]] = {project.entity.table: {}, project.label.table: {}}
    cursor.execute(
        """select table_name, partition, batch_id from ledger.batch
           where project = %s and table_name = any(%s) and current""",
        (project.name, list(batches)),
    )
    for table, partition, batch in cursor.fetchall():
        batches[table][partition] = batch
    cursor.execute(
        "select partition, inputs from ledger.feature_partition where project = %s and view = %s",
        (project.name, VIEW),
    )
    return Sources(batches[project.entity.table], batches[project.label.table], dict(cursor.fetchall()))


def note(cursor: Cursor, project: str, partition: str, sources: str, rows: int) -> None:
    """Note what a partition's labels were just made from."""
    cursor.execute(
        """insert into ledger.feature_partition (project, view, partition, inputs, rows)
           values (%s, %s, %s, %s, %s)
           on conflict (project, view, partition) do update
               set inputs = excluded.inputs, rows = excluded.rows, computed_at = now()""",
        (project, VIEW, partition, sources, rows),
    )
