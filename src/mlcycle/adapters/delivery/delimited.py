"""CSV deliveries as columns of text, row numbers kept."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlcycle.adapters.delivery.reader import Misfit, Rows
from mlcycle.domain.delivery import CHUNK, MAX_LINE, PLAIN, Dialect, Malformed, Shape, check_quotes, inspect


class Delimited:
    """Reads CSV: UTF-8, and by default a header, commas and quotes."""

    def __init__(self, dialect: Dialect = PLAIN) -> None:
        self._dialect = dialect

    def open(self, data: bytes | Path) -> "Sheet":
        """Look at every byte once, and at the header. Raises Malformed."""
        return Sheet(data, inspect(chunks(data), self._dialect), self._dialect)


@dataclass(frozen=True)
class Sheet:
    """One inspected CSV delivery."""

    data: bytes | Path
    shape: Shape
    dialect: Dialect

    @property
    def header(self) -> list[str]:
        """The header's names."""
        return self.shape.header

    def rows(self, columns: list[str]) -> Rows:
        """The rows as columns of text. Raises Malformed."""
        return parse(self.data, self.shape, columns, self.dialect)

    def loadable(self, columns: list[str]) -> bool:
        """Whether COPY splits the bytes as they came the same way, into these columns."""
        return self.dialect == PLAIN and self.shape.plain and self.shape.header == columns


def chunks(data: bytes | Path) -> Iterator[bytes]:
    """The bytes of a delivery, a piece at a time."""
    if isinstance(data, bytes):
        for at in range(0, len(data), CHUNK):
            yield data[at : at + CHUNK]
        return
    with data.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def parse(data: bytes | Path, shape: Shape, columns: list[str], dialect: Dialect = PLAIN) -> Rows:
    """Split an inspected delivery into cells. Raises Malformed where quoting never ends.

    An empty cell is a missing value, a quoted empty one is the empty text.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    misfits: dict[int, Misfit] = {}
    above = 0 if dialect.names else 1  # pyarrow counts the header

    def misfit(row: Any) -> str:
        wrong = f"the row has {row.actual_columns} fields, the header {row.expected_columns}"
        misfits[row.number - above] = Misfit({"wrong number of fields": wrong}, {"row": row.text[:500]})
        return "skip"

    if not shape.plain:
        with _text(data) as lines:
            check_quotes(lines, dialect)
    source = pa.BufferReader(data) if isinstance(data, bytes) else str(data)
    try:
        table = pa.csv.read_csv(
            source,
            read_options=pa.csv.ReadOptions(
                use_threads=False, block_size=4 * MAX_LINE, column_names=shape.header, skip_rows=above
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=dialect.quote or False,
                escape_char=dialect.escape or False,
                newlines_in_values=not shape.plain,
                invalid_row_handler=misfit,
                ignore_empty_lines=False,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(shape.header, pa.string()),
                include_columns=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if shape.lines <= 1 or "Empty CSV" in str(error):
            table = pa.table({name: pa.array([], pa.string()) for name in columns})
        else:
            raise Malformed(
                f"not CSV: a quote that does not end, or {' '.join(str(error).split())}"
            ) from None
    numbers = np.arange(1, table.num_rows + len(misfits) + 1)
    numbers = np.delete(numbers, [number - 1 for number in misfits]) if misfits else numbers
    if all(table.column(name).null_count for name in columns):
        said = np.zeros(table.num_rows, dtype=bool)
        for name in columns:
            said |= table.column(name).is_valid().to_numpy()
        blank = int((~said).sum())
        return Rows(table.filter(pa.array(said)), numbers[said], misfits, blank)
    return Rows(table, numbers, misfits, 0)


def _text(data: bytes | Path) -> IO[str]:
    raw: IO[bytes] = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    return io.TextIOWrapper(raw, "utf-8-sig", newline="")
