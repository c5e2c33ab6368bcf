"""Publish: put accepted deliveries into the raw table, each partition whole, in its own transaction.

The same transaction holds the rows, the bad rows beside them, the ledger's batch, the watermark and
the record of the publication: a reader sees the old day or the new one.
"""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from queue import SimpleQueue
from typing import IO, Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse import raw_tables
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Output, Status
from mlcycle.domain.failure_alerts import stopped_key
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected, InputError, IntegrityError
from mlcycle.ledger import batches, events, failures, gaps, watermarks
from mlcycle.ledger.batches import BadRow, Delivery
from mlcycle.project import Table
from mlcycle.steps.context import Outcome, StepContext

PARALLEL = 2  # connections: some load while others talk
IN_MEMORY = 4 << 20
MAX_QUARANTINED = 10_000  # bad rows of one batch in the warehouse; all are in its object
ANALYZE_FROM = 10_000  # rows


def run(context: StepContext) -> Outcome:
    """Publish what validation accepted of one table.

    Raises DataRejected at the end where some batches of the partitions asked for were stopped; the
    good ones stay published, and those of earlier runs that are caught up with stop nobody.
    """
    name = context.param("table")
    table = context.project.source.tables.get(name)
    if table is None:
        raise InputError(f"no table {name!r} in project {context.project.name!r}")
    validated = context.handover("validate").outputs
    manifest = validated.get("manifest")
    if manifest is None:
        raise InputError(f"validate of {name!r} handed over no manifest")
    entries: list[dict[str, Any]] = json.loads(context.artifacts.get(manifest))
    accepted = [entry for entry in entries if entry["verdict"] == "accepted"]
    with context.warehouse.transaction() as cursor:
        raw_tables.ensure(cursor, context.project.name, name, table)
        keys = [entry["partition"] for entry in accepted]
        current = batches.current(cursor, context.project.name, name, keys)
        # After what is there: what another attempt of this work has put there is then known as ours.
        before = batches.published_keys(cursor, context.request.work)
        open_gaps = gaps.open_keys(cursor, context.project.name, name, keys)
        alerted = gaps.alerted(cursor, context.project.name, name)
        was_stopped = failures.stands(cursor, context.project.name, stopped_key(name))
    count: dict[str, int] = dict.fromkeys(("published", "replayed", "unchanged", "outdated", "rows"), 0)
    todo, there_now = [], set[str]()
    for entry in accepted:
        delivery = _delivery(context.project.name, name, entry)
        done, there = before.get(_key(delivery)), current.get(delivery.partition)
        if done is not None:
            count["replayed" if done["how"] == "published" else done["how"]] += 1
            there_now |= {delivery.partition} if done["how"] == "published" else set()
        elif there is not None and there.same(delivery):
            count["unchanged"] += 1
        else:
            todo.append((delivery, entry))
    for (delivery, _), (how, rows) in zip(todo, _publish_all(context, table, todo, open_gaps), strict=True):
        count[how] += 1
        count["rows"] += rows
        there_now |= {delivery.partition} if how == "published" else set()
    if alerted and there_now:  # once all of them are there: side by side, each would still miss the others
        with context.warehouse.transaction() as cursor:
            gaps.settle_alert(cursor, context.project.name, name)
    if count["rows"] >= ANALYZE_FROM:
        with context.warehouse.transaction() as cursor:
            raw_tables.analyze(cursor, context.project.name, name)
    if was_stopped and accepted:
        with context.warehouse.transaction() as cursor:
            failures.mend(cursor, context.project.name, stopped_key(name), [(key, key) for key in keys])
    if read_to := context.handover("validate").values.get("read_to"):
        stream = watermarks.changes_of(name)
        with context.warehouse.transaction() as cursor:
            watermarks.advance(cursor, context.project.name, stream, datetime.fromisoformat(str(read_to)))
    links = {"validation": validated["report"].uri} if "report" in validated else {}
    asked = {each.key for each in context.project.source.deliveries(table, context.partitions)}
    return _outcome(name, entries, count, links, asked, sorted(there_now - asked))


def _key(delivery: Delivery) -> str:
    return f"{delivery.table}/{delivery.partition}"


