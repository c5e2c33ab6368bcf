"""Which raw batches each partition of a feature view was computed from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain.freshness import Reach, stale
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project


def current_batches(cursor: Cursor, project: Project) -> dict[str, dict[Partition, int]]:
    """The published batch of every partition, by table."""
    cursor.execute(
        """select table_name, partition, batch_id from ledger.batch
           where project = %s and current and status = 'published'""",
        (project.name,),
    )
    found: defaultdict[str, dict[Partition, int]] = defaultdict(dict)
    for table, key, batch in cursor.fetchall():
        found[table][Partition.parse(key, project.unit)] = int(batch)
    return dict(found)


def recorded(cursor: Cursor, project: str, view: str, unit: Unit) -> dict[Partition, str]:
    """What each computed partition of a view was computed from."""
    cursor.execute(
        "select partition, inputs from ledger.feature_partition where project = %s and view = %s",
        (project, view),
    )
    return {Partition.parse(key, unit): inputs for key, inputs in cursor.fetchall()}


def stale_partitions(
    cursor: Cursor, project: Project, view: str, asked: Iterable[Partition] = ()
) -> dict[Partition, str]:
    """Partitions of a view to compute, in order, with the inputs to record for them."""
    reach = Reach(project, project.features[view], current_batches(cursor, project))
    return stale(reach, asked, recorded(cursor, project.name, view, project.unit))


def record(
    cursor: Cursor, project: str, view: str, inputs: Mapping[Partition, str], rows: Mapping[str, int]
) -> None:
    """Note what partitions were computed from, in the transaction that replaces their values."""
    execute_values(
        cursor,
        """insert into ledger.feature_partition (project, view, partition, inputs, rows) values %s
           on conflict (project, view, partition) do update
               set inputs = excluded.inputs, rows = excluded.rows, computed_at = now()""",
        [(project, view, p.key, text, rows.get(p.key, 0)) for p, text in inputs.items()],
        page_size=1000,
    )
