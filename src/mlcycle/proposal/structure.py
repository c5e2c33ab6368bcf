"""What splits a file into cells: compression, encoding, separator, quotes, header, lines above it.

A few separators are tried and judged by whether they split all lines alike.
"""

import csv
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.adapters.delivery.columnar import Columnar
from mlcycle.adapters.delivery.delimited import Delimited
from mlcycle.adapters.delivery.json_lines import JsonLines
from mlcycle.adapters.delivery.plain_text import decoded, unpacked
from mlcycle.domain.delivery import Dialect, Malformed
from mlcycle.errors import InputError
from mlcycle.project.written import Compression, Csv, Format
from mlcycle.proposal.cells import is_number

if TYPE_CHECKING:
    import pyarrow as pa

HEAD = 1 << 18  # bytes that are looked at
SEPARATORS = (",", ";", "\t", "|", "whitespace", ":")
ALIKE = 0.97  # of the lines must have as many cells as most have
MOST_ABOVE = 30  # lines above a header
MOST = 1 << 28  # bytes of a file, unpacked


@dataclass(frozen=True)
class Structure:
    """A file split into cells of text."""

    form: Format
    compression: Compression | None
    csv: Csv
    cells: "pa.Table"  # by the names that were delivered, or were made up where there are none
    misfits: int  # rows that have more or fewer cells
    said: list[str] = field(default_factory=list)  # conclusions, for people


def structure(path: Path, columns: list[str] | None = None) -> Structure:
    """Split a file.

    Args:
        path: the file.
        columns: names, for a file without header.

    Raises InputError for one that no way of splitting fits.
    """
    if not path.stat().st_size:
        raise InputError(f"{path} is empty: there is nothing to learn from")
    with path.open("rb") as stream:
        start = stream.read(8)
    compression: Compression | None = None
    if start.startswith(b"\x1f\x8b"):
        compression = "gzip"
    elif start.startswith(b"\x28\xb5\x2f\xfd"):
        compression = "zstd"
    try:
        plain = unpacked(path.read_bytes() if compression else path, compression, MOST)
        data = plain if isinstance(plain, bytes) else path.read_bytes()
        if data[:4] == b"PAR1" or data[:3] == b"ORC":
            return _columnar(data, "parquet" if data[:4] == b"PAR1" else "orc", compression)
        if data.lstrip()[:1] == b"{" and _is_json(data):
            rows = (opened := JsonLines().open(data)).rows(opened.header)
            return Structure(
                "jsonl", compression, Csv(), rows.cells, len(rows.misfits), ["JSON, an object a line"]
            )
        return _delimited(path, data, compression, columns)
    except Malformed as error:
        raise InputError(f"{path}: {error}") from None


def _columnar(data: bytes, form: Format, compression: Compression | None) -> Structure:
    opened = Columnar(form).open(data)
    return Structure(form, compression, Csv(), opened.rows(opened.header).cells, 0, [form.capitalize()])


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data.lstrip().split(b"\n", 1)[0]), dict)
    except ValueError:
        return False


def _delimited(
    path: Path, data: bytes, compression: Compression | None, columns: list[str] | None
) -> Structure:
    encoding = encoding_of(data)
    head = data[:HEAD]
    if len(data) > HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    lines = text.splitlines()
    found = _split(path, lines)
    names = columns or found.names
    if columns is not None and len(columns) != found.width:
        raise InputError(
            f"--columns names {len(columns)}, and the lines of {path} have {found.width} cells each"
        )
    plain_header = not columns and found.header and not found.renamed
    csv_ = Csv(
        separator=found.separator,
        quote=found.quote,
        encoding=encoding,
        header=plain_header,
        names=None if plain_header else names,
        skip=found.skip + (0 if plain_header or not found.header else 1),
        comment=found.comment,
    )
    said = [
        f"{path.name}: cells are separated by {_called(found.separator)}"
        + (f", encoding {encoding}" if encoding != "utf-8" else "")
        + (f", {found.skip} lines above the header" if found.skip else "")
        + ("" if found.header else ", no header")
    ]
    separator = "\t" if csv_.separator == "whitespace" else csv_.separator
    dialect = Dialect(separator, csv_.quote, None, () if csv_.header else tuple(names))
    opened = Delimited(dialect).open(decoded(data, csv_))
    rows = opened.rows(opened.header)
    return Structure("csv", compression, csv_, rows.cells, len(rows.misfits), said)


