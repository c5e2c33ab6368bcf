"""Compute every feature view for the asked partitions and for those that newer raw data made stale.

Consecutive partitions are one statement. Values of a window are replaced whole, in one publication a
view, with the ledger's record of what they were computed from.
"""

import hashlib

from psycopg2 import sql

from mlcycle.adapters.features import view_sql
from mlcycle.adapters.features.tables import ensure_table, lock_view
from mlcycle.adapters.warehouse.connection import feature_table
from mlcycle.domain.freshness import windows
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import features as ledger
from mlcycle.ledger import watermarks
from mlcycle.steps.context import Outcome, Publication, StepContext


def run(context: StepContext) -> Outcome:
    """Bring the feature tables up to date. Ok also where nothing was stale."""
    computed: dict[str, int] = {}
    rows = 0
    for view in context.project.features:
        with context.warehouse.transaction() as cursor:
            found = ledger.stale_partitions(cursor, context.project, view, context.partitions)
        if not found:
            continue
        # Named by what goes in, so that a retry that finds newer raw data publishes that too.
        version = hashlib.sha256("".join(found.values()).encode()).hexdigest()[:16]
        key = f"features:{view}:{min(found).key}:{version}"
        with context.publication(key) as publication:
            partitions, count = _compute(context, publication, view)
        computed[view] = partitions
        rows += count
    stale = sum(computed.values())
    message = f"{stale} view partitions, {rows} rows" if stale else "every view was up to date"
    return Outcome(message=message, values={"computed": computed, "rows": rows}, metrics={"rows": rows})


def _compute(context: StepContext, publication: Publication, view: str) -> tuple[int, int]:
    """Replace a view's stale partitions; how many, and their rows."""
    cursor, project = publication.cursor, context.project
    lock_view(cursor, project.name, view)  # from here on nobody else computes this view
    found = ledger.stale_partitions(cursor, project, view, context.partitions)
    if ensure_table(cursor, project, view):
        everything = {**ledger.recorded(cursor, project.name, view, project.unit), **found}
        found = dict(sorted(everything.items()))
    if not found:
        return 0, 0
    table = feature_table(project.name, view)
    columns = [*project.features[view].entities, "event_timestamp", *project.features[view].columns]
    into = sql.SQL("copy {} ({}) from stdin").format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
    for first, last in windows(found):
        context.progress(f"{view}: {first.key} to {last.key}")
        staged = context.scratch / f"{view}.copy"
        with context.warehouse.reading() as reader, staged.open("wb") as target:
            statement = view_sql.select(reader, project, view, first.start, last.end)
            view_sql.copy_out(reader, view, statement, target)
        cursor.execute(
            sql.SQL("delete from {} where event_timestamp > %s and event_timestamp <= %s").format(table),
            (first.start, last.end),
        )
        with staged.open("rb") as source:
            view_sql.copy_in(cursor, view, into, source)
    rows = _rows(publication, table, found)
    ledger.record(cursor, project.name, view, found, rows)
    watermarks.advance(cursor, project.name, f"features:{view}", max(found).end)
    publication.outputs.update(partitions=len(found), rows=sum(rows.values()))
    return len(found), sum(rows.values())


def _rows(publication: Publication, table: sql.Composable, found: dict[Partition, str]) -> dict[str, int]:
    """Rows of each partition; a value known at a partition's end is the partition's own."""
    first, last = min(found), max(found)
    cursor = publication.cursor
    cursor.execute(
        sql.SQL(
            """select date_trunc(%s, event_timestamp - interval '1 microsecond'), count(*) from {}
               where event_timestamp > %s and event_timestamp <= %s group by 1"""
        ).format(table),
        (first.unit.value, first.start, last.end),
    )
    counted = {Partition.containing(start, first.unit): int(count) for start, count in cursor.fetchall()}
    return {partition.key: counted.get(partition, 0) for partition in found}
