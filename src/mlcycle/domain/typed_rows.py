"""Cells read as the types a project declares, a whole column at once: text, or what a format has typed.

Stricter than PostgreSQL's own input: what passes here COPY takes, and means the same by it. The
text stays what is published, so that a number is never rewritten.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MEANING = {
    "integer": "an integer",
    "double": "a finite number",
    "boolean": "true or false",
    "timestamp": "a time like 2013-06-01T12:00:00Z",
}
_COMMON = {  # what nearly all cells look like, cast without a look at each
    "integer": r"^-?[0-9]{1,18}$",
    "double": r"^-?[0-9]{1,20}(\.[0-9]{1,30})?$",
    "timestamp": r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?",
    re.ASCII,
)


def cast(cells: "pa.ChunkedArray", kind: str) -> "tuple[pa.ChunkedArray, np.ndarray[Any, Any]]":
    """Read a column as a type.

    Args:
        cells: n strings, or values of another type; null is a missing value.
        kind: a ``ColumnType`` of the project file.

    Returns:
        n values, null where missing or bad, and n booleans that mark the bad ones.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "text" and pa.types.is_string(cells.type):
        return cells, np.zeros(len(cells), dtype=bool)
    target = {
        "text": pa.string(),
        "integer": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[kind]
    if not pa.types.is_string(cells.type):
        return _convert(cells, target)
    if kind in _COMMON:
        common = pc.fill_null(pc.match_substring_regex(cells, _COMMON[kind]), True)
        if pc.all(common, min_count=0).as_py():
            try:
                return cells.cast(target), np.zeros(len(cells), dtype=bool)
            except pa.ArrowInvalid:  # 30 February: let each cell speak for itself
                pass
    read = _READERS[kind]
    values: list[Any] = []
    bad = np.zeros(len(cells), dtype=bool)
    for at, text in enumerate(cells.to_pylist()):
        value = None if text is None else read(text)
        bad[at] = text is not None and value is None
        values.append(value)
    return pa.chunked_array([pa.array(values, type=target)]), bad


def _convert(
    cells: "pa.ChunkedArray", target: "pa.DataType"
) -> "tuple[pa.ChunkedArray, np.ndarray[Any, Any]]":
    """Typed values as another type; one that would lose something, or is not finite, is bad."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = cells.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        found = pa.chunked_array([[_one(cell, target) for cell in cells]], type=target)
    if pa.types.is_floating(target):
        found = pc.if_else(pc.fill_null(pc.is_finite(found), False), found, pa.scalar(None, target))
    bad: np.ndarray[Any, Any] = pc.and_(cells.is_valid(), pc.invert(found.is_valid())).to_numpy()
    return found, bad


def _one(cell: "pa.Scalar", target: "pa.DataType") -> Any:
    import pyarrow as pa

    try:
        return cell.cast(target).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _integer(text: str) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,30}", text, re.ASCII):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def _double(text: str) -> float | None:
    if len(text) > 400 or not (match := _NUMBER.fullmatch(text)):
        return None
    value = float(text)
    vanished = value == 0 and re.search("[1-9]", match[1]) is not None
    return value if math.isfinite(value) and not vanished else None


def _boolean(text: str) -> bool | None:
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(text.lower())


def _timestamp(text: str) -> datetime | None:
    """A time without a zone is UTC, as everywhere in the platform."""
    if not _TIME.fullmatch(text):
        return None
    try:
        value = datetime.fromisoformat(text)
        value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return value


_READERS: dict[str, Callable[[str], Any]] = {
    "integer": _integer,
    "double": _double,
    "boolean": _boolean,
    "timestamp": _timestamp,
}
