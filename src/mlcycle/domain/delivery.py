"""The bytes of a CSV delivery, looked at before anything parses them.

In bounded memory whatever the file holds: complete lines only are kept, and a line has a longest
length. A position is told as row (1 is the first under the header), column and byte of the file.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_LINE = 1 << 20
CHUNK = 1 << 18

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"PAR1": "Parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


class Malformed(Exception):
    """The bytes are no CSV that could be read; the message is one line."""


@dataclass(frozen=True)
class Dialect:
    """What splits UTF-8 text into cells."""

    separator: str = ","
    quote: str | None = '"'
    escape: str | None = None
    names: tuple[str, ...] = ()  # of the columns, where the first line is a row

    @property
    def for_csv(self) -> dict[str, Any]:
        """The same for the standard library's ``csv``, which shall refuse what is not well formed."""
        how: dict[str, Any] = {"delimiter": self.separator, "escapechar": self.escape, "strict": True}
        return {**how, "quotechar": self.quote} if self.quote else {**how, "quoting": csv.QUOTE_NONE}


PLAIN = Dialect()


@dataclass(frozen=True)
class Shape:
    """What a look at the bytes has shown."""

    header: list[str]
    plain: bool  # no quotes, carriage returns, blank lines or byte order mark: all readers split it alike
    lines: int  # header included, which a file without one has above its first byte


def inspect(chunks: Iterable[bytes], dialect: Dialect = PLAIN) -> Shape:
    """Look at a delivery's bytes once. Raises Malformed, naming row, column and byte."""
    header: list[str] | None = list(dialect.names) or None
    carry, offset, lines, plain = b"", 0, 1 if header else 0, True
    for chunk in _small(chunks):
        if offset == 0 and not carry:
            _refuse_formats(chunk)
        carry += chunk
        cut = carry.rfind(b"\n") + 1
        _refuse_long(carry, cut, lines)
        if cut:
            if header is None:
                header = _header(carry[: carry.find(b"\n")], dialect)
            plain = _look(carry[:cut], header, lines, offset, dialect) and plain
            lines += carry.count(b"\n", 0, cut)
            offset, carry = offset + cut, carry[cut:]
    if carry:
        if header is None:
            header = _header(carry, dialect)
        plain = _look(carry, header, lines, offset, dialect) and plain
        lines += 1
    if header is None or (dialect.names and not offset and not carry):
        raise Malformed("the file is empty: expected a header and rows")
    return Shape(header, plain, lines)


def _small(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks so small that only the first line that ends in one can be too long."""
    for chunk in chunks:
        for at in range(0, len(chunk), CHUNK):
            yield chunk[at : at + CHUNK]


def _refuse_formats(start: bytes) -> None:
    if start.startswith(_UTF16):
        raise Malformed("the file is UTF-16 (byte 0 is its mark): deliver UTF-8")
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            raise Malformed(f"the file is {name}, not CSV text: deliver it uncompressed")


def _refuse_long(buffer: bytes, cut: int, lines: int) -> None:
    longest = max(len(buffer) - cut, buffer.find(b"\n") if cut else 0)
    if longest > MAX_LINE:
        row = lines + buffer.count(b"\n") if longest == len(buffer) - cut else lines
        where = f"row {row}" if row else "the header"
        raise Malformed(f"{where} is longer than {MAX_LINE >> 20} MiB, the most a line may have")


def _header(line: bytes, dialect: Dialect) -> list[str]:
    line = line.removeprefix(_BOM).rstrip(b"\r\n")
    if b"\0" in line:
        raise Malformed(f"header (byte {line.index(0)}): NUL byte: deliver UTF-8 text")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"header (byte {error.start}): not UTF-8") from None
    if not text.strip():
        raise Malformed("the first line is blank: expected a header")
    try:
        return next(csv.reader([text], **dialect.for_csv))
    except csv.Error as error:
        raise Malformed(f"the header is not one line of CSV: {error}") from None


def _look(lines: bytes, header: list[str], before: int, offset: int, dialect: Dialect) -> bool:
    """Whether complete lines are plain. Raises Malformed for a byte that is no text."""
    at = lines.find(b"\0")
    if at >= 0:
        raise Malformed(f"{_where(lines, at, header, before, offset, dialect)}: NUL byte: deliver UTF-8 text")
    if not lines.isascii():
        try:
            lines.decode()
        except UnicodeDecodeError as error:
            at = error.start
            surrogate = lines[at] == 0xED and len(lines) > at + 1 and lines[at + 1] >= 0xA0
            what = "a lone surrogate is no character" if surrogate else f"0x{lines[at]:02x} is not UTF-8"
            raise Malformed(f"{_where(lines, at, header, before, offset, dialect)}: {what}") from None
    marked = offset == 0 and lines.startswith(_BOM)
    blank = b"\n\n" in lines or lines.startswith(b"\n")
    quoted = any(mark and mark.encode() in lines for mark in (dialect.quote, dialect.escape))
    return not (marked or blank or quoted or b"\r" in lines)


def _where(lines: bytes, at: int, header: list[str], before: int, offset: int, dialect: Dialect) -> str:
    row = before + lines.count(b"\n", 0, at)
    start = lines.rfind(b"\n", 0, at) + 1
    prefix = lines[start:at].decode("utf-8", "replace")
    cells = next(csv.reader([prefix], **{**dialect.for_csv, "strict": False}), [])
    column = len(cells or [""]) - 1
    name = repr(header[column]) if column < len(header) else str(column + 1)
    where = f"row {row}, column {name}" if row else "header"
    return f"{where} (byte {offset + at})"


def compare_header(header: list[str], declared: Iterable[str]) -> tuple[list[str], list[str]]:
    """Columns that are missing and columns nobody declared. Raises Malformed for a name twice."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Malformed(f"the header names {', '.join(map(repr, twice))} twice")
    expected = list(declared)
    return [name for name in expected if name not in header], [n for n in header if n not in expected]


def check_quotes(lines: Iterable[str], dialect: Dialect = PLAIN) -> None:
    """Refuse quotes that do not pair up, which would swallow rows into one cell. Raises Malformed."""
    reader = csv.reader(lines, **dialect.for_csv)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        raise Malformed(f"row {reader.line_num - 1}: not CSV: {error}") from None
