"""Extract: stage the source's files of the partitions, exactly as they came.

A staged object is named by its digest, so that fetching the same bytes twice leaves one object.

A delivery that is not there yet is waited for until the project's ``lateness``, the slot given back
meanwhile. Then it is a gap: noted, told to people, and left to the runs behind it, each of which
first looks for what earlier runs missed. The rest goes on.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from mlcycle.adapters.alerts.channels import due_channels
from mlcycle.adapters.delivery import people
from mlcycle.adapters.delivery.database import SourceDatabase
from mlcycle.adapters.delivery.events import SourceEvents
from mlcycle.contract import Status
from mlcycle.domain import gaps
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected, InputError, NotYet, Unavailable
from mlcycle.ledger import alerts, batches, events, labelling, past, watermarks
from mlcycle.ledger import gaps as ledger
from mlcycle.ledger.alerts import Alert
from mlcycle.project import Table
from mlcycle.steps.asking import AnySource, Looked, ask, opened, staged
from mlcycle.steps.context import Outcome, StepContext

CLOCKS_DIFFER = timedelta(minutes=10)  # a run may begin so long before its delivery is due
ACTOR = "extract"  # in the history of a gap


def run(context: StepContext) -> Outcome:
    """Fetch the deliveries of one table.

    A table with ``lag: n`` is fetched for partitions n earlier than those asked for; before the
    source's start there is nothing. Raises NotYet where the one partition asked for may still come,
    Unavailable where the source does not answer for old ones.
    """
    name = context.param("table")
    table = context.project.source.tables.get(name)
    if table is None:
        known = ", ".join(context.project.source.tables)
        raise InputError(f"no table {name!r} in project {context.project.name!r}: there are {known}")
    if context.project.label.source == "people" and name == context.project.label.table:
        return _answered(context, name)
    start = Partition.parse(context.project.source.start, context.project.unit)
    asked = context.project.source.deliveries(table, context.partitions)
    if not asked:
        return Outcome(Status.SKIPPED, f"{name}: nothing is delivered before {start.key}")
    now = datetime.now(UTC)
    files = opened(context)
    changed, read_to = _changed(context, files, name, table, asked, start)
    own = ask(context, files, name, table, asked)
    unsettled, declared = _unsettled(context, name, own)
    _wait(context, table, asked, unsettled, now)
    if own.down and not (len(asked) == 1 and _awaited(context, table, asked[0], now)):
        others = f" (and {len(own.down) - 1} more of {len(asked)})" if len(own.down) > 1 else ""
        raise Unavailable(f"{next(iter(own.down.values()))}{others}")
    if own.refused:
        raise DataRejected(next(iter(own.refused.values())))
    behind = _look_behind(context, files, name, table, asked, changed)
    missing = {key: why for key, why in unsettled.items() if _late(context, table, key, now)}
    looked = {**missing, **dict.fromkeys(declared, ledger.BY_FILE)}
    looked |= {key: why for key, why in behind.without.items() if _late(context, table, key, now)}
    _note(context, name, looked, declared)
    outcome = _outcome(context, name, own, behind, sorted(missing), declared)
    if read_to is not None and outcome.status is Status.OK:
        outcome.values["read_to"] = read_to.isoformat()
    return outcome


def _changed(
    context: StepContext,
    files: AnySource,
    name: str,
    table: Table,
    asked: list[Partition],
    start: Partition,
) -> tuple[list[Partition], datetime | None]:
    """Partitions before those asked for whose rows have changed since they were read, within ``catch_up``;
    and up to where the table is read once this work is published, where that is to be noted.
    """
    if isinstance(files, SourceEvents):
        return _late_events(context, name, asked, start), None
    if not isinstance(files, SourceDatabase) or table.database is None or not table.database.watermark:
        return [], None
    with context.warehouse.transaction() as cursor:
        since = watermarks.position(cursor, context.project.name, watermarks.changes_of(name))
        alone = _looks_behind(context, cursor)
    if since is not None and not alone:
        return [], None
    first = _reach(context, asked, start)
    try:
        found = files.changed(table, first, asked[0], since)
    except Unavailable:
        return [], None  # the same is said of the partition asked for, which may be waited for
    # A row from the future, by a wrong clock, must not end the looking for those of today.
    return found.partitions, None if found.newest is None else min(found.newest, datetime.now(UTC))


def _late_events(
    context: StepContext, name: str, asked: list[Partition], start: Partition
) -> list[Partition]:
    """Partitions before those asked for, within ``catch_up``, with events that came since they were landed.

    How far each was landed is in the ledger by offset, so that none is missed, whenever it came.
    """
    with context.warehouse.transaction() as cursor:
        if not _looks_behind(context, cursor):
            return []
        found = events.unseen(cursor, context.project.name, name, _reach(context, asked, start), asked[0])
    return [Partition.parse(key, context.project.unit) for key in found]


def _looks_behind(context: StepContext, cursor: Any) -> bool:
    """Whether the run looks after partitions before its own: it is for one of a source that is alive."""
    alone = context.project.source.live and len(context.partitions) == 1
    return alone and not _past(context, cursor)


def _reach(context: StepContext, asked: list[Partition], start: Partition) -> Partition:
    """The first partition that is looked after."""
    back = asked[0].start - context.project.source.catch_up
    return max(start, Partition.containing(back, context.project.unit))


def _answered(context: StepContext, name: str) -> Outcome:
    """What people have answered since it was published, of whichever partitions."""
    looked, unit = Looked(), context.project.unit
    with context.warehouse.transaction() as cursor:
        for key in labelling.due(cursor, context.project.name, name):
            fetched = people.delivery(cursor, context.project, Partition.parse(key, unit))
            looked.entries.append(staged(context, name, key, fetched, "csv"))
    if not looked.entries:
        return Outcome(Status.SKIPPED, f"{name}: nobody has answered anything new")
    return _outcome(context, name, looked, Looked(), [], [])


def _unsettled(context: StepContext, name: str, own: Looked) -> tuple[dict[str, str], list[str]]:
    """Partitions asked for and not had, with why: those that hold data already left out, and those
    that are declared absent, which come second.
    """
    without = {**own.absent, **own.down}
    if not without:
        return {}, []
    with context.warehouse.transaction() as cursor:
        held = batches.current(cursor, context.project.name, name, list(without))
        declared = ledger.absent(cursor, context.project, name, list(without))
    found = {key: why for key, why in without.items() if key not in held and key not in declared}
    return found, sorted(declared - set(held))


def _wait(
    context: StepContext, table: Table, asked: list[Partition], unsettled: dict[str, str], now: datetime
) -> None:
    """Raise NotYet while the one partition asked for may still come. A range does not wait: its rest
    goes on, and what is not there yet is the matter of its own run.
    """
    if len(asked) > 1 or not unsettled or _late(context, table, asked[0].key, now):
        return
    moment = gaps.due(asked[0], table.lag)
    if moment - now > CLOCKS_DIFFER:
        raise InputError(
            f"{asked[0].key} is not due before {moment:%Y-%m-%d %H:%M} UTC: ask for an earlier one"
        )
    deadline = moment + context.project.source.lateness
    with context.warehouse.transaction() as cursor:
        began = past.began(cursor, context.request.work) or now
    again = gaps.next_look(began, deadline, now)
    raise NotYet(
        f"{unsettled[asked[0].key]}; it is waited for until {deadline:%Y-%m-%d %H:%M} UTC, "
        f"the next look is at {again:%H:%M:%S}",
        again,
    )


def _late(context: StepContext, table: Table, key: str, now: datetime) -> bool:
    """Whether the delivery of a partition is waited for no longer."""
    partition = Partition.parse(key, context.project.unit)
    return now >= gaps.due(partition, table.lag) + context.project.source.lateness


def _awaited(context: StepContext, table: Table, partition: Partition, now: datetime) -> bool:
    """Whether runs to come look for the partition: a source that is down for it is no failure then."""
    source = context.project.source
    return source.live and now < gaps.due(partition, table.lag) + source.catch_up


def _look_behind(
    context: StepContext,
    files: AnySource,
    name: str,
    table: Table,
    asked: list[Partition],
    changed: list[Partition],
) -> Looked:
    """Look for what earlier runs should have brought: days of an outage, deliveries that came too late,
    and what has changed since it was read.

    Only where the source is alive and the run is for a partition of its own: a person's range and a
    run for the past take what they were asked for.
    """
    if not context.project.source.live or len(context.partitions) > 1 or table.kind == "static":
        return Looked()
    with context.warehouse.transaction() as cursor:
        if _past(context, cursor):
            return Looked()
        wanted = sorted({*ledger.behind(cursor, context.project, name, asked[0]), *changed})
    if not wanted:
        return Looked()
    context.progress(
        f"{name}: looking for {len(wanted)} partitions that earlier runs did not bring, or that changed"
    )
    return ask(context, files, name, table, wanted)


def _note(context: StepContext, name: str, looked: dict[str, str], declared: list[str]) -> None:
    """Put gaps into the ledger, and open the table's alert where one is new and not of the past."""
    if not looked:
        return
    project, known = context.project, set(declared)
    with context.warehouse.transaction() as cursor:
        known |= ledger.absent(cursor, project, name, list(looked))
    key = f"gaps:{hashlib.sha256(json.dumps(sorted(looked)).encode()).hexdigest()[:16]}"
    if context.published(key) is not None:
        return
    with context.publication(key) as publication:
        cursor = publication.cursor
        fresh = ledger.note(cursor, project.name, name, looked, known, ACTOR)
        publication.outputs["missing"] = fresh
        if fresh and not _past(context, cursor):
            alert = _alert(project.name, name, fresh, looked, whole=name == project.entity.table)
            alerts.hold(cursor, project.name)
            channels = due_channels(project.alerts.channels, alert)
            alerts.raise_alert(cursor, project.name, max(fresh), alert, channels)


