"""A reader for tables not written as the platform writes: names changed, cells read by their spelling."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.plain_text import decoded, unpacked
from mlcycle.adapters.delivery.reader import Misfit, Opened, Reader, Rows
from mlcycle.domain import spelled
from mlcycle.domain.delivery import Malformed
from mlcycle.domain.row_checks import not_of_type, quoted
from mlcycle.project import Table
from mlcycle.project.written import Dealt

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

DAY = 86_400_000_000  # microseconds


class AsWritten:
    """Reads what another reader has split, as the table says it is written."""

    def __init__(self, inner: Reader, form: str, table: Table) -> None:
        self._inner, self._form, self._table = inner, form, table

    def open(self, data: bytes | Path) -> "Named":
        """Unpack and decode where that is declared, and look at the columns. Raises Malformed."""
        plain = unpacked(data, self._table.compression, self._table.max_bytes)
        made = [] if plain is data else [plain]
        try:
            if self._form == "csv":
                text = decoded(plain, self._table.csv)
                made += [] if text is plain else [text]
                plain = text
            return Named(
                self._inner.open(plain), self._table, [path for path in made if isinstance(path, Path)]
            )
        except BaseException:
            _drop(made)
            raise


def dealt(cells: "pa.Table", by: Dealt) -> "pa.ChunkedArray":
    """Times of n rows, drawn by a digest of what they say: of the same columns' same texts the same ones."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [pc.fill_null(column.cast(pa.string()), "\0") for column in cells.columns]
    said = pc.binary_join_element_wise(*texts, "\x1f").to_pandas().to_numpy(dtype=object)
    digests = pd.util.hash_array(said, categorize=False)
    days, within = digests % by.over, digests // by.over % DAY
    start = int(datetime(by.first.year, by.first.month, by.first.day, tzinfo=UTC).timestamp()) * 1_000_000
    found = (days * DAY + within).astype("int64") + start
    return pa.chunked_array([pa.array(found).cast(pa.timestamp("us", tz="UTC"))])


def _drop(made: list[Any]) -> None:
    for path in made:
        if isinstance(path, Path):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Named:
    """One delivery whose columns have the table's names."""

    inner: Opened
    table: Table
    made: list[Path]  # files that are there for its rows alone

    @property
    def header(self) -> list[str]:
        """The columns' names; the event time stands for the parts that it is made of."""
        found = [self._named(name) for name in self.inner.header] + self._added
        parts = self.table.times.parts
        if parts is None:
            return found
        missing = [name for name in parts if name not in self._delivered]
        if missing:
            raise Malformed(
                f"column {', '.join(map(repr, missing))} is missing, a part of {self.table.event_time}"
            )
        used = [self._named(name) for name in parts]
        return [name for name in found if name not in used or name in self.table.columns] + [
            self.table.event_time
        ]

    @property
    def _added(self) -> list[str]:
        """Columns that no delivery has."""
        numbered = [self.table.row_number] if self.table.row_number else []
        return [*self.table.constants, *numbered, *([self.table.event_time] if self.table.dealt else [])]

    @property
    def _delivered(self) -> list[str]:
        return [name.strip() if self.table.trim else name for name in self.inner.header]

    def _named(self, name: str) -> str:
        name = name.strip() if self.table.trim else name
        return self.table.rename.get(name, name)

    def rows(self, columns: list[str]) -> Rows:
        """The rows; one with a cell that cannot be read does not fit. Raises Malformed."""
        try:
            return self.read(self.split(columns), columns)
        finally:
            self.close()

    def split(self, columns: list[str] | None = None) -> Rows:
        """The rows as delivered, with what columns are made of; by default all. Raises Malformed."""
        if columns is None:
            return self.inner.rows(self.inner.header)
        at, parts = self._at, self._parts
        made = {*self._added, *([self.table.event_time] if parts else [])}
        wanted = [at[name] for name in columns if name in at and name not in made]
        if self.table.dealt and self.table.event_time in columns:
            parts = self._dealt_by
        return self.inner.rows(list(dict.fromkeys([*wanted, *parts])))

    def read(self, split: Rows, columns: list[str]) -> Rows:
        """Columns of rows as delivered, read as they are written."""
        import numpy as np
        import pyarrow as pa

        at, parts = self._at, self._parts
        spelling = spelling_of(self.table)
        came: dict[str, pa.ChunkedArray] = {}
        found: dict[str, pa.ChunkedArray] = {}
        bad: dict[str, np.ndarray[Any, Any]] = {}
        for name in columns:
            if name in self.table.constants:
                came[name] = pa.chunked_array([pa.repeat(self.table.constants[name], len(split.numbers))])
            elif name == self.table.row_number:
                came[name] = pa.chunked_array([pa.array(split.numbers, pa.int64())])
            elif self.table.dealt and name == self.table.event_time:
                came[name] = dealt(split.cells.select(self._dealt_by), self.table.dealt)
            elif parts and name == self.table.event_time:
                came[name] = _joined(split.cells, parts)
            else:
                came[name] = split.cells.column(at[name])
            found[name], wrong = _read(came[name], self.table.columns[name], spelling)
            if wrong.any():
                bad[name] = wrong
        rows = replace(split, cells=pa.table(found))
        return _without(rows, pa.table(came), bad, self.table, spelling) if bad else rows

    def close(self) -> None:
        """Remove what was unpacked."""
        _drop(list(self.made))

    @property
    def _at(self) -> dict[str, str]:
        """The delivered name of each column."""
        return {self._named(name): name for name in self.inner.header}

    @property
    def _dealt_by(self) -> list[str]:
        """Delivered columns that say on which day a row comes: those named, or all that are declared."""
        assert self.table.dealt is not None
        named = dict(zip(self._delivered, self.inner.header, strict=True))
        missing = [name for name in self.table.dealt.by if name not in named]
        if missing:
            raise Malformed(f"column {', '.join(map(repr, missing))} is missing, by which rows are dealt")
        given = [named[name] for name in self.table.dealt.by]
        return given or sorted(name for own, name in self._at.items() if own in self.table.columns)

    @property
    def _parts(self) -> list[str]:
        delivered = dict(zip(self._delivered, self.inner.header, strict=True))
        return [delivered[name] for name in self.table.times.parts or ()]

    def loadable(self, columns: list[str]) -> bool:
        """Never: what COPY would take is written otherwise."""
        return False


