"""Which raw batches each partition of a feature view was computed from, and which are to be computed.

Nothing here reads all of a project's history: what a run looks at is what was asked for, what was never
looked at, and what is within reach of a change that was noted since.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain.freshness import Deliveries, Reach, joined, reached, stale, windows
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.ledger import feature_views
from mlcycle.ledger.feature_views import Change, KnownView, partition_of
from mlcycle.project import Project

Span = tuple[Partition, Partition]
NEAR = 200  # partitions: windows no further apart are read by one query


APPLIED = "feature definitions:"  # begins the work under which applied definitions are noted


@dataclass(frozen=True)
class Look:
    """What there is to compute of a view.

    ``stale`` holds the partitions in order, with what each is to be computed from. ``taken_up`` are the
    changes that need no look any more once all of ``stale`` is published. ``span`` is the first partition
    with data and the last one asked for: of all between, none is left out.
    """

    view_id: int
    stale: dict[Partition, str]
    taken_up: list[int]
    span: Span | None
    covered: Span | None

    def covers(self, done: Partition | None = None) -> Span | None:
        """What was looked at once the stale partitions are published, or those up to ``done``."""
        if self.span is None:
            return self.covered
        first, last = self.span[0], min(self.span[1], done or self.span[1])
        if first > last:
            return self.covered
        if self.covered is None:
            return first, last
        found = joined([self.covered, (first, last)])
        return found[0] if len(found) == 1 else self.covered


def definition(project: Project, view_name: str) -> str:
    """Digest of what makes a view's values, besides the data."""
    view = project.features[view_name]
    kinds = [project.entity_table.columns[name] for name in view.entities]
    facts: list[Any] = [view.entities, kinds, list(view.columns.items()), view.reads, view.sql]
    read = {name: project.source.tables[name] for name in view.reads}
    facts += [[name, table.kind, table.delivers] for name, table in read.items() if table.kind != "events"]
    if view.python:
        facts += [view.python, project.own_code.digest]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def look(
    cursor: Cursor, project: Project, view: str, asked: Iterable[Partition], *, building: bool
) -> Look | None:
    """What is to be computed of a view; None where it is not registered (any more) with this definition.

    The same as :func:`mlcycle.domain.freshness.stale` finds in all of history. Needs no snapshot: changes
    are read before the batches, so that no change is taken up whose batch was not seen.

    Args:
        cursor: reads the ledger; best with a transaction for each statement, as much is computed between.
        project: holds the view.
        view: its name.
        asked: partitions that are wanted, with all before them that have data.
        building: look at the values that are being built, not at those that are read.
    """
    unit, wanted, wants = project.unit, set(asked), definition(project, view)
    known = feature_views.find(cursor, project.name, view, unit, building=wants if building else None)
    if known is None or known.definition != wants:
        return None
    name = records_of(view, wants) if building else view
    begin, target = first_batch(cursor, project, view), max(wanted, default=None)
    span = (begin, target) if begin and target and begin <= target else None
    covered = _borne_out(cursor, project.name, name, known)
    outside = _recorded_outside(cursor, project.name, name, unit, covered)
    seen = feature_views.changes(cursor, known.view_id, unit)
    candidates = wanted.union(outside, _outside(span, covered))
    end = max([*candidates, *(covered or ())], default=None)
    for first, last in joined(_reached(project, view, seen)):
        candidates.update(first.to(min(last, end)) if end else ())
    found: dict[Partition, str] = {}
    for first, last in joined(windows(candidates), NEAR):
        computed = recorded(cursor, project.name, name, unit, first, last)
        here = {
            partition: computed.get(partition, "")
            for partition in first.to(last)
            if partition in candidates
            and (partition in computed or partition in wanted or (span and span[0] <= partition <= span[1]))
        }
        there = batches(cursor, project, view, first, last)
        found |= stale(_reach(project, view, there), (), here)
    return Look(known.view_id, found, [change.change_id for change in seen], span, covered)


def batches(
    cursor: Cursor, project: Project, view: str, first: Partition, last: Partition
) -> list[tuple[str, str, int]]:
    """Table, partition and id of every batch that partitions of a view from first to last depend on."""
    reads = project.features[view].reads
    since = [
        Partition.containing(first.start - project.lookback(view, table), project.unit).key for table in reads
    ]
    cursor.execute(
        """select b.table_name, b.partition, b.batch_id
           from unnest(%s::text[], %s::text[]) as t (name, since)
           join ledger.batch b on b.table_name = t.name and b.partition >= t.since
           where b.project = %s and b.partition <= %s and b.current and b.status = 'published'""",
        (reads, since, project.name, last.key),
    )
    return cursor.fetchall()


def inputs(
    project: Project, view: str, found: Iterable[tuple[str, str, int]], first: Partition, last: Partition
) -> dict[Partition, str]:
    """What each partition from first to last is computed from, where these are the batches."""
    reach = _reach(project, view, found)
    return {partition: reach.inputs(partition)[0] for partition in first.to(last)}


def stale_within(
    cursor: Cursor, project: Project, view: str, first: Partition, last: Partition
) -> set[Partition]:
    """Partitions from first to last that were computed from other batches than there are now."""
    computed = recorded(cursor, project.name, view, project.unit, first, last)
    if not computed:
        return set()
    there = batches(cursor, project, view, min(computed), max(computed))
    return set(stale(_reach(project, view, there), (), computed))


def recorded(
    cursor: Cursor, project: str, view: str, unit: Unit, first: Partition, last: Partition
) -> dict[Partition, str]:
    """What each computed partition of a view from first to last was computed from."""
    cursor.execute(
        """select partition, inputs from ledger.feature_partition
           where project = %s and view = %s and partition between %s and %s""",
        (project, view, first.key, last.key),
    )
    return {partition_of(key, unit): inputs for key, inputs in cursor.fetchall()}


