"""What a column's cells are: numbers, yes or no, times, text; and what stands for nothing."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlcycle.project.source import ColumnType
from mlcycle.project.written import Booleans, Numbers
from mlcycle.proposal.moments import Moments, moments

if TYPE_CHECKING:
    import pyarrow as pa

NOTHING = {
    *(
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "NaN",
        "nan",
        "null",
        "NULL",
        "Null",
        "None",
        "none",
        "(null)",
        "NIL",
        "nil",
    ),
    *("?", "-", "--", "---", ".", "..", "*", "missing", "Missing", "unknown", "Unknown", "UNKNOWN"),
}
WORDS = (
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("y", "n"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
)
STYLES = (
    Numbers(),
    Numbers(decimal=","),
    Numbers(decimal=",", thousands="."),
    Numbers(decimal=".", thousands=","),
    Numbers(decimal=",", thousands=" "),
    Numbers(decimal=".", thousands="'"),
)
_PLAIN = re.compile(r"[+-]?([0-9]+([.,][0-9]+)*|[.,][0-9]+)([eE][+-]?[0-9]+)?")
ENOUGH = 0.98  # of the values must be of a type; the rest is set aside row by row


@dataclass(frozen=True)
class Column:
    """One column, as it was delivered."""

    name: str  # as delivered
    kind: ColumnType
    missing: int
    distinct: int
    rows: int
    examples: tuple[str, ...]
    moments: Moments | None = None  # of times
    odd: float = 0.0  # share of rows that are not of the type


@dataclass(frozen=True)
class Spelling:
    """How the cells of a table are written."""

    nulls: tuple[str, ...]
    numbers: Numbers
    booleans: Booleans
    trim: bool


def is_number(text: str) -> bool:
    """Whether it could be a number in some way of writing."""
    return _PLAIN.fullmatch(text.strip()) is not None


def _pattern(style: Numbers) -> re.Pattern[str]:
    point = re.escape(style.decimal)
    mark = re.escape(style.thousands) if style.thousands else ""
    whole = rf"([0-9]{{1,3}}({mark}[0-9]{{3}})+|[0-9]+)" if mark else "[0-9]+"
    return re.compile(rf"[+-]?({whole}({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?")


def columns(cells: "pa.Table") -> tuple[list[Column], Spelling]:
    """Look at every column of a table of texts, or of what a format has typed."""
    import pyarrow as pa

    counted = {name: _counts(cells.column(name)) for name in cells.column_names}
    typed = {name for name in cells.column_names if not pa.types.is_string(cells.schema.field(name).type)}
    trim = any(text != text.strip() for name in counted if name not in typed for text in counted[name])
    if trim:
        counted = {name: _stripped(counts) for name, counts in counted.items()}
    texts = {name: counts for name, counts in counted.items() if name not in typed}
    style = _style(texts)
    nulls = sorted(_nulls(texts.values(), style))
    words: list[tuple[str, str]] = []
    found = []
    for name, counts in counted.items():
        rows = len(cells)
        kept = Counter({text: count for text, count in counts.items() if text and text not in nulls})
        missing = rows - kept.total()
        if name in typed:
            kind: ColumnType = _typed(cells.schema.field(name).type)
            when = Moments(None, sure=True) if kind == "timestamp" else None
            odd = 0.0
        else:
            kind, when, odd = _kind(name, kept, style, words)
        examples = tuple(text for text, _ in kept.most_common(5))
        found.append(Column(name, kind, missing, len(kept), rows, examples, when, odd))
    true = list(dict.fromkeys([word for pair in words for word in pair[:1]])) or Booleans().true
    false = list(dict.fromkeys([word for pair in words for word in pair[1:]])) or Booleans().false
    return found, Spelling(tuple(nulls), style, Booleans(true=true, false=false), trim)


def _counts(column: "pa.ChunkedArray") -> Counter[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    found = pc.value_counts(column.drop_null())
    return Counter(
        dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))
    )


def _stripped(counts: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text, count in counts.items():
        found[text.strip()] += count
    return found


def _style(texts: dict[str, Counter[str]]) -> Numbers:
    """How numbers are written: the way by which most columns are numbers; among equals the plainest."""
    likely = {}
    for name, counts in texts.items():
        kept = [text for text in counts if text and text not in NOTHING]
        if kept and sum(map(is_number, kept)) >= ENOUGH * len(kept):
            likely[name] = kept
    scores = []
    for rank, style in enumerate(STYLES):
        pattern = _pattern(style)
        whole = sum(all(pattern.fullmatch(text) for text in kept) for kept in likely.values())
        read = sum(sum(1 for text in kept if pattern.fullmatch(text)) / len(kept) for kept in likely.values())
        scores.append((whole, round(read, 3), -rank))
    return STYLES[scores.index(max(scores))]


def _nulls(texts: Iterable[Counter[str]], style: Numbers) -> set[str]:
    """What stands for nothing: words for it, beside numbers or times; a question mark anywhere."""
    found: set[str] = set()
    pattern = _pattern(style)
    for counts in texts:
        said = {text for text in counts if text in NOTHING}
        rest = [text for text in counts if text and text not in NOTHING]
        read = sum(1 for text in rest if pattern.fullmatch(text))
        if said and (not rest or read >= ENOUGH * len(rest) or moments("", rest[:400]) is not None):
            found |= said
        found |= said & {"?", "NA", "N/A", "NaN", "nan", "null", "NULL", "(null)", "#N/A"}
    return found


def _kind(
    name: str, kept: Counter[str], style: Numbers, words: list[tuple[str, str]]
) -> tuple[ColumnType, Moments | None, float]:
    """The type of a column of texts, how its times are written, and the share of rows that are not of it."""
    if not kept:
        return "text", None, 0.0
    lower = {text.lower() for text in kept}
    pair = next((pair for pair in WORDS if lower <= set(pair)), None)
    if pair is not None and len(lower) == 2:
        words.append(pair)
        return "boolean", None, 0.0
    when = moments(name, list(kept)[:20_000])
    if when is not None:
        return "timestamp", when, 0.0
    pattern = _pattern(style)
    read = sum(count for text, count in kept.items() if pattern.fullmatch(text))
    if read < ENOUGH * kept.total():
        return "text", None, 0.0
    odd = 1 - read / kept.total()
    if any(re.fullmatch(r"0[0-9]+", text) for text in kept) and len({len(text) for text in kept}) == 1:
        return "text", None, 0.0  # 01067: a code, not a number
    mark = style.thousands or ""
    whole = all(re.fullmatch(r"[+-]?[0-9]{1,18}", text.replace(mark, "") if mark else text) for text in kept)
    return ("integer" if whole else "double"), None, odd


def _typed(kind: "pa.DataType") -> ColumnType:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "double"
    return "timestamp" if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else "text"