def spelling_of(table: Table) -> spelled.Spelling:
    """How a table's cells are written."""
    return spelled.Spelling(
        trim=table.trim,
        nulls=tuple(table.nulls),
        decimal=table.numbers.decimal,
        thousands=table.numbers.thousands,
        true=tuple(table.booleans.true),
        false=tuple(table.booleans.false),
        formats=table.times.formats,
        zone=table.times.timezone,
    )


def _read(
    cells: "pa.ChunkedArray", kind: str, spelling: spelled.Spelling
) -> "tuple[pa.ChunkedArray, np.ndarray[Any, Any]]":
    """N values as a column has them, and which of them could not be read."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_string(cells.type):
        return spelled.read(cells, kind, spelling)
    if kind == "timestamp" and pa.types.is_timestamp(cells.type) and cells.type.tz is None:
        found = spelled.localised(cells, spelling.zone)
        wrong: np.ndarray[Any, Any] = (found.is_null().to_numpy()) & (cells.is_valid().to_numpy())
        return found, wrong
    return cells, np.zeros(len(cells), dtype=bool)


def _joined(cells: "pa.Table", parts: list[str]) -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*(cells.column(name).cast(pa.string()) for name in parts), " ")


def _without(
    rows: Rows,
    came: "pa.Table",
    bad: "dict[str, np.ndarray[Any, Any]]",
    table: Table,
    spelling: spelled.Spelling,
) -> Rows:
    """The rows without those that have a cell which cannot be read; these do not fit."""
    import numpy as np
    import pyarrow as pa

    out = np.logical_or.reduce(list(bad.values()))
    misfits = dict(rows.misfits)
    for at in np.flatnonzero(out).tolist():
        data = {
            name: None if (cell := came.column(name)[at].as_py()) is None else str(cell)
            for name in came.column_names
        }
        reasons = {
            not_of_type(name, table.columns[name]): f"column {name}: {quoted(data[name] or '')} is not "
            f"{spelling.meaning(table.columns[name])}"
            for name, wrong in bad.items()
            if wrong[at]
        }
        misfits[int(rows.numbers[at])] = Misfit(reasons, data)
    return Rows(
        rows.cells.filter(pa.array(~out)), rows.numbers[~out], dict(sorted(misfits.items())), rows.blank
    )
