"""Cells of text as people write them: decimal commas, days before months, words for nothing.

Whole columns at once. What is read comes out as the platform writes it, or typed; what cannot be read
is told apart.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Spelling:
    """How a table's cells are written."""

    trim: bool
    nulls: tuple[str, ...]
    decimal: str
    thousands: str | None
    true: tuple[str, ...]
    false: tuple[str, ...]
    formats: tuple[str, ...]  # of times, strptime's, "unix" or "unix_ms"; none: ISO 8601
    zone: tzinfo  # of times that name none

    def meaning(self, kind: str) -> str:
        """What a cell of a type must be, for people."""
        if kind == "timestamp" and self.formats:
            return f"a time like {' or '.join(map(repr, self.formats))}"
        if kind == "timestamp":
            return f"a time like 2013-06-01T12:00:00 in {self.zone}"
        if kind == "boolean":
            return f"one of {', '.join((*self.true, *self.false))}"
        what = "an integer" if kind == "integer" else "a number"
        said = f"{what} with {self.decimal!r} before decimals"
        return f"{said} and {self.thousands!r} between thousands" if self.thousands else said


def read(
    cells: "pa.ChunkedArray", kind: str, spelling: Spelling
) -> "tuple[pa.ChunkedArray, np.ndarray[Any, Any]]":
    """Read a column.

    Args:
        cells: n strings; null is a missing value.
        kind: a ``ColumnType`` of the project file.
        spelling: how they are written.

    Returns:
        n strings, or times, null where missing or not readable; n booleans that mark the latter.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if spelling.trim:
        cells = pc.utf8_trim_whitespace(cells)
        cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    if spelling.nulls:
        gone = pc.is_in(cells, value_set=pa.array(spelling.nulls, pa.string()))
        cells = pc.if_else(gone, pa.scalar(None, pa.string()), cells)
    if kind == "text":
        return cells, np.zeros(len(cells), dtype=bool)
    if kind == "timestamp":
        found = _times(cells, spelling.formats, spelling.zone)
    elif kind == "boolean":
        found = _words(cells, spelling.true, spelling.false)
    else:
        found = _numbers(cells, spelling.decimal, spelling.thousands)
    bad: np.ndarray[Any, Any] = pc.and_(cells.is_valid(), pc.invert(found.is_valid())).to_numpy()
    return found, bad


def _numbers(cells: "pa.ChunkedArray", decimal: str, thousands: str | None) -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    if (decimal, thousands) == (".", None):
        return cells  # as the platform writes them
    mark = re.escape(thousands) if thousands else ""
    whole = rf"([0-9]{{1,3}}({mark}[0-9]{{3}})+|[0-9]+)" if thousands else "[0-9]+"
    point = re.escape(decimal)
    like = rf"^[+-]?({whole}({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?$"
    found = pc.if_else(pc.match_substring_regex(cells, like), cells, pa.scalar(None, pa.string()))
    if thousands:
        found = pc.replace_substring(found, thousands, "")
    return pc.replace_substring(found, decimal, ".")


def _words(cells: "pa.ChunkedArray", true: Sequence[str], false: Sequence[str]) -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    lower = pc.utf8_lower(cells)
    yes = pc.is_in(lower, value_set=pa.array([word.lower() for word in true], pa.string()))
    no = pc.is_in(lower, value_set=pa.array([word.lower() for word in false], pa.string()))
    none = pa.scalar(None, pa.string())
    return pc.if_else(yes, "true", pc.if_else(no, "false", none))


def _times(cells: "pa.ChunkedArray", formats: Sequence[str], zone: tzinfo) -> "pa.ChunkedArray":
    """Times in UTC, microseconds; null where none of the formats reads one."""
    import pandas as pd
    import pyarrow as pa

    if not formats and str(zone) == "UTC":
        return cells  # as the platform writes them
    texts = cells.to_pandas()
    first, *others = formats or ("ISO8601",)
    left = _one_format(texts, first, zone) if len(texts) else pd.Series(dtype="datetime64[us, UTC]")
    for each in others:
        open_ = texts[left.isna() & texts.notna()]
        if open_.empty:
            break
        left[open_.index] = _one_format(open_, each, zone)
    return pa.chunked_array([pa.array(left, type=pa.timestamp("us", tz="UTC"), from_pandas=True)])


def _one_format(texts: Any, form: str, zone: tzinfo) -> Any:
    import pandas as pd

    if form in ("unix", "unix_ms"):
        numbers = pd.to_numeric(texts, errors="coerce")
        unit = "s" if form == "unix" else "ms"
        return pd.to_datetime(numbers, unit=unit, utc=True, errors="coerce").astype("datetime64[us, UTC]")
    if "%z" in form:
        return pd.to_datetime(texts, format=form, utc=True, errors="coerce").astype("datetime64[us, UTC]")
    if form != "ISO8601":
        return _localised(pd.to_datetime(texts, format=form, errors="coerce"), zone)
    zoned = texts.str.contains(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$", regex=True)
    found = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    if zoned.any():
        said = pd.to_datetime(texts[zoned], format="ISO8601", utc=True, errors="coerce")
        found[zoned] = said.astype("datetime64[us, UTC]")
    if not zoned.all():
        found[~zoned] = _localised(pd.to_datetime(texts[~zoned], format="ISO8601", errors="coerce"), zone)
    return found


def localised(times: "pa.ChunkedArray", zone: tzinfo) -> "pa.ChunkedArray":
    """Times without a zone, as a format with types has them, in UTC; null where the zone has no such time."""
    import pyarrow as pa

    local = _localised(times.cast(pa.timestamp("us")).to_pandas(), zone)
    return pa.chunked_array([pa.array(local, type=pa.timestamp("us", tz="UTC"), from_pandas=True)])


def _localised(times: Any, zone: tzinfo) -> Any:
    """Times of a zone in UTC: the first of an hour that comes twice, none of one that does not come."""
    import numpy as np

    first = np.ones(len(times), dtype=bool)
    local = times.dt.tz_localize(zone, ambiguous=first, nonexistent="NaT")
    return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
