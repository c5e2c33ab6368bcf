"""Compute every feature view for the asked partitions and for those that newer raw data made stale.

A view's window is computed piece by piece, each a bounded statement into a file, then published in a
short transaction of its own with the ledger's record of what it was computed from: a kill loses one piece.
A view whose definition changed is built beside the values that are read, and replaces them when whole.
"""

import hashlib
import time

import psycopg2.errors

from mlcycle.adapters.features import staging, tables
from mlcycle.adapters.features.staging import Generation, Staged
from mlcycle.adapters.features.view_sql import TookTooLong
from mlcycle.adapters.warehouse.session_lock import holding
from mlcycle.domain.freshness import windows
from mlcycle.domain.pace import Pace
from mlcycle.errors import InputError, Unavailable
from mlcycle.ledger import feature_views, watermarks
from mlcycle.ledger import features as ledger
from mlcycle.ledger.features import Look
from mlcycle.steps.context import Outcome, Publication, StepContext

ROUNDS = 10  # looks at one view in a run, before it is left to a later one
SWAP_TRIES = 60  # for a moment in which nobody reads the values that are replaced


def run(context: StepContext) -> Outcome:
    """Bring the feature tables up to date. Ok also where nothing was stale."""
    project = context.project
    _check_ingested(context)
    computed: dict[str, int] = {}
    rows = 0
    stale = [view for view in project.features if not _is_settled(context, view)]
    if stale:
        # One run at a time computes; were it not so, they would do the same work, not harm.
        with holding(
            context.settings, f"computing features:{project.name}", context.request.work, context.token
        ):
            for view in stale:
                partitions, count = _bring_up_to_date(context, view)
                rows += count
                if partitions:
                    computed[view] = partitions
    total = sum(computed.values())
    message = f"{total} view partitions, {rows} rows" if total else "every view was up to date"
    return Outcome(message=message, values={"computed": computed, "rows": rows}, metrics={"rows": rows})


def _check_ingested(context: StepContext) -> None:
    """Raises InputError, before any SQL of a view does, where a raw table is not there yet."""
    project = context.project
    reads = dict.fromkeys(table for view in project.features.values() for table in view.reads)
    with context.warehouse.transaction() as cursor:
        missing = [
            name for name in reads if not tables.table_exists(cursor, "raw", f"{project.name}__{name}")
        ]
        feature_views.forget(cursor, project.name, project.features)
    if missing:
        raise InputError(
            f"no partition of {', '.join(missing)} is published yet, which the views read: run ingest first"
        )


def _generation(context: StepContext, view: str) -> Generation:
    """The values to bring up to date, registered: those that are read, where they are of this definition."""
    project, wanted = context.project, ledger.definition(context.project, view)
    with context.warehouse.transaction() as cursor:
        known = feature_views.find(cursor, project.name, view, project.unit)
        found = known.definition if known else None
        if known is None and (last := ledger.last_recorded(cursor, project.name, view, project.unit)):
            found = last[1].partition(":")[0]  # computed before views were registered
        building = found != wanted or not tables.as_declared(cursor, project, view)
        if building:
            known = feature_views.find(cursor, project.name, view, project.unit, building=wanted)
        if known is None:
            reads = project.features[view].reads
            feature_views.register(cursor, project.name, view, wanted, reads, building=building)
    return Generation(project, view, wanted, building)


def _is_settled(context: StepContext, view: str) -> bool:
    values = _generation(context, view)
    look = _look(context, values)
    return look is not None and _settle(context, values, look)


def _settle(context: StepContext, values: Generation, look: Look) -> bool:
    """Whether there is nothing to compute; what had changed without an effect is settled then."""
    if look.stale or values.building:
        return False
    if look.taken_up or look.covers() != look.covered:
        with context.warehouse.transaction() as cursor:
            feature_views.settle(cursor, look.view_id, look.taken_up, look.covers())
    return True


def _look(context: StepContext, values: Generation) -> Look | None:
    """What is stale. Values that are built anew reach as far as those they replace."""
    project, asked = context.project, list(context.partitions)
    with context.warehouse.statements() as cursor:
        if values.building:
            before = ledger.last_recorded(cursor, project.name, values.view, project.unit)
            asked += [before[0]] if before else []
        return ledger.look(cursor, project, values.view, asked, building=values.building)


def _bring_up_to_date(context: StepContext, view: str) -> tuple[int, int]:
    """Compute a view until nothing of it is stale; how many partitions were published, and their rows."""
    partitions = rows = 0
    for _ in range(ROUNDS):
        values = _generation(context, view)
        look = _look(context, values)
        if look is None:
            continue  # another run has just changed the view
        if _settle(context, values, look):
            return partitions, rows
        done, count, complete = _compute(context, values, look)
        partitions, rows = partitions + done, rows + count
        if complete:
            return partitions, rows
    raise Unavailable(
        f"feature view {view!r} was published by other runs all the while; it will be tried again"
    )