def records(
    cursor: Cursor, project: str, view: str, first: Partition, last: Partition
) -> dict[str, tuple[str, datetime]]:
    """What each computed partition from first to last was computed from, and when: the same, if nobody
    has published it again meanwhile.
    """
    cursor.execute(
        """select partition, inputs, computed_at from ledger.feature_partition
           where project = %s and view = %s and partition between %s and %s order by partition""",
        (project, view, first.key, last.key),
    )
    return {key: (inputs, at) for key, inputs, at in cursor.fetchall()}


def last_recorded(cursor: Cursor, project: str, view: str, unit: Unit) -> tuple[Partition, str] | None:
    """The last partition of a view that was ever computed, and from what."""
    cursor.execute(
        """select partition, inputs from ledger.feature_partition
           where project = %s and view = %s order by partition desc limit 1""",
        (project, view),
    )
    row = cursor.fetchone()
    return (partition_of(row[0], unit), row[1]) if row else None


def first_batch(cursor: Cursor, project: Project, view: str) -> Partition | None:
    """The earliest published partition of the tables that a view reads, or None."""
    cursor.execute(
        """select min(found) from unnest(%s::text[]) as t (name), lateral (
               select min(partition) as found from ledger.batch
               where project = %s and table_name = t.name and current and status = 'published') b""",
        (project.features[view].reads, project.name),
    )
    (key,) = cursor.fetchone() or (None,)
    return partition_of(key, project.unit) if key else None


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


def rows(cursor: Cursor, project: str, view: str, first: Partition, last: Partition) -> int:
    """How many values a view has from first to last."""
    cursor.execute(
        """select coalesce(sum(rows), 0) from ledger.feature_partition
           where project = %s and view = %s and partition between %s and %s""",
        (project, view, first.key, last.key),
    )
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def records_of(view: str, definition: str) -> str:
    """The name under which the partitions of a view are recorded while it is built."""
    return f"{view}~{definition}"


def take_over_records(cursor: Cursor, project: str, view: str, definition: str) -> None:
    """What was recorded while a view was built is from here on the view's own record."""
    forget_records(cursor, project, view)
    cursor.execute(
        "update ledger.feature_partition set view = %s where project = %s and view = %s",
        (view, project, records_of(view, definition)),
    )


def forget_records(cursor: Cursor, project: str, view: str) -> None:
    """Take away what was recorded of a view's partitions."""
    cursor.execute("delete from ledger.feature_partition where project = %s and view = %s", (project, view))


def applied_definitions(cursor: Cursor, project: str) -> str | None:
    """Digest of the feature definitions that the feature store holds, or None."""
    cursor.execute(
        "select outputs ->> 'digest' from ledger.publication where work = %s and key = 'current'",
        (f"{APPLIED}{project}",),
    )
    row = cursor.fetchone()
    return str(row[0]) if row else None


def record_definitions(cursor: Cursor, project: str, digest: str) -> None:
    """Note which definitions the feature store holds."""
    cursor.execute(
        """insert into ledger.publication (work, key, token, outputs)
           values (%s, 'current', 0, jsonb_build_object('digest', %s::text))
           on conflict (work, key) do update set outputs = excluded.outputs, published_at = now()""",
        (f"{APPLIED}{project}", digest),
    )


def _borne_out(cursor: Cursor, project: str, name: str, known: KnownView) -> Span | None:
    """What was looked at, if the records bear it out: without them all of it is to be looked at again."""
    if known.covered is None:
        return None
    cursor.execute(
        """select count(*) from ledger.feature_partition
           where project = %s and view = %s and partition = any(%s)""",
        (project, name, [partition.key for partition in set(known.covered)]),
    )
    (count,) = cursor.fetchone() or (0,)
    return known.covered if count == len(set(known.covered)) else None


def _reached(project: Project, view: str, seen: Iterable[Change]) -> Iterable[Span]:
    spec, tables = project.features[view], project.source.tables
    for change in seen:
        if change.table in spec.reads:
            found = reached(change.partition, tables[change.table].lag, project.lookback(view, change.table))
            if found:
                yield found


def _recorded_outside(
    cursor: Cursor, project: str, view: str, unit: Unit, covered: Span | None
) -> list[Partition]:
    first, last = (covered[0].key, covered[1].key) if covered else (None, None)
    cursor.execute(
        """select partition from ledger.feature_partition where project = %(project)s and view = %(view)s
             and (%(first)s::text is null or partition < %(first)s)
           union
           select partition from ledger.feature_partition where project = %(project)s and view = %(view)s
             and partition > %(last)s""",
        {"project": project, "view": view, "first": first, "last": last},
    )
    return [partition_of(key, unit) for (key,) in cursor.fetchall()]


def _outside(span: Span | None, covered: Span | None) -> Iterable[Partition]:
    """Partitions of a span that were not looked at yet."""
    if span is None:
        return
    first, last = span
    if covered is None:
        yield from first.to(last)
        return
    yield from first.to(min(last, covered[0].shift(-1)))
    yield from max(first, covered[1].shift(1)).to(last)


def _reach(project: Project, view: str, found: Iterable[tuple[str, str, int]]) -> Reach:
    """The reach of a view over some batches."""
    spec, by_table = project.features[view], defaultdict[str, dict[Partition, int]](dict)
    for table, key, batch in found:
        by_table[table][partition_of(key, project.unit)] = batch
    tables = {
        name: Deliveries(project.source.tables[name].lag, project.lookback(view, name), by_table[name])
        for name in spec.reads
    }
    return Reach(definition(project, view), tables)
