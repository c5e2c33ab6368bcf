"""Files that hold many partitions, cut by event time into one delivery a partition.

Rows keep the text that they came with; how it is written is read when the delivery is checked. A row
that cannot be split, or whose time cannot be read, belongs to no partition: it is set aside and told of.
"""

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.as_written import AsWritten, Named
from mlcycle.adapters.delivery.reader import Misfit, Rows, render
from mlcycle.adapters.delivery.readers import READERS
from mlcycle.adapters.delivery.source import Fetched, NotDelivered
from mlcycle.domain.delivery import Malformed, compare_header
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.row_checks import not_of_type, quoted
from mlcycle.domain.typed_rows import MEANING, cast
from mlcycle.errors import DataRejected
from mlcycle.project import Table
from mlcycle.project.written import Csv

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = ("csv", "jsonl")
MOST_NOTED = 10_000  # rows of no partition that are set aside with their reasons


@dataclass
class Cut:
    """Deliveries by partition, out of files that hold many."""

    form: str  # of the deliveries
    parts: dict[str, bytes] = field(default_factory=dict)
    rows: int = 0
    first: str | None = None  # partition there is
    last: str | None = None
    unplaced: list[Misfit] = field(
        default_factory=list
    )  # rows that belong to no partition, the first of them
    unplaced_rows: int = 0

    def put_aside(self, rows: Sequence[Misfit]) -> None:
        """Note rows that belong to no partition."""
        self.unplaced_rows += len(rows)
        self.unplaced += rows[: max(MOST_NOTED - len(self.unplaced), 0)]

    def fetch(self, name: str, _table: Table, partition: Partition) -> Fetched:
        """The delivery of one partition. Raises NotDelivered where the files have no row of it."""
        data = self.parts.get(partition.key)
        if data is None:
            has = f"has rows of {self.first} to {self.last}" if self.first else "has no row with a time"
            raise NotDelivered(
                f"{name} of {partition.key} is not delivered yet: its file {has}, none of this one"
            )
        return Fetched(hashlib.sha256(data).hexdigest(), len(data), data, None)

    def set_aside(self) -> bytes:
        """The rows that belong to no partition, a JSON object a line."""
        lines = ({"reasons": list(row.reasons.values()), "data": row.data} for row in self.unplaced)
        return "".join(json.dumps(line) + "\n" for line in lines).encode()


def as_cut(table: Table, form: str) -> tuple[Table, str]:
    """How a table's deliveries are written once its files are cut, and in which format."""
    if table.database is not None:
        return table, "parquet"
    if table.events is not None:
        return table, "jsonl"
    if table.file is None:
        return table, form
    cut = "csv" if (table.format or form) in TEXT else "parquet"
    plain = {"csv": Csv(), "compression": None, "format": cut, "file": None}
    return table.model_copy(update=plain), cut


def cut(files: Iterable[Fetched], table: Table, form: str, unit: Unit, wanted: Collection[str]) -> Cut:
    """Cut files into deliveries of the partitions that are wanted.

    Args:
        files: as fetched; those on disk are removed.
        table: what the project declares, and how it is written.
        form: the source's format.
        unit: of partitions.
        wanted: keys of partitions; rows of others are left out.

    Raises DataRejected where a file cannot be read at all.
    """
    form = table.format or form
    reader = AsWritten(READERS[form](table), form, table)
    found = Cut("csv" if form in TEXT else "parquet")
    pieces: dict[str, list[pa.Table]] = defaultdict(list)
    for file in files:
        data = file.file or file.data or b""
        try:
            _cut_one(reader, data, table, unit, wanted, found, pieces)
        except Malformed as error:
            raise DataRejected(f"{table.file}: {error}") from None
        finally:
            if isinstance(data, Path):
                data.unlink()
    found.parts = {key: _written(pieces.pop(key), found.form) for key in sorted(pieces)}
    return found


def _cut_one(
    reader: AsWritten,
    data: bytes | Path,
    table: Table,
    unit: Unit,
    wanted: Collection[str],
    found: Cut,
    pieces: "dict[str, list[pa.Table]]",
) -> None:
    named = reader.open(data)
    try:
        missing, _ = compare_header(named.header, [table.event_time])
        if missing:
            raise Malformed(f"column {table.event_time!r} is missing: rows have no time to be cut by")
        split = named.split()
        found.rows += split.count
        for key, rows in _by_partition(named, split, table, unit, wanted, found):
            pieces[key].append(rows)
    finally:
        named.close()


def _by_partition(
    named: Named, split: Rows, table: Table, unit: Unit, wanted: Collection[str], found: Cut
) -> "Iterator[tuple[str, pa.Table]]":
    """The rows as delivered of each partition that is wanted; those of none are noted."""
    import numpy as np
    import pyarrow as pa

    read = named.read(split, [table.event_time])
    times, bad = cast(read.cells.column(table.event_time), "timestamp")
    texts = read.cells.column(table.event_time)
    placed = times.is_valid().to_numpy()
    found.put_aside(list(read.misfits.values()))
    found.put_aside(
        [_timeless(table.event_time, texts[at].as_py(), bad[at]) for at in np.flatnonzero(~placed)]
    )
    whole = split.cells.filter(pa.array(np.isin(split.numbers, read.numbers[placed])))
    numbers = unit.numbers(times.filter(pa.array(placed)).cast(pa.int64()).to_numpy() / 1e6)
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    edges = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(order)] if len(order) else []
    for begin, end in pairwise(edges):
        key = unit.key(unit.start(int(ordered[begin])))
        found.first, found.last = min(found.first or key, key), max(found.last or key, key)
        if key in wanted:
            yield key, whole.take(pa.array(order[begin:end]))


def _timeless(column: str, cell: Any, bad: bool) -> Misfit:
    if not bad:
        return Misfit({"empty": f"column {column}: empty"}, {column: None})
    told = f"column {column}: {quoted(str(cell))} is not {MEANING['timestamp']}"
    return Misfit({not_of_type(column, "timestamp"): told}, {column: str(cell)})


def _written(pieces: "list[pa.Table]", form: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    rows = pa.concat_tables(pieces, promote_options="default")
    if form == "csv":
        return render(rows)
    sink = io.BytesIO()
    pa.parquet.write_table(rows, sink)
    return sink.getvalue()