def _compute(context: StepContext, values: Generation, look: Look) -> tuple[int, int, bool]:
    """Publish what is stale, piece by piece: partitions, rows, and whether that was all of it."""
    pace, runs = Pace(), windows(look.stale)
    if not runs:
        return 0, 0, _swap_alone(context, values, look)
    partitions = rows = 0
    while runs:
        first, end = runs[0]
        last = min(end, first.shift(pace.size - 1))
        context.progress(
            f"{values.view}: {first.key} to {last.key}, {partitions} of {len(look.stale)} partitions done"
        )
        began, items = time.monotonic(), len(list(first.to(last)))
        path = context.scratch / f"{values.view}.copy"
        try:
            staged = staging.stage(context.settings, context.warehouse, values, (first, last), path)
            seconds = time.monotonic() - began
        except TookTooLong:
            if first == last:
                raise
            pace.too_long(items)
            continue
        runs[0] = (last.shift(1), end)
        runs = runs if last < end else runs[1:]
        written = _publish(context, values, look, staged, seconds, whole=not runs)
        if written is None:
            return partitions, rows, False
        pace.took(items, time.monotonic() - began)
        partitions, rows = partitions + items, rows + written
    return partitions, rows, True


def _publish(
    context: StepContext, values: Generation, look: Look, staged: Staged, seconds: float, *, whole: bool
) -> int | None:
    """Publish a piece, and with the last one what is settled by it; its rows, or None if overtaken."""
    # Named by what goes in and what it replaces: a retry that finds newer raw data publishes that too.
    facts = f"{look.view_id} {sorted(staged.inputs.values())} {sorted(staged.before.items())}"
    version = hashlib.sha256(facts.encode()).hexdigest()[:16]
    key = f"features:{values.view}:{staged.first.key}:{version}"
    for tries in range(SWAP_TRIES):
        try:
            with context.publication(key) as publication:
                written = _replace(publication, values, look, staged, whole=whole)
                if written is not None:
                    publication.outputs["seconds"] = round(seconds, 4)  # of its computing, for what it costs
                return written
        except Unavailable as error:
            if not isinstance(error.__cause__, psycopg2.errors.LockNotAvailable) or tries + 1 == SWAP_TRIES:
                raise
            context.progress(f"{values.view}: waiting until nobody reads the values before")
            time.sleep(1)
    raise AssertionError


def _replace(
    publication: Publication, values: Generation, look: Look, staged: Staged, *, whole: bool
) -> int | None:
    cursor, project, view = publication.cursor, values.project, values.view
    tables.lock_view(cursor, project.name, view)
    publication.outputs.update(partitions=0, rows=0)
    if _changed(publication, values) or staging.overtaken(cursor, values, staged):
        return None
    if values.building:
        if whole:
            tables.hold_for_swap(cursor, project.name, view)
        tables.ensure_build_table(cursor, project, view, values.definition)
    rows = staging.replace(cursor, values, staged)
    feature_views.settle(
        cursor, look.view_id, look.taken_up if whole else (), look.covers(None if whole else staged.last)
    )
    watermarks.advance(cursor, project.name, f"features:{view}", staged.last.end)
    if values.building and whole:
        _swap(publication, values)
    publication.outputs.update(partitions=len(staged.inputs), rows=rows)
    return rows


def _changed(publication: Publication, values: Generation) -> bool:
    """Whether another run has made these values the ones that are read, or given them up."""
    project = values.project
    building = values.definition if values.building else None
    known = feature_views.find(publication.cursor, project.name, values.view, project.unit, building=building)
    return known is None or known.definition != values.definition


def _swap_alone(context: StepContext, values: Generation, look: Look) -> bool:
    """Put values in place that an earlier attempt has built and not put there."""
    if not values.building:
        return True
    with context.publication(
        f"features:{values.view}:built:{values.definition}:{context.token}"
    ) as publication:
        cursor, project = publication.cursor, values.project
        tables.lock_view(cursor, project.name, values.view)
        if _changed(publication, values):
            return False
        tables.hold_for_swap(cursor, project.name, values.view)
        tables.ensure_build_table(cursor, project, values.view, values.definition)
        feature_views.settle(cursor, look.view_id, look.taken_up, look.covers())
        _swap(publication, values)
    return True


def _swap(publication: Publication, values: Generation) -> None:
    """What was built is read from here on; whatever else was being built of the view is given up."""
    cursor, project, view = publication.cursor, values.project.name, values.view
    tables.swap(cursor, project, view, values.definition)
    ledger.take_over_records(cursor, project, view, values.definition)
    feature_views.swap(cursor, project, view, values.definition)
    for other in feature_views.others_being_built(cursor, project, view, values.definition):
        tables.drop_build_table(cursor, project, view, other)
        ledger.forget_records(cursor, project, ledger.records_of(view, other))
        feature_views.abandon(cursor, project, view, other)
    feature_views.drop_orphans(cursor)