def _publish_all(
    context: StepContext,
    table: Table,
    todo: list[tuple[Delivery, dict[str, Any]]],
    open_gaps: set[str],
) -> Iterator[tuple[str, int]]:
    """Publish partitions side by side, a connection each: what happened to each and its new rows.

    The last one waits for all others. It moves the watermark, and its commit alone waits for the
    disk: the log is flushed in order, so that with it all others are on disk too. Were the server to
    crash before, rows and ledger of the others would be gone together, and a retry publishes them.
    """
    if not todo:
        return
    idle: SimpleQueue[Warehouse] = SimpleQueue()
    idle.put(context.warehouse)
    others = [
        Warehouse(context.settings, "mlcycle:publish") for _ in range(min(PARALLEL, len(todo) // 8) - 1)
    ]
    for other in others:
        idle.put(other)

    def one(item: tuple[Delivery, dict[str, Any]]) -> tuple[str, int]:
        warehouse = idle.get()
        try:
            closes = item[0].partition in open_gaps
            return _publish(context, warehouse, table, *item, last=False, closes_gap=closes)
        finally:
            idle.put(warehouse)

    with ThreadPoolExecutor(1 + len(others)) as pool:
        try:
            for done, result in enumerate(pool.map(one, todo[:-1]), 1):
                yield result
                if done % 50 == 0:
                    context.progress(f"{todo[0][0].table}: {done} of {len(todo)} partitions published")
        finally:
            pool.shutdown(cancel_futures=True)
            for other in others:
                other.close()
    closes = todo[-1][0].partition in open_gaps
    yield _publish(context, context.warehouse, table, *todo[-1], last=True, closes_gap=closes)


def _publish(
    context: StepContext,
    warehouse: Warehouse,
    table: Table,
    delivery: Delivery,
    entry: dict[str, Any],
    *,
    last: bool,
    closes_gap: bool,
) -> tuple[str, int]:
    """Publish one partition in one transaction: what happened, and how many rows are new."""
    bad = _bad_rows(context, entry)
    with (
        closing(_open(context, Output.model_validate(entry["accepted"]))) as rows,
        context.publication(_key(delivery), warehouse=warehouse, guard_last=True) as publication,
    ):
        how = _write(publication.cursor, context, table, delivery, rows, bad, last=last)
        publication.outputs["how"] = how
        if how != "outdated" and (offset := entry.get("offset")):
            events.note_landed(
                publication.cursor, delivery.project, delivery.table, delivery.partition, offset
            )
        if closes_gap:
            gaps.taken(publication.cursor, delivery.project, delivery.table, delivery.partition)
    return how, delivery.rows if how == "published" else 0


def _write(
    cursor: Cursor,
    context: StepContext,
    table: Table,
    delivery: Delivery,
    rows: IO[bytes],
    bad: list[BadRow],
    *,
    last: bool,
) -> str:
    """The statements of one partition; what happened, in one word."""
    there = batches.lock(cursor, delivery, wait_for_disk=last)
    if there is not None and there.same(delivery):
        return "unchanged"
    if there is not None and there.newer(delivery):
        return "outdated"
    partition = Partition.parse(delivery.partition, context.project.unit)
    batches.publish(cursor, delivery, context.token, there)
    if there is not None:  # rows of a partition come with a batch: without one there are none
        raw_tables.clear(cursor, delivery.project, delivery.table, table, partition)
    written = raw_tables.fill(cursor, delivery.project, delivery.table, table, rows)
    if written != delivery.rows:
        raise IntegrityError(
            f"{delivery.table} of {delivery.partition}: {written} rows were copied, validation counted "
            f"{delivery.rows}: nothing was published"
        )
    if bad:
        batches.quarantine(cursor, delivery, bad)
    if last:
        batches.advance(cursor, delivery.project, delivery.table, partition.end)
    return "published"


def _delivery(project: str, table: str, entry: dict[str, Any]) -> Delivery:
    def moment(name: str) -> datetime | None:
        return datetime.fromisoformat(entry[name]) if entry[name] else None

    return Delivery(
        project,
        table,
        entry["partition"],
        entry["delivery"]["digest"],
        entry["accepted"]["digest"],
        entry["fetched"],
        rows=entry["accepted_rows"],
        quarantined=entry["quarantined"],
        duplicates=entry["duplicates"],
        event_min=moment("event_min"),
        event_max=moment("event_max"),
        slots=entry.get("slots"),  # a manifest from before this was counted has none
        clashing=entry.get("clashing", 0),
        repeated=entry.get("repeated", 0),
    )


def _open(context: StepContext, accepted: Output) -> IO[bytes]:
    """The accepted rows, checked against their digest before anything reads them."""
    if (accepted.bytes or 0) <= IN_MEMORY:
        return io.BytesIO(context.artifacts.get(accepted))
    return context.artifacts.get_file(accepted, context.scratch / f"{accepted.digest}.csv").open("rb")


def _bad_rows(context: StepContext, entry: dict[str, Any]) -> list[BadRow]:
    if not entry["quarantine"]:
        return []
    lines = context.artifacts.get(Output.model_validate(entry["quarantine"])).splitlines()
    found = [json.loads(line) for line in lines[:MAX_QUARANTINED]]
    return [BadRow(row["row"], row["reasons"], row["data"]) for row in found]


def _outcome(
    name: str,
    entries: list[dict[str, Any]],
    count: dict[str, int],
    links: dict[str, str],
    asked: set[str],
    caught_up: list[str],
) -> Outcome:
    """What the step answers.

    Args:
        name: of the table.
        entries: the manifest's.
        count: of partitions by what became of them.
        links: to the validation report.
        asked: keys of the partitions asked for.
        caught_up: keys of partitions published besides them.
    """
    said = [f"{count['published']} of {len(entries)} partitions published ({count['rows']} rows)"]
    said += [
        f"{count[how]} {meaning}"
        for how, meaning in (
            ("replayed", "published by an earlier attempt"),
            ("unchanged", "unchanged"),
            ("outdated", "already hold a later delivery"),
        )
        if count[how]
    ]
    stopped = [entry for entry in entries if entry["verdict"] != "accepted"]
    message = f"{name}: " + ", ".join(said)
    if caught_up:
        message += f", {len(caught_up)} of them of earlier runs"
    if stopped:
        first, why = stopped[0]["partition"], "; ".join(stopped[0]["reasons"])
        message += f"; {len(stopped)} stopped, the first {first}: {why}"
    if any(entry["partition"] in asked for entry in stopped):
        raise DataRejected(message, links=links)
    done = count["published"] + count["replayed"]
    return Outcome(
        Status.OK if done else Status.SKIPPED,
        message,
        values={"table": name, **count, "caught_up": caught_up},
        metrics={how: float(number) for how, number in count.items()},
        links=links,
        replayed=bool(count["replayed"]) and not count["published"],
    )
