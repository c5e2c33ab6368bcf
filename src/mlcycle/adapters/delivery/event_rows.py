"""Events as producers write them: read by the reader of their deliveries, refused where that could not.

What is taken is kept as text by its delivered name: a partition's checks later read what was read here.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlcycle.adapters.delivery.json_lines import flattened, of_line
from mlcycle.adapters.delivery.readers import reader_of
from mlcycle.domain.closest import meant
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.row_checks import empty_key, quoted
from mlcycle.domain.typed_rows import MEANING, cast
from mlcycle.errors import InputError
from mlcycle.ledger.events import Event
from mlcycle.project import Table

LONGEST_ID = 200


@dataclass(frozen=True)
class Refused:
    """An event that may not be put."""

    row: int  # 1 is the first
    why: str


def parsed(body: bytes) -> list[dict[str, str | None] | str]:
    """The events of a body, each flat by its fields' names, or why there is none.

    Args:
        body: JSON lines, a JSON list of objects, or one object; UTF-8.

    Raises InputError where it begins a list and is none.
    """
    if body.lstrip()[:1] != b"[":
        return [of_line(line) for line in body.split(b"\n") if line.strip()]
    try:
        given = json.loads(body.decode("utf-8"), parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is no JSON list: {' '.join(str(error).split())[:200]}") from None
    return [flattened(each) for each in given]


def delivered_names(table: Table) -> dict[str, str]:
    """Delivered name -> column, of the columns that an event may have."""
    names = {own: delivered for delivered, own in table.rename.items()}
    return {names.get(own, own): own for own in table.columns if own not in table.constants}


def checked(
    given: Sequence[dict[str, str | None] | str], table: Table, unit: Unit
) -> tuple[list[Event], list[Refused]]:
    """Events that may be put, and those that may not with one line each, in their order.

    Args:
        given: as ``parsed``.
        table: of the project.
        unit: of its partitions.
    """
    import numpy as np
    import pyarrow as pa

    assert table.events is not None
    named, word = delivered_names(table), table.events.id
    refused: dict[int, str] = {}
    kept: list[dict[str, str | None]] = []
    ids: list[str] = []
    rows: list[int] = []
    for row, event in enumerate(given, 1):
        why = event if isinstance(event, str) else _odd(event, table, named)
        if why:
            refused[row] = why
            continue
        assert isinstance(event, dict)
        kept.append({name: event.get(name) for name in named})
        ids.append((event[word] or "") if word else json.dumps(kept[-1], sort_keys=True))
        rows.append(row)
    if not kept:
        return [], [Refused(*each) for each in sorted(refused.items())]
    payloads = [json.dumps(each, ensure_ascii=False) for each in kept]
    opened = reader_of(table, "jsonl").open("\n".join(payloads).encode())
    read = opened.rows(list(table.columns))
    for number, misfit in read.misfits.items():
        refused[rows[number - 1]] = "; ".join(misfit.reasons.values())
    place = [rows[int(number) - 1] for number in read.numbers]
    for name, kind in table.columns.items():
        cells = read.cells.column(name)
        typed, bad = cast(cells, kind)
        for at in np.flatnonzero(bad).tolist():
            refused.setdefault(place[at], f"column {name}: {quoted(str(cells[at]))} is not {MEANING[kind]}")
        if name in (*table.key, table.event_time):
            for at in np.flatnonzero(cells.is_null().to_numpy()).tolist():
                refused.setdefault(place[at], empty_key(name))
        if name == table.event_time:
            moments = typed.cast(pa.timestamp("us", tz="UTC")).to_pylist()
    found = []
    for number, row, moment in zip(read.numbers.tolist(), place, moments, strict=True):
        if row in refused:
            continue
        key = hashlib.sha256(ids[number - 1].encode()).digest()
        partition = Partition.containing(moment, unit)
        found.append(Event(key, moment, partition.key, payloads[number - 1]))
    return found, [Refused(*each) for each in sorted(refused.items())]


def _odd(event: dict[str, str | None], table: Table, named: dict[str, str]) -> str | None:
    """What is wrong with an event's fields, before their values are read."""
    assert table.events is not None
    word = table.events.id
    unknown = [name for name in event if name not in named and name != word]
    if unknown and table.extra_columns == "hold":
        hint = meant(unknown[0], named) or f": there are {', '.join(named)}"
        return f"unknown column {unknown[0]!r}{hint}"
    if word and not event.get(word):
        return f"{word} is missing: the field by which a repeat is known"
    if word and len(event[word] or "") > LONGEST_ID:
        return f"{word} is longer than {LONGEST_ID} characters"
    try:
        json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair: deliver text"
    return None


def as_delivered(payload: dict[str, Any], table: Table) -> bytes:
    """An event as a line of its partition's delivery: the columns of now, in their order."""
    line = {name: payload.get(name) for name in delivered_names(table)}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
