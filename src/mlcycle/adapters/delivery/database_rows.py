"""Rows of a database as one delivery: typed columns in a Parquet file, written as they come.

A column's type is that of its first value, and stays; what does not fit a type of Arrow, or of which the
first rows have no value, is text, which the checks read as the project declares it. SQLite has types for
values, not for columns: all of it is text.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.errors import DataRejected

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000  # at once in memory


def write(
    chunks: Iterable[Sequence[Sequence[Any]]],
    names: Sequence[str],
    kinds: Mapping[str, str],
    file: Path,
    *,
    typed: bool,
    max_bytes: int,
) -> int:
    """Write rows to a Parquet file and return how many there were.

    Args:
        chunks: rows, each a value a name.
        names: of the columns, as delivered.
        kinds: declared type of those that are declared.
        file: to write; it is there afterwards if a row is.
        typed: whether the database has types for columns.
        max_bytes: of the file.

    Raises DataRejected where the file gets larger.
    """
    import pyarrow as pa
    import pyarrow.parquet

    writer: Any = None
    types: list[pa.DataType] = []
    count = 0
    try:
        for rows in chunks:
            columns = list(zip(*rows, strict=True))
            if writer is None:
                types = [
                    _type(column, kinds.get(name)) if typed else pa.string()
                    for name, column in zip(names, columns, strict=True)
                ]
                schema = pa.schema(list(zip(names, types, strict=True)))
                writer = pa.parquet.ParquetWriter(file, schema)
            arrays = [_array(column, kind) for column, kind in zip(columns, types, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
            if file.stat().st_size > max_bytes:
                raise DataRejected(f"more than {max_bytes} bytes, the table's max_bytes: nothing was staged")
    finally:
        if writer is not None:
            writer.close()
    return count


def _type(column: Sequence[Any], kind: str | None) -> "pa.DataType":
    """The type that a column is staged as: of the first value, as far as the declared type asks for it."""
    import pyarrow as pa

    first = next((value for value in column if value is not None), None)
    number = isinstance(first, int | float | Decimal) and not isinstance(first, bool)
    if isinstance(first, bool) and kind != "text":
        return pa.bool_()
    if isinstance(first, datetime) and kind != "text":
        return pa.timestamp("us", tz="UTC" if first.tzinfo else None)
    if isinstance(first, date) and kind in ("timestamp", None):
        return pa.timestamp("us")
    if isinstance(first, int) and number and kind in ("integer", None):
        return pa.int64()
    if number and kind in ("double", None):
        return pa.float64()
    return pa.string()


def _array(column: Sequence[Any], kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.array([as_text(value) for value in column], kind)
    if pa.types.is_floating(kind):
        return pa.array([None if value is None else float(value) for value in column], kind)
    if pa.types.is_timestamp(kind):
        column = [
            datetime(value.year, value.month, value.day)
            if isinstance(value, date) and not isinstance(value, datetime)
            else value
            for value in column
        ]
    return pa.array(column, kind)


def as_text(value: Any) -> str | None:
    """A value as the platform writes it: numbers without an exponent where they are whole, JSON with sorted
    keys, bytes in hexadecimal digits.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return (
            str(int(value))
            if math.isfinite(value) and value == int(value) and abs(value) < 2**63
            else repr(value)
        )
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