def encoding_of(data: bytes) -> str:
    """The encoding of text: UTF-8 where it is, else what its bytes look like."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode()
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(
            data[:HEAD], cp_isolation=["cp1252", "cp1250", "cp1251", "gb18030", "shift_jis", "euc_kr"]
        ).best()
        return best.encoding if best else "cp1252"
    return "utf-8"


@dataclass(frozen=True)
class _Split:
    separator: str
    quote: str | None
    comment: str | None
    skip: int
    header: bool
    names: list[str]
    renamed: bool  # the header's names are not these, or too few
    width: int


def _split(path: Path, lines: list[str]) -> _Split:
    comment = "#" if any(line.startswith("#") for line in lines[:MOST_ABOVE]) else None
    body = [line for line in lines if line.strip() and not (comment and line.startswith(comment))]
    if not body:
        raise InputError(f"{path} has no line with a value")
    best: tuple[tuple[float, ...], str, str | None, list[list[str]], int] | None = None
    for rank, separator in enumerate(SEPARATORS):
        quote, rows = _rows(body, separator)
        width, share = _width(rows)
        if width < 2 or share < ALIKE:
            continue
        above = _above(rows, width)
        whole = float(len(rows[above]) in (width, width - 1))
        score = (whole, round(share, 2), _readable(rows[-200:]), float(above == 0), float(width), -rank)
        if best is None or score > best[0]:
            best = (score, separator, quote, rows, width)
    if best is None:
        if len({len(line.split(",")) for line in body}) == 1:  # one column
            rows = [[line] for line in body]
            best = ((0.0,), ",", '"', rows, 1)
        else:
            raise InputError(
                f"{path}: no separator splits its lines alike: tell how it is written (docs/sources.md)"
            )
    _, separator, quote, rows, width = best
    above = _above(rows, width)
    skip = (
        next(at for at, line in enumerate(lines) if line == body[above])
        if above
        else _leading(lines, body[0], comment)
    )
    first = rows[above]
    header = len(first) == width - 1 or _is_header(first, rows[above + 1 :])
    names = ["row", *first] if len(first) == width - 1 else list(first)
    if not header:
        names = [f"column_{number}" for number in range(1, width + 1)]
    names = [name.strip() or f"column_{at}" for at, name in enumerate(names, 1)] if header else names
    twice = Counter(names)
    names = [name if twice[name] == 1 else f"{name}_{at}" for at, name in enumerate(names, 1)]
    renamed = not header or names != [name.strip() for name in first]
    return _Split(separator, quote, comment, skip, header, names if renamed else list(first), renamed, width)


def _leading(lines: list[str], first: str, comment: str | None) -> int:
    """Blank lines above the first one; comments are left out by themselves."""
    return 0 if comment else lines.index(first)


def _rows(lines: list[str], separator: str) -> tuple[str | None, list[list[str]]]:
    if separator == "whitespace":
        return None, [line.split() for line in lines]
    for quote in ('"', "'"):
        if not any(f"{separator}{quote}" in line or line.startswith(quote) for line in lines):
            continue
        try:
            rows = list(csv.reader(lines, delimiter=separator, quotechar=quote, strict=True))
        except csv.Error:
            continue
        if len(rows) > 0.9 * len(lines):
            return quote, rows
    plain = list(csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE))
    return ('"' if not any('"' in line for line in lines) else None), plain


def _width(rows: list[list[str]]) -> tuple[int, float]:
    """How many cells most rows have, and which share of them, those at the top aside."""
    counts = Counter(map(len, rows[min(MOST_ABOVE, len(rows) // 5) :]))
    width, times = counts.most_common(1)[0]
    return width, times / counts.total()


def _readable(rows: list[list[str]]) -> float:
    """Share of the cells that are numbers or times."""
    from mlcycle.proposal.moments import looks_like_time

    cells = [cell for row in rows for cell in row]
    return sum(is_number(cell) or looks_like_time(cell) for cell in cells) / max(len(cells), 1)


def _above(rows: list[list[str]], width: int) -> int:
    """Rows above the first that is split as most are; a header may lack the name of row numbers."""
    for at, row in enumerate(rows[:MOST_ABOVE]):
        if len(row) == width:
            return at
        below = rows[at + 1 : at + 200]
        if len(row) == width - 1 and below and len(below[0]) == width and not _is_header(below[0], below[1:]):
            return at
    return 0


def _is_header(first: list[str], rows: list[list[str]]) -> bool:
    """Whether names stand there: no numbers, where numbers or other values stand below."""
    from mlcycle.proposal.moments import looks_like_time

    named = [cell.strip() for cell in first]
    if any(is_number(cell) or looks_like_time(cell) for cell in named if cell):
        return False
    for at, name in enumerate(named):
        below = [row[at].strip() for row in rows if len(row) == len(first) and row[at].strip()]
        if below and sum(is_number(cell) or looks_like_time(cell) for cell in below[:200]) > 0.5 * len(
            below[:200]
        ):
            return True
        if name and name in below:
            return False
    return True


def _called(separator: str) -> str:
    return {"\t": "tabs", "whitespace": "blanks", ",": "commas", ";": "semicolons"}.get(
        separator, repr(separator)
    )
