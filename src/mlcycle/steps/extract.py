"""Extract: stage the source's files of the partitions, exactly as they came.

A staged object is named by its digest, so that fetching the same bytes twice leaves one object.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlcycle.adapters.delivery.source import Fetched, SourceFiles
from mlcycle.contract import Output, Status
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError, Unavailable
from mlcycle.steps.context import Outcome, StepContext

PARALLEL = 8


def run(context: StepContext) -> Outcome:
    """Fetch the deliveries of one table.

    A table with ``lag: n`` is fetched for partitions n earlier than those asked for; before the
    source's start there is nothing.
    """
    name = context.param("table")
    table = context.project.source.tables.get(name)
    if table is None:
        known = ", ".join(context.project.source.tables)
        raise InputError(f"no table {name!r} in project {context.project.name!r}: there are {known}")
    start = Partition.parse(context.project.source.start, context.project.unit)
    wanted = [p.shift(-table.lag) for p in context.partitions]
    wanted = [p for p in wanted if p >= start]
    if not wanted:
        return Outcome(Status.SKIPPED, f"{name}: nothing is delivered before {start.key}")
    files = SourceFiles(context.project.source, context.settings, context.scratch)

    def stage(partition: Partition) -> dict[str, Any] | Unavailable:
        try:
            fetched = files.fetch(name, partition.key, table.max_bytes)
        except Unavailable as error:
            return error
        output = _store(context, f"staging/{context.project.name}/{name}/{partition.key}", fetched)
        return {"partition": partition.key, "object": output.model_dump(), "fetched": context.token}

    entries: list[dict[str, Any]] = []
    missing: list[Unavailable] = []
    with ThreadPoolExecutor(min(PARALLEL, len(wanted))) as pool:
        for count, staged in enumerate(pool.map(stage, wanted), 1):
            if isinstance(staged, Unavailable):
                missing.append(staged)
            else:
                entries.append(staged)
            if len(missing) > PARALLEL:  # the source is down: do not ask for all the rest
                pool.shutdown(cancel_futures=True)
                break
            if count % 50 == 0:
                context.progress(f"{name}: {count} of {len(wanted)} partitions fetched")
    if missing:
        others = f" (and {len(missing) - 1} more of {len(wanted)})" if len(missing) > 1 else ""
        raise Unavailable(f"{missing[0].message}{others}")
    return _outcome(context, name, entries)


def _store(context: StepContext, folder: str, fetched: Fetched) -> Output:
    path = f"{folder}/{fetched.digest}.csv"
    if fetched.file is None:
        return context.artifacts.put(path, fetched.data or b"")
    try:
        return context.artifacts.put_file(path, fetched.file)
    finally:
        fetched.file.unlink()


def _outcome(context: StepContext, table: str, entries: list[dict[str, Any]]) -> Outcome:
    document = json.dumps(entries, separators=(",", ":")).encode()
    first, last = entries[0]["partition"], entries[-1]["partition"]
    digest = hashlib.sha256(document).hexdigest()[:16]
    path = f"staging/{context.project.name}/{table}/manifests/{first}..{last}-{digest}.json"
    size = sum(entry["object"]["bytes"] for entry in entries)
    span = first if first == last else f"{first} to {last}"
    return Outcome(
        message=f"{table}: {len(entries)} partitions ({span}), {size / 1e6:.1f} MB",
        outputs={"manifest": context.artifacts.put(path, document)},
        values={"table": table, "partitions": len(entries)},
        metrics={"partitions": len(entries), "bytes": size},
    )
