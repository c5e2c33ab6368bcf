"""Validate: what of each delivery may be published, and why the rest may not.

Bytes are looked at first, then the header, then every cell and key, then the project's
expectations. A bad row is set aside with its reasons; a bad batch is stopped whole and recorded.
Small partitions are checked together, up to ``CHUNK_ROWS`` rows at once.
"""

import json
from collections.abc import Iterator
from typing import Any

from mlcycle.adapters.alerts.channels import due_channels
from mlcycle.adapters.delivery import named_files
from mlcycle.adapters.delivery.checking import CHUNK_ROWS, Batch, Checker
from mlcycle.adapters.delivery.cut import as_cut
from mlcycle.adapters.delivery.readers import reader_of
from mlcycle.adapters.delivery.source import SourceFiles
from mlcycle.adapters.pages.validation_report import render_report
from mlcycle.contract import Output
from mlcycle.domain import failure_alerts
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected, InputError
from mlcycle.ledger import alerts, batches, events, failures, past
from mlcycle.ledger.alerts import Alert
from mlcycle.steps.context import Outcome, StepContext

MAX_RECORDED = 10_000  # bad rows of one stopped batch in the warehouse; all are in its object
IN_MEMORY = 4 << 20  # larger deliveries are read from a file


def run(context: StepContext) -> Outcome:
    """Check the deliveries of one table.

    Raises DataRejected, after recording it, where every batch was stopped.
    """
    name = context.param("table")
    if name not in context.project.source.tables:
        raise InputError(f"no table {name!r} in project {context.project.name!r}")
    manifest = context.handover("extract").outputs.get("manifest")
    if manifest is None:
        raise InputError(f"extract of {name!r} handed over no manifest")
    deliveries = json.loads(context.artifacts.get(manifest))
    offsets = {entry["partition"]: entry["offset"] for entry in deliveries if "offset" in entry}
    table, form = as_cut(context.project.source.tables[name], context.project.source.format)
    checker = Checker(name, table, reader_of(table, form))
    checked: list[Batch] = []
    entries: list[dict[str, Any]] = []
    for batch in _check_all(context, checker, deliveries):
        checked.append(batch)
        entries.append(_entry(context, name, batch))
        if offset := offsets.get(batch.partition.key):
            entries[-1]["offset"] = offset
        batch.drop_rows()
        if len(checked) % 50 == 0:
            context.progress(f"{name}: {len(checked)} of {len(deliveries)} partitions checked")
    stopped = [batch for batch in checked if batch.stopped]
    report = _report(context, name, checked, checker)
    _record(context, name, stopped, offsets, report)
    _tell_schema(context, name, checked, report)
    if len(stopped) == len(checked):
        first = stopped[0]
        others = f" (and {len(stopped) - 1} more)" if len(stopped) > 1 else ""
        raise DataRejected(
            f"{name} of {first.partition.key} is {first.status}: {first.why}{others}",
            links={"validation": report.uri},
        )
    return _outcome(context, name, checked, entries, report)


def _check_all(context: StepContext, checker: Checker, deliveries: list[dict[str, Any]]) -> Iterator[Batch]:
    """Every delivery checked, in order, with at most a chunk of rows (or one delivery) in memory."""
    pending: list[Batch] = []
    rows = 0  # of those pending
    declared = context.project.source.tables[str(context.param("table"))]
    source = (
        SourceFiles(context.project.source, context.settings, context.scratch) if declared.files else None
    )
    for entry in deliveries:
        partition = Partition.parse(entry["partition"], context.project.unit)
        delivery = Output.model_validate(entry["object"])
        if (delivery.bytes or 0) > IN_MEMORY:
            file = context.artifacts.get_file(delivery, context.scratch / "delivery")
            batch = checker.read(partition, delivery, entry["fetched"], file)
            file.unlink()
        else:
            batch = checker.read(partition, delivery, entry["fetched"], context.artifacts.get(delivery))
        if source is not None and batch.text is not None:
            batch.text = named_files.kept(batch.text, declared, source, context.artifacts)
            batch.as_delivered = False
        pending.append(batch)
        rows += batch.rows
        if rows >= CHUNK_ROWS:
            checker.check(pending)
            yield from pending
            pending, rows = [], 0
    checker.check(pending)
    yield from pending


def _entry(context: StepContext, table: str, batch: Batch) -> dict[str, Any]:
    """Stage what may be published and what may not; the batch's line of the manifest."""
    folder = f"staging/{context.project.name}/{table}/{batch.partition.key}"
    accepted = quarantine = None
    if batch.bad:
        lines = "".join(
            json.dumps({"row": row.number, "reasons": row.reasons, "data": row.data}) + "\n"
            for row in batch.bad
        ).encode()
        quarantine = _put(context, f"{folder}/quarantine", "jsonl", lines)
    if not batch.stopped:
        rendered = batch.rendered()
        accepted = (
            _put(context, f"{folder}/accepted", "csv", rendered) if rendered is not None else batch.delivery
        )
    return {
        "partition": batch.partition.key,
        "verdict": "stopped" if batch.stopped else "accepted",
        "status": batch.status,
        "delivery": batch.delivery.model_dump(),
        "fetched": batch.fetched,
        "accepted": accepted.model_dump() if accepted else None,
        "quarantine": quarantine.model_dump() if quarantine else None,
        "rows": batch.counts.rows,
        "accepted_rows": batch.counts.accepted,
        "quarantined": batch.counts.quarantined,
        "duplicates": batch.counts.duplicates,
        "event_min": batch.event_min.isoformat() if batch.event_min else None,
        "event_max": batch.event_max.isoformat() if batch.event_max else None,
        "slots": batch.slots,
        "clashing": batch.clashing,
        "repeated": batch.repeated,
        "warnings": sum(batch.warnings.values()),
        "reasons": batch.reasons,
    }


