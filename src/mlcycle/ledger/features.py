"""Which raw batches each partition of a feature view was computed from."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain.freshness import Deliveries, Reach, stale
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project


def definition(project: Project, view_name: str) -> str:
    """Digest of what makes a view's values, besides the data."""
    view = project.features[view_name]
    kinds = [project.entity_table.columns[name] for name in view.entities]
    facts = [view.entities, kinds, list(view.columns.items()), view.reads, view.sql]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


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
    batches, spec = current_batches(cursor, project), project.features[view]
    tables = {name: Deliveries(project.source.tables[name].lag, batches.get(name, {})) for name in spec.reads}
    reach = Reach(definition(project, view), project.unit, spec.lookback, tables)
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


def applied_definitions(cursor: Cursor, project: str) -> str | None:
    """Digest of the feature definitions that the feature store holds, or None."""
    cursor.execute(
        "select outputs ->> 'digest' from ledger.publication where work = %s and key = 'current'",
        (f"feature definitions:{project}",),
    )
    row = cursor.fetchone()
    return str(row[0]) if row else None


def record_definitions(cursor: Cursor, project: str, digest: str) -> None:
    """Note which definitions the feature store holds."""
    cursor.execute(
        """insert into ledger.publication (work, key, token, outputs)
           values (%s, 'current', 0, jsonb_build_object('digest', %s::text))
           on conflict (work, key) do update set outputs = excluded.outputs, published_at = now()""",
        (f"feature definitions:{project}", digest),
    )
