"""JSON lines: an object a line, nested ones by names with dots (``user.id``)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.delimited import chunks
from mlcycle.adapters.delivery.reader import Misfit, Rows
from mlcycle.domain.delivery import MAX_LINE, Malformed

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000  # rows turned into columns at once
LOOKED_AT = 1000  # lines that tell the names: a key may be left out of a line


class JsonLines:
    """Reads JSON lines."""

    def open(self, data: bytes | Path) -> "Lines":
        """Look at the first lines. Raises Malformed."""
        names: dict[str, None] = {}
        objects = 0
        for line in islice(_lines(data), LOOKED_AT):
            found = of_line(line)
            if isinstance(found, dict):
                objects += 1
                names.update(dict.fromkeys(found))
        if not objects:
            raise Malformed("no line is a JSON object: expected one a line")
        return Lines(data, list(names))


@dataclass(frozen=True)
class Lines:
    """One delivery of JSON lines."""

    data: bytes | Path
    header: list[str]

    def rows(self, columns: list[str]) -> Rows:
        """The rows as columns of text; a line that is no object does not fit."""
        import numpy as np
        import pyarrow as pa

        misfits: dict[int, Misfit] = {}
        numbers: list[int] = []
        parts: list[pa.Table] = []
        blank, held = 0, _columns(columns)
        for number, line in enumerate(_lines(self.data), 1):
            if not line.strip():
                blank += 1
                continue
            found = of_line(line)
            if isinstance(found, str):
                misfits[number] = Misfit({"not JSON": found}, {"row": line[:500].decode("utf-8", "replace")})
                continue
            numbers.append(number)
            for name in columns:
                held[name].append(found.get(name))
            if len(numbers) % BATCH == 0:
                parts.append(_table(held))
                held = _columns(columns)
        parts.append(_table(held))
        return Rows(pa.concat_tables(parts), np.array(numbers, dtype=np.int64), misfits, blank)

    def loadable(self, columns: list[str]) -> bool:
        """Never."""
        return False


def _columns(names: list[str]) -> dict[str, list[str | None]]:
    return {name: [] for name in names}


def _table(held: dict[str, list[str | None]]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({name: pa.array(values, pa.string()) for name, values in held.items()})


def _lines(data: bytes | Path) -> Iterator[bytes]:
    carry = b""
    for chunk in chunks(data):
        *whole, carry = (carry + chunk).split(b"\n")
        yield from whole
        if len(carry) > MAX_LINE:
            raise Malformed(f"a line is longer than {MAX_LINE >> 20} MiB, the most it may have")
    if carry:
        yield carry


def of_line(line: bytes) -> dict[str, str | None] | str:
    """A line's values as text, by name; or why there are none."""
    try:
        found = json.loads(line.decode("utf-8-sig"), parse_float=str, parse_int=str)
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.start} of the line"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {' '.join(str(error).split())[:200]}"
    return flattened(found)


def flattened(found: Any) -> dict[str, str | None] | str:
    """An object's values as text, by name; or why there are none. Numbers come as the text they were."""
    if not isinstance(found, dict):
        return f"a JSON {type(found).__name__}, not an object"
    flat: dict[str, str | None] = {}
    _flatten("", found, flat)
    if any(value is not None and "\0" in value for value in flat.values()):
        return "a NUL character: deliver text"
    return flat


def _flatten(prefix: str, data: dict[str, Any], into: dict[str, str | None]) -> None:
    for name, value in data.items():
        if isinstance(value, dict) and value:
            _flatten(f"{prefix}{name}.", value, into)
        elif isinstance(value, bool):
            into[prefix + name] = "true" if value else "false"
        elif value is None or isinstance(value, str):
            into[prefix + name] = value
        else:  # a list, or an empty object: as it stands
            into[prefix + name] = json.dumps(value, ensure_ascii=False)