def _put(context: StepContext, folder: str, ending: str, data: bytes) -> Output:
    import hashlib

    return context.artifacts.put(f"{folder}/{hashlib.sha256(data).hexdigest()}.{ending}", data)


def _record(
    context: StepContext, table: str, stopped: list[Batch], offsets: dict[str, int], report: Output
) -> None:
    """Note stopped batches and their bad rows, and tell people, once for this work.

    ``offsets`` says of a queue's partitions what their last event was.
    """
    if not stopped or context.published("stopped") is not None:
        return
    project = context.project
    with context.publication("stopped") as publication:
        for batch in stopped:
            delivery = batches.Delivery(
                project.name,
                table,
                batch.partition.key,
                batch.delivery.digest,
                "",
                batch.fetched,
                rows=batch.counts.rows,
                quarantined=batch.counts.quarantined,
                duplicates=batch.counts.duplicates,
                event_min=batch.event_min,
                event_max=batch.event_max,
            )
            batches.stop(publication.cursor, delivery, batch.status, batch.why, context.token)
            batches.quarantine(publication.cursor, delivery, batch.bad[:MAX_RECORDED])
            if offset := offsets.get(batch.partition.key):
                events.note_seen(publication.cursor, project.name, table, batch.partition.key, offset)
        publication.outputs["partitions"] = [batch.partition.key for batch in stopped]
        if _past(context, publication.cursor):
            return
        reasons = {batch.partition.key: batch.why for batch in stopped}
        whole = table == project.entity.table
        alert = Alert(**failure_alerts.stopped(project.name, table, reasons, report.uri, whole=whole))
        due = due_channels(project.alerts.channels, alert)
        for key in sorted(reasons):
            failures.note(publication.cursor, project.name, alert, (key, key), context.request.work, due)


def _tell_schema(context: StepContext, table: str, checked: list[Batch], report: Output) -> None:
    """Open an alert for each column of the newest delivery that is not as declared; close the others'."""
    known = [batch for batch in checked if batch.read]
    if not known or context.published("schema") is not None:
        return
    newest, project = known[-1], context.project
    matter, partition = failure_alerts.schema_matter(table), newest.partition.key
    with context.warehouse.transaction() as cursor:
        if not newest.changes and not alerts.any_open(cursor, project.name, matter):
            return
    found = [
        Alert(**item)
        for item in failure_alerts.schema(
            project.name, partition, table, newest.changes, report.uri, stops=newest.stopped
        )
    ]
    with context.publication("schema") as publication:
        if _past(context, publication.cursor):
            return
        alerts.hold(publication.cursor, project.name)
        for alert in found:
            due = due_channels(project.alerts.channels, alert)
            alerts.raise_alert(publication.cursor, project.name, partition, alert, due)
        alerts.close(publication.cursor, project.name, [matter], partition, [alert.key for alert in found])


def _past(context: StepContext, cursor: Any) -> str:
    backfill = context.param("run_type") == "backfill"
    return past.why(cursor, context.project, context.partitions[-1], context.request.work, backfill=backfill)


def _report(context: StepContext, table: str, checked: list[Batch], checker: Checker) -> Output:
    import hashlib

    page = render_report(context.project.name, table, checked, checker.rules).encode()
    first, last = checked[0].partition.key, checked[-1].partition.key
    digest = hashlib.sha256(page).hexdigest()[:12]
    path = f"reports/{context.project.name}/validation/{table}/{first}..{last}-{digest}.html"
    output = context.artifacts.put(path, page)
    context.progress(f"{table}: validation report {output.uri}")
    return output


def _read_to(context: StepContext) -> dict[str, Any]:
    """Up to where a database was read, which publish notes."""
    read_to = context.handover("extract").values.get("read_to")
    return {"read_to": read_to} if read_to else {}


def _outcome(
    context: StepContext, table: str, checked: list[Batch], entries: list[dict[str, Any]], report: Output
) -> Outcome:
    first, last = checked[0].partition.key, checked[-1].partition.key
    document = json.dumps(entries, separators=(",", ":")).encode()
    total = {
        "rows": sum(batch.counts.rows for batch in checked),
        "accepted": sum(batch.counts.accepted for batch in checked if not batch.stopped),
        "quarantined": sum(batch.counts.quarantined for batch in checked),
        "duplicates": sum(batch.counts.duplicates for batch in checked),
        "warnings": sum(sum(batch.warnings.values()) for batch in checked),
        "stopped": sum(batch.stopped for batch in checked),
    }
    said = [f"{total['accepted']} of {total['rows']} rows accepted"]
    said += [f"{total[what]} {what}" for what in ("quarantined", "duplicates", "warnings") if total[what]]
    for batch in [batch for batch in checked if batch.stopped][:3]:
        said.append(f"{batch.partition.key} {batch.status}: {batch.why}")
    if total["stopped"]:
        said.append(f"{total['stopped']} of {len(checked)} batches stopped")
    return Outcome(
        message=f"{table}: " + "; ".join(said),
        outputs={
            "manifest": _put(
                context, f"staging/{context.project.name}/{table}/{first}..{last}", "json", document
            ),
            "report": report,
        },
        values={"table": table, "partitions": len(checked), **total, **_read_to(context)},
        metrics={name: float(count) for name, count in total.items()},
        links={"validation": report.uri},
    )