def _alert(project: str, table: str, fresh: list[str], why: dict[str, str], *, whole: bool) -> Alert:
    body = (
        f"{why[max(fresh)]}. Waited for in vain: {gaps.listed(sorted(fresh))}. It is taken when it comes; "
        f"if it never will, say so: mlcycle absent {project} {max(fresh)} --table {table} --reason ..."
    )
    title = f"{project} {max(fresh)}: {table} was not delivered"
    return Alert(ledger.alert_key(table), "page" if whole else "warn", title, body)


def _past(context: StepContext, cursor: Any) -> str:
    backfill = context.param("run_type") == "backfill"
    return past.why(cursor, context.project, context.partitions[-1], context.request.work, backfill=backfill)


def _outcome(
    context: StepContext, table: str, own: Looked, behind: Looked, missing: list[str], declared: list[str]
) -> Outcome:
    said = list(_said(own, behind, missing, declared))
    values = {
        "table": table,
        "partitions": len(own.entries) + len(behind.entries),
        "missing": missing[:100],
        "missing_count": len(missing),
        "caught_up": [entry["partition"] for entry in behind.entries],
    }
    entries = [*behind.entries, *own.entries]  # oldest first: the newest moves the watermark
    if not entries:
        return Outcome(Status.SKIPPED, f"{table}: {'; '.join(said)}", values=values)
    document = json.dumps(entries, separators=(",", ":")).encode()
    first, last = entries[0]["partition"], entries[-1]["partition"]
    digest = hashlib.sha256(document).hexdigest()[:16]
    path = f"staging/{context.project.name}/{table}/manifests/{first}..{last}-{digest}.json"
    size = sum(entry["object"]["bytes"] for entry in entries)
    span = first if first == last else f"{first} to {last}"
    message = f"{table}: {len(entries)} partitions ({span}), {size / 1e6:.1f} MB"
    return Outcome(
        message="; ".join([message, *said]),
        outputs={"manifest": context.artifacts.put(path, document)},
        values=values,
        metrics={"partitions": len(entries), "bytes": size, "missing": len(missing)},
    )


def _said(own: Looked, behind: Looked, missing: list[str], declared: list[str]) -> Iterator[str]:
    """What else the message says: what is missing, declared absent, not there yet, caught up."""
    there = {*missing, *declared}
    rest = sorted(key for key in own.without if key not in there)
    if missing:
        yield f"{len(missing)} not delivered: {gaps.listed(missing)}"
    if declared:
        yield f"{len(declared)} declared absent: {gaps.listed(declared)}"
    if rest:
        yield f"{len(rest)} not there (any more): {gaps.listed(rest)}"
    if own.set_aside is not None:
        yield f"{own.unplaced} rows belong to no partition: {own.set_aside.uri}"
    if behind.entries:
        yield f"{len(behind.entries)} of earlier runs caught up"
    if behind.without:
        yield f"{len(behind.without)} of earlier runs still missing"
    for key, why in list(behind.refused.items())[:3]:
        yield f"{key}: {why}"
