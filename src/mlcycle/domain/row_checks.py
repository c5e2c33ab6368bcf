"""Checks that need no suite: types, keys, event times inside the partition, one row per key.

Whole columns at once over the rows of several partitions, so that thousands of small partitions
cost little more than one large one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.domain.partitions import Partition
from mlcycle.domain.quarantine import Reasons
from mlcycle.domain.typed_rows import MEANING, cast

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


SECOND = "a second row for a key"  # of those refused
SHOWN = 80  # characters of a cell that a reason quotes


@dataclass(frozen=True)
class Declared:
    """What a project declares of a table's rows."""

    columns: dict[str, str]  # name -> type, in order
    key: list[str]  # with the event time, identifies a row
    event_time: str

    @property
    def identity(self) -> list[str]:
        """The columns that identify a row, each once."""
        return list(dict.fromkeys([*self.key, self.event_time]))


@dataclass
class Checked:
    """Rows of several partitions after the checks; every array has one entry a row."""

    typed: "pa.Table"  # bad cells are null
    loads: "pa.Table"  # what is published of the rows: text as it came, and typed values
    reasons: Reasons  # by position
    duplicates: "np.ndarray[Any, Any]"  # exact copies of an earlier row
    event_us: "np.ndarray[Any, Any]"  # event time, microseconds since 1970; meaningless where bad

    @property
    def good(self) -> "np.ndarray[Any, Any]":
        """Rows that have passed so far."""
        good = ~self.duplicates
        good[list(self.reasons.by_row)] = False
        return good


def check(
    cells: "pa.Table", owner: "np.ndarray[Any, Any]", partitions: list[Partition], table: Declared
) -> Checked:
    """Check rows of text, or of the types their format has.

    Args:
        cells: n rows; the table's columns in declared order.
        owner: for each row the index of its partition.
        partitions: the partitions.
        table: what the project declares.
    """
    import numpy as np
    import pyarrow as pa

    reasons = Reasons()
    columns = {}
    for name, kind in table.columns.items():
        columns[name], bad = cast(cells.column(name), kind)
        for at in np.flatnonzero(bad).tolist():
            text = str(cells.column(name)[at].as_py())
            reasons.add(at, not_of_type(name, kind), f"column {name}: {quoted(text)} is not {MEANING[kind]}")
    typed = pa.table(columns)
    for name in table.identity:
        for at in np.flatnonzero(cells.column(name).is_null().to_numpy()).tolist():
            reasons.add(at, empty_key(name), empty_key(name))
    event_us = _microseconds(typed.column(table.event_time))
    _inside(event_us, owner, partitions, table.event_time, typed, reasons)
    duplicates = _one_row_per_key(cells, typed, table, reasons)
    loads = {name: cells.column(name) if _is_text(cells, name) else columns[name] for name in columns}
    return Checked(typed, pa.table(loads), reasons, duplicates, event_us)


def _is_text(cells: "pa.Table", name: str) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(cells.schema.field(name).type))


def _microseconds(times: "pa.ChunkedArray") -> "np.ndarray[Any, Any]":
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers: np.ndarray[Any, Any] = pc.fill_null(times.cast(pa.int64()), 0).to_numpy()
    return numbers


def _inside(
    event_us: "np.ndarray[Any, Any]",
    owner: "np.ndarray[Any, Any]",
    partitions: list[Partition],
    column: str,
    typed: "pa.Table",
    reasons: Reasons,
) -> None:
    import numpy as np

    starts = np.array([int(p.start.timestamp()) for p in partitions], dtype=np.int64) * 1_000_000
    ends = np.array([int(p.end.timestamp()) for p in partitions], dtype=np.int64) * 1_000_000
    outside = (event_us < starts[owner]) | (event_us >= ends[owner])
    outside &= typed.column(column).is_valid().to_numpy()
    for at in np.flatnonzero(outside).tolist():
        moment = typed.column(column)[at].as_py().strftime("%Y-%m-%dT%H:%M:%SZ")
        where = f"is not in partition {partitions[owner[at]].key}"
        reasons.add(at, not_inside(column), f"column {column}: {moment} {where}")


def _one_row_per_key(
    cells: "pa.Table", typed: "pa.Table", table: Declared, reasons: Reasons
) -> "np.ndarray[Any, Any]":
    """Exact copies of a row are marked; another row of the same key is bad. The first one stays."""
    import numpy as np

    copies = np.zeros(len(cells), dtype=bool)
    fit = np.ones(len(cells), dtype=bool)
    fit[list(reasons.by_row)] = False
    keys = typed.select(table.identity).to_pandas()[fit]
    again = keys.index[keys.duplicated(keep="first")]
    if len(again):
        texts = cells.to_pandas()[fit]
        same = texts.index[texts.duplicated(keep="first")]
        copies[same] = True
        for at in again.difference(same).tolist():
            key = ", ".join(f"{name} {quoted(str(cells.column(name)[at].as_py()))}" for name in keys.columns)
            reasons.add(at, SECOND, f"a second row for {key} with other values")
    return copies


def not_of_type(name: str, kind: str) -> str:
    """The kind of reason for a cell that its column's type does not have, however it is written."""
    return f"column {name}: not {MEANING[kind]}"


def not_inside(name: str) -> str:
    """The kind of reason for an event time that is not in the delivery's partition."""
    return f"column {name}: outside its partition"


def empty_key(name: str) -> str:
    """The kind of reason for a missing value in a column that identifies the row."""
    return f"column {name}: empty, but it identifies the row"


def quoted(text: str) -> str:
    """A cell's text as reasons show it."""
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"'{shown}'"
