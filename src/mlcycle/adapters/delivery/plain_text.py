"""CSV files as UTF-8 text of which separator and quotes alone may be unusual: unpacked, decoded, cut."""

import codecs
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlcycle.domain.delivery import CHUNK, Malformed
from mlcycle.project.written import Csv

LONGEST = 1 << 20  # characters of a line that is looked at as a whole


def unpacked(data: bytes | Path, compression: str | None, most: int) -> bytes | Path:
    """A delivery without its compression. A file comes out as a file beside it.

    Args:
        data: as delivered.
        compression: ``gzip``, ``zstd`` or None.
        most: bytes that may come out.

    Raises Malformed where it is not compressed so, or too much comes out.
    """
    if compression is None:
        return data
    import pyarrow as pa

    source = pa.BufferReader(data) if isinstance(data, bytes) else pa.OSFile(str(data))
    out = _Sink(data, "unpacked")
    try:
        with pa.CompressedInputStream(source, compression) as stream:
            while chunk := stream.read(CHUNK):
                out.write(chunk)
                if out.size > most:
                    raise Malformed(f"unpacks to more than {most} bytes, the table's max_bytes")
    except (OSError, zlib.error) as error:
        out.drop()
        reason = " ".join(str(error).split())[:200]
        raise Malformed(f"not {compression}, or cut off: {reason}") from None
    except BaseException:
        out.drop()
        raise
    return out.end()


def decoded(data: bytes | Path, csv: Csv) -> bytes | Path:
    """CSV text as UTF-8, without comments and what stands above its header. Raises Malformed.

    Blanks and tabs become a tab, where any number of them is the separator.
    """
    if not changes(csv):
        return data
    out = _Sink(data, "decoded")
    try:
        for number, line in enumerate(_lines(data, csv.encoding)):
            if number < csv.skip or (csv.comment and line.startswith(csv.comment)):
                continue
            out.write((_tabbed(line) if csv.separator == "whitespace" else line).encode())
    except UnicodeError as error:
        out.drop()
        raise Malformed(
            f"not {csv.encoding}: {error.reason if isinstance(error, UnicodeDecodeError) else error}"
        ) from None
    except BaseException:
        out.drop()
        raise
    return out.end()


def changes(csv: Csv) -> bool:
    """Whether bytes are other ones after :func:`decoded`."""
    utf8 = codecs.lookup(csv.encoding).name in ("utf-8", "utf-8-sig")
    return not utf8 or bool(csv.skip or csv.comment) or csv.separator == "whitespace"


def _lines(data: bytes | Path, encoding: str) -> Iterator[str]:
    raw: IO[bytes] = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    with io.TextIOWrapper(raw, encoding, newline="\n") as text:
        while line := text.readline(LONGEST):
            yield line


def _tabbed(line: str) -> str:
    return "\t".join(line.split()) + "\n"


@dataclass
class _Sink:
    """Where bytes go: into memory where they came from there, into a file beside theirs otherwise."""

    came: bytes | Path
    ending: str
    size: int = 0

    def __post_init__(self) -> None:
        self.path = (
            None if isinstance(self.came, bytes) else self.came.with_name(f"{self.came.name}.{self.ending}")
        )
        self._to: IO[bytes] = io.BytesIO() if self.path is None else self.path.open("wb")

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self._to.write(data)

    def drop(self) -> None:
        self._to.close()
        if self.path is not None:
            self.path.unlink()

    def end(self) -> bytes | Path:
        if self.path is None:
            assert isinstance(self._to, io.BytesIO)
            return self._to.getvalue()
        self._to.close()
        return self.path
