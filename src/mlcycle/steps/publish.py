"""Publish: put accepted deliveries into the raw table, each partition whole, in its own transaction.

The same transaction holds the rows, the bad rows beside them, the ledger's batch, the watermark and
the record of the publication: a reader sees the old day or the new one.
"""

import io
import json
from contextlib import closing
from datetime import datetime
from typing import IO, Any

from mlcycle.adapters import raw_tables
from mlcycle.adapters.ledger import batches
from mlcycle.adapters.ledger.batches import BadRow, Delivery
from mlcycle.contract import Output, Status
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected, InputError, IntegrityError
from mlcycle.project import Table
from mlcycle.steps.context import Outcome, StepContext

IN_MEMORY = 4 << 20
MAX_QUARANTINED = 10_000  # bad rows of one batch in the warehouse; all are in its object
ANALYZE_FROM = 10_000  # rows


def run(context: StepContext) -> Outcome:
    """Publish what validation accepted of one table.

    Raises DataRejected at the end where some batches were stopped; the good ones stay published.
    """
    name = context.param("table")
    table = context.project.source.tables.get(name)
    if table is None:
        raise InputError(f"no table {name!r} in project {context.project.name!r}")
    manifest = context.handover("validate").outputs.get("manifest")
    if manifest is None:
        raise InputError(f"validate of {name!r} handed over no manifest")
    entries: list[dict[str, Any]] = json.loads(context.artifacts.get(manifest))
    accepted = [entry for entry in entries if entry["verdict"] == "accepted"]
    with context.warehouse.transaction() as cursor:
        raw_tables.ensure(cursor, context.project.name, name, table)
        before = batches.published_keys(cursor, context.request.work)
        keys = [entry["partition"] for entry in accepted]
        current = batches.current(cursor, context.project.name, name, keys)
    count: dict[str, int] = dict.fromkeys(("published", "replayed", "unchanged", "outdated", "rows"), 0)
    for done, entry in enumerate(accepted, 1):
        how, rows = _one(context, name, table, entry, before, current)
        count[how] += 1
        count["rows"] += rows
        if done % 50 == 0:
            context.progress(f"{name}: {done} of {len(accepted)} partitions published")
    if count["rows"] >= ANALYZE_FROM:
        with context.warehouse.transaction() as cursor:
            raw_tables.analyze(cursor, context.project.name, name)
    return _outcome(name, entries, count)


def _one(
    context: StepContext,
    name: str,
    table: Table,
    entry: dict[str, Any],
    before: dict[str, dict[str, Any]],
    current: dict[str, batches.Current],
) -> tuple[str, int]:
    """Publish one partition unless that is done: what happened, and how many rows are new."""
    delivery = _delivery(context.project.name, name, entry)
    key = f"{name}/{delivery.partition}"
    if key in before:
        done = before[key]
        return ("replayed" if done["how"] == "published" else done["how"]), 0
    there = current.get(delivery.partition)
    if there is not None and there.same(delivery):
        return "unchanged", 0
    partition = Partition.parse(delivery.partition, context.project.unit)
    bad = _bad_rows(context, entry)
    with (
        closing(_open(context, Output.model_validate(entry["accepted"]))) as rows,
        context.publication(key) as publication,
    ):
        how = _write(context, table, delivery, partition, rows, bad, publication.cursor)
        publication.outputs["how"] = how
    return how, delivery.rows if how == "published" else 0


def _write(
    context: StepContext,
    table: Table,
    delivery: Delivery,
    partition: Partition,
    rows: IO[bytes],
    bad: list[BadRow],
    cursor: Any,
) -> str:
    there = batches.lock(cursor, delivery)
    if there is not None and there.same(delivery):
        return "unchanged"
    if there is not None and there.newer(delivery):
        return "outdated"
    batches.publish(cursor, delivery, context.token, partition.end)
    written = raw_tables.replace(cursor, delivery.project, delivery.table, table, partition, rows)
    if written != delivery.rows:
        raise IntegrityError(
            f"{delivery.table} of {delivery.partition}: {written} rows were copied, validation counted "
            f"{delivery.rows}: nothing was published"
        )
    if bad:
        batches.quarantine(cursor, delivery, bad)
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


def _outcome(name: str, entries: list[dict[str, Any]], count: dict[str, int]) -> Outcome:
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
    if stopped:
        first, why = stopped[0]["partition"], "; ".join(stopped[0]["reasons"])
        raise DataRejected(f"{message}; {len(stopped)} stopped, the first {first}: {why}")
    done = count["published"] + count["replayed"]
    return Outcome(
        Status.OK if done else Status.SKIPPED,
        message,
        values={"table": name, **count},
        metrics={how: float(number) for how, number in count.items()},
        replayed=bool(count["replayed"]) and not count["published"],
    )
