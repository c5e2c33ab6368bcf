"""What each partition's labels were made from: batches of the entity table and of the label table.

As with features, a run looks at what became known since, and at what is within reach of a change that
was noted: not at every partition there ever was.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain.freshness import joined, windows
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import feature_views
from mlcycle.ledger.feature_views import Change, KnownView, partition_of
from mlcycle.project import Project

VIEW = "@labels"  # no feature view can bear this name
NEAR = 200  # partitions: windows no further apart are read by one query
Span = tuple[Partition, Partition]


@dataclass(frozen=True)
class Due:
    """Partitions whose labels are to be made, in order, each with the note of what from.

    ``taken_up`` are the changes that need no look any more once these are made, ``covered`` is what was
    looked at then.
    """

    partitions: list[tuple[Partition, str]]
    view_id: int
    taken_up: list[int]
    covered: Span | None


def due(cursor: Cursor, project: Project, as_of: datetime) -> Due:
    """Partitions whose labels are known at a moment and were made from other batches than now, or never."""
    unit = project.unit
    known = _registered(cursor, project)
    limit = Partition.containing(project.label_before(as_of), unit).shift(-1)  # the last one known
    begin = _first(cursor, project)
    covered = known.covered if _any_made(cursor, project.name) else None
    seen = feature_views.changes(cursor, known.view_id, unit)
    candidates: set[Partition] = set()
    if begin and begin <= limit:
        low, high = covered or (limit.shift(1), limit)
        candidates.update(begin.to(min(limit, low.shift(-1))))
        candidates.update(max(begin, high.shift(1)).to(limit))
    reach = {change.change_id: list(_reached(project, change)) for change in seen}
    for first, last in joined(span for spans in reach.values() for span in spans):
        candidates.update(first.to(min(last, limit)))
    found = []
    for first, last in joined(windows(candidates), NEAR):
        sources, made = _sources(cursor, project, first, last), _made(cursor, project, first, last)
        found += [
            (partition, sources[partition])
            for partition in sorted(sources.keys() & candidates)
            if made.get(partition.key) != sources[partition]
        ]
    # One that reaches what is known only later, and was looked at before, is for a later moment too.
    later = {
        number
        for number, spans in reach.items()
        if covered and any(last > limit and first <= covered[1] for first, last in spans)
    }
    taken_up = [change.change_id for change in seen if change.change_id not in later]
    return Due(found, known.view_id, taken_up, _grown(covered, begin, limit))


def settle(cursor: Cursor, made: Due) -> None:
    """Note that everything that was due is made."""
    feature_views.settle(cursor, made.view_id, made.taken_up, made.covered)


def note(cursor: Cursor, project: str, partition: str, sources: str, rows: int) -> None:
    """Note what a partition's labels were just made from."""
    cursor.execute(
        """insert into ledger.feature_partition (project, view, partition, inputs, rows)
           values (%s, %s, %s, %s, %s)
           on conflict (project, view, partition) do update
               set inputs = excluded.inputs, rows = excluded.rows, computed_at = now()""",
        (project, VIEW, partition, sources, rows),
    )


def _registered(cursor: Cursor, project: Project) -> KnownView:
    """The labels as they are known; where they were made by another definition, nothing is known of them."""
    tables = sorted({project.entity.table, project.label.table})
    facts = (
        project.entity.table,
        project.entity_table.key,
        project.unit,
        project.label.definition,
    )
    wanted = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    known = feature_views.find(cursor, project.name, VIEW, project.unit)
    if known is None:
        feature_views.register(cursor, project.name, VIEW, wanted, tables)
        known = feature_views.find(cursor, project.name, VIEW, project.unit)
    elif known.definition != wanted:
        # The notes go first: a run that is killed between the two finds the old definition again.
        cursor.execute(
            "delete from ledger.feature_partition where project = %s and view = %s", (project.name, VIEW)
        )
        feature_views.redefine(cursor, project.name, VIEW, wanted, tables)
        known = feature_views.find(cursor, project.name, VIEW, project.unit)
    assert known is not None
    return known


def _first(cursor: Cursor, project: Project) -> Partition | None:
    cursor.execute(
        "select min(partition) from ledger.batch where project = %s and table_name = %s and current",
        (project.name, project.entity.table),
    )
    (key,) = cursor.fetchone() or (None,)
    return partition_of(key, project.unit) if key else None


def _any_made(cursor: Cursor, project: str) -> bool:
    """Whether the ledger bears out that labels were made: without, all of it is to be looked at again."""
    cursor.execute(
        "select exists (select from ledger.feature_partition where project = %s and view = %s)",
        (project, VIEW),
    )
    return cursor.fetchone() == (True,)


def _reached(project: Project, change: Change) -> Iterable[Span]:
    """Partitions whose labels are made from a batch."""
    if change.table == project.entity.table:
        yield change.partition, change.partition
    if change.table == project.label.table:
        unit, back = project.unit, -project.label.ahead
        yield (
            Partition.containing(unit.later(change.partition.start, back), unit),
            Partition.containing(unit.later(change.partition.end, back) - timedelta(microseconds=1), unit),
        )


def _label_partitions(project: Project, partition: Partition) -> Iterable[Partition]:
    """Partitions of the label table in which a partition's labels are."""
    ahead, unit = project.label.ahead, project.unit
    last = Partition.containing(unit.later(partition.end, ahead) - timedelta(microseconds=1), unit)
    return Partition.containing(unit.later(partition.start, ahead), unit).to(last)


def _sources(cursor: Cursor, project: Project, first: Partition, last: Partition) -> dict[Partition, str]:
    """What labels are to be made from, of the partitions that have both rows and labels."""
    entity = _batches(cursor, project, project.entity.table, first, last)
    labels = [next(iter(_label_partitions(project, first))), *_label_partitions(project, last)]
    known = _batches(cursor, project, project.label.table, labels[0], labels[-1])
    sources = {}
    for partition, batch in entity.items():
        found = [known[item] for item in _label_partitions(project, partition) if item in known]
        if found:
            sources[partition] = f"{batch}<{','.join(map(str, found))}"
    return sources


def _batches(
    cursor: Cursor, project: Project, table: str, first: Partition, last: Partition
) -> dict[Partition, int]:
    cursor.execute(
        """select partition, batch_id from ledger.batch
           where project = %s and table_name = %s and partition between %s and %s and current""",
        (project.name, table, first.key, last.key),
    )
    return {partition_of(key, project.unit): int(batch) for key, batch in cursor.fetchall()}


def _made(cursor: Cursor, project: Project, first: Partition, last: Partition) -> dict[str, str]:
    cursor.execute(
        """select partition, inputs from ledger.feature_partition
           where project = %s and view = %s and partition between %s and %s""",
        (project.name, VIEW, first.key, last.key),
    )
    return dict(cursor.fetchall())


def _grown(covered: Span | None, begin: Partition | None, limit: Partition) -> Span | None:
    if begin is None or begin > limit:
        return covered
    if covered is None:
        return begin, limit
    found = joined([covered, (begin, limit)])
    return found[0] if len(found) == 1 else covered
