"""What rows were served with: a few of each scoring's rows keep their inputs, in the artifact store.

The warehouse keeps predictions alone. With their inputs, a row that is scored again from today's warehouse
tells which of them changed.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import features
from mlcycle.project import Project

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ROWS = 200  # of each scoring, spread evenly over it
DEFINITIONS = b"mlcycle.definitions"  # key of the schema metadata: what made each view's values


@dataclass(frozen=True)
class Scoring:
    """The first scoring of a partition: what people acted on."""

    number: int
    partition: str
    version: int
    token: int
    scored_at: datetime


def keep(
    artifacts: ArtifactStore,
    project: Project,
    partition: str,
    token: int,
    rows: "pa.Table",
    predicted: "np.ndarray[Any, Any]",
) -> None:
    """Keep a few of a scoring's rows with their inputs and predictions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = np.unique(np.linspace(0, rows.num_rows - 1, min(ROWS, rows.num_rows)).astype(int))
    kept = rows.select(["entity_key", "event_time", *project.inputs.all]).take(pa.array(at))
    kept = kept.append_column("(prediction)", pa.array(np.asarray(predicted)[at]))
    facts = {DEFINITIONS: json.dumps(definitions(project)).encode()}
    buffer = io.BytesIO()
    pq.write_table(kept.replace_schema_metadata(facts), buffer)
    artifacts.put(_path(project.name, partition, token), buffer.getvalue())


def kept(
    artifacts: ArtifactStore, project: Project, scoring: Scoring
) -> "tuple[pa.Table, Mapping[str, str]] | None":
    """A scoring's rows that were kept, and how its views were defined; None where none were kept."""
    import pyarrow.parquet as pq

    path = _path(project.name, scoring.partition, scoring.token)
    if not artifacts.exists(path):
        return None
    table = pq.read_table(io.BytesIO(artifacts.read(path)))
    return table, json.loads((table.schema.metadata or {}).get(DEFINITIONS, b"{}"))


def definitions(project: Project) -> dict[str, str]:
    """By view the digest of what makes its values, besides the data."""
    return {view: features.definition(project, view) for view in project.features}


def first_scorings(
    cursor: Cursor, project: str, partitions: Sequence[Partition], made_until: datetime
) -> list[Scoring]:
    """The first scoring of each partition that holds rows, in order; those by this moment alone."""
    cursor.execute(
        """select distinct on (partition) scoring_id, partition, version, token, scored_at
           from serving.scoring where project = %s and partition = any(%s) and rows > 0 and scored_at <= %s
           order by partition, scoring_id""",
        (project, [partition.key for partition in partitions], made_until),
    )
    return [Scoring(*row) for row in cursor.fetchall()]


def deliveries_since(
    cursor: Cursor, project: Project, partition: Partition, moment: datetime
) -> tuple[list[str], list[str]]:
    """Deliveries after a moment that a partition's inputs can come from: given again, and given too late.

    Too late is one that was due before the partition was scored, by its table's lag. What was not due by then
    is in neither list: it must not matter.
    """
    reach = {project.entity.table: partition.start}
    for name, view in project.features.items():
        for table in view.reads:
            since = partition.start - view.ttl - project.lookback(name, table)
            reach[table] = min(since, reach.get(table, since))
    again, late = [], []
    for table, since in reach.items():
        first = Partition.containing(since, project.unit)
        cursor.execute(
            """select b.partition, bool_or(exists (
                   select from ledger.batch e
                   where e.project = b.project and e.table_name = b.table_name and e.partition = b.partition
                     and e.status = 'published' and e.published_at <= %(moment)s))
               from ledger.batch b
               where b.project = %(project)s and b.table_name = %(table)s and b.status = 'published'
                 and b.partition between %(first)s and %(last)s and b.published_at > %(moment)s
               group by 1 order by 1""",
            {
                **{"project": project.name, "table": table, "moment": moment},
                **{"first": first.key, "last": partition.key},
            },
        )
        lag = project.source.tables[table].lag
        for key, before in cursor.fetchall():
            if before:
                again.append(f"{table} {key}")
            elif Partition.parse(key, project.unit).shift(lag) <= partition:
                late.append(f"{table} {key}")
    return again, late


def _path(project: str, partition: str, token: int) -> str:
    return f"served/{project}/{partition}-{token}.parquet"
