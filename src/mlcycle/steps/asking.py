"""Asking the source for partitions: what it delivers is staged, why the rest could not be had is kept."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mlcycle.adapters.delivery.cut import Cut, as_cut, cut
from mlcycle.adapters.delivery.database import SourceDatabase
from mlcycle.adapters.delivery.events import SourceEvents
from mlcycle.adapters.delivery.source import Fetched, NotDelivered, SourceFiles
from mlcycle.contract import Output
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected, Unavailable
from mlcycle.project import Table
from mlcycle.steps.context import StepContext

PARALLEL = 8

AnySource = SourceFiles | SourceDatabase | SourceEvents


@dataclass
class Looked:
    """What came of asking the source for some partitions."""

    entries: list[dict[str, Any]] = field(default_factory=list)  # the manifest's, staged
    absent: dict[str, str] = field(default_factory=dict)  # key -> why: the source has no such delivery
    down: dict[str, str] = field(default_factory=dict)  # key -> why: the source did not answer
    refused: dict[str, str] = field(default_factory=dict)  # key -> why: too large, or not to be read
    unplaced: int = 0  # rows of a file of many partitions that belong to none
    set_aside: Output | None = None  # where they are

    def without_for(self, key: str, why: Unavailable | DataRejected) -> None:
        """Note why a partition could not be had."""
        if isinstance(why, NotDelivered):
            self.absent[key] = why.message
        elif isinstance(why, DataRejected):
            self.refused[key] = why.message
        else:
            self.down[key] = why.message

    @property
    def without(self) -> dict[str, str]:
        """Partitions that could not be had, with why."""
        return {**self.absent, **self.down, **self.refused}


def opened(context: StepContext) -> AnySource:
    """The project's source. Raises ConfigError where it is none, or its place is not allowed."""
    if context.project.source.kind == "database":
        return SourceDatabase(context.project, context.settings, context.scratch)
    if context.project.source.kind == "events":
        return SourceEvents(context.project, context.warehouse, context.scratch)
    return SourceFiles(context.project.source, context.settings, context.scratch)


def ask(
    context: StepContext,
    files: AnySource,
    name: str,
    table: Table,
    wanted: list[Partition],
) -> Looked:
    """Fetch and stage partitions side by side; a source that is down is not asked for all the rest."""
    looked = Looked()
    source: AnySource | Cut = files
    if table.file is not None and isinstance(files, SourceFiles):
        try:
            source = _cut(context, files, name, table, wanted)
        except (Unavailable, DataRejected) as error:
            return _none(wanted, error)
        looked.unplaced, looked.set_aside = source.unplaced_rows, _set_aside(context, name, source)
    written, form = as_cut(table, context.project.source.format)
    ending = written.ending(form)

    def stage(partition: Partition) -> dict[str, Any] | Unavailable | DataRejected:
        try:
            fetched = source.fetch(name, table, partition)
        except (Unavailable, DataRejected) as error:
            return error
        return staged(context, name, partition.key, fetched, ending)

    with ThreadPoolExecutor(max(1, min(PARALLEL, len(wanted)))) as pool:
        for count, (partition, entry) in enumerate(zip(wanted, pool.map(stage, wanted), strict=False), 1):
            if isinstance(entry, dict):
                looked.entries.append(entry)
            else:
                looked.without_for(partition.key, entry)
            if len(looked.down) > PARALLEL:
                pool.shutdown(cancel_futures=True)
                break
            if count % 50 == 0:
                context.progress(f"{name}: {count} of {len(wanted)} partitions fetched")
    return looked


def staged(context: StepContext, name: str, key: str, fetched: Fetched, ending: str) -> dict[str, Any]:
    """The manifest's entry of a partition, once its bytes are staged."""
    output = _store(context, f"staging/{context.project.name}/{name}/{key}", fetched, ending)
    entry = {"partition": key, "object": output.model_dump(), "fetched": context.token}
    return entry if fetched.offset is None else {**entry, "offset": fetched.offset}


def _cut(context: StepContext, files: SourceFiles, name: str, table: Table, wanted: list[Partition]) -> Cut:
    """The partitions that are wanted, out of files of many.

    Raises as ``SourceFiles.fetch``, and DataRejected where more rows than ``max_bad_rows`` belong to none.
    """
    context.progress(f"{name}: reading {table.file}")
    fetched = files.fetch_all(name, table)
    keys = {partition.key for partition in wanted}
    found = cut(fetched, table, context.project.source.format, context.project.unit, keys)
    if found.unplaced_rows > table.max_bad_rows * found.rows:
        commonest = Counter(why for row in found.unplaced for why in row.reasons.values()).most_common(1)[0][
            0
        ]
        raise DataRejected(
            f"{name}: {found.unplaced_rows} of {found.rows} rows of {table.file} have no time that can "
            f"be read, more than max_bad_rows: {commonest}. Say how it is written: times, csv ..."
        )
    return found


def _set_aside(context: StepContext, name: str, found: Cut) -> Output | None:
    """Keep the rows that belong to no partition where people can look at them."""
    if not found.unplaced_rows:
        return None
    data = found.set_aside()
    digest = hashlib.sha256(data).hexdigest()
    return context.artifacts.put(f"staging/{context.project.name}/{name}/no_partition/{digest}.jsonl", data)


def _none(wanted: list[Partition], why: Unavailable | DataRejected) -> Looked:
    looked = Looked()
    for partition in wanted:
        looked.without_for(partition.key, why)
    return looked


def _store(context: StepContext, folder: str, fetched: Fetched, ending: str) -> Output:
    path = f"{folder}/{fetched.digest}.{ending}"
    if fetched.file is None:
        return context.artifacts.put(path, fetched.data or b"")
    try:
        return context.artifacts.put_file(path, fetched.file)
    finally:
        fetched.file.unlink()
