"""Faults that the demo's source can be told to plant in its deliveries.

Deterministic: which rows are hit follows from the fault and the row alone, so that asking twice
gives the same bytes, and the seed of a failed test is the fault itself.
"""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Kind = Literal[
    "missing",  # no file: 404
    "unavailable",  # 503
    "empty",  # a file of no bytes
    "header_only",
    "one_row",
    "missing_column",
    "added_column",
    "renamed_column",
    "reordered_columns",
    "empty_column",  # no value in any row
    "bad_values",  # text that no number column takes
    "duplicated_rows",
    "late_rows",  # rows that are not there yet; take the fault away and they come
    "drifted_sensor",  # value * factor + offset
]
OPEN_ENDED = ("drifted_sensor",)


class Fault(BaseModel):
    """One fault, in the partitions from ``partition`` to ``last``.

    Without ``last`` a drifted sensor stays drifted; any other fault hits one partition alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    table: str
    partition: str
    last: str = ""
    kind: Kind
    column: str = ""
    share: Annotated[float, Field(ge=0, le=1)] = 1.0  # of the rows
    factor: float = 1.0
    offset: float = 0.0

    def hits(self, project: str, table: str, partition: str) -> bool:
        """Whether this delivery carries the fault."""
        last = self.last or (partition if self.kind in OPEN_ENDED else self.partition)
        return (project, table) == (self.project, self.table) and self.partition <= partition <= last


Faults = TypeAdapter(list[Fault])


def plant(fault: Fault, data: bytes) -> bytes:
    """The delivery with the fault in it. Raises KeyError where the column is not in the file."""
    if fault.kind == "empty":
        return b""
    header, *rows = [line.split(",") for line in data.decode().splitlines()]
    if fault.column and fault.column not in header:
        raise KeyError(fault.column)
    at = header.index(fault.column) if fault.column else len(header) - 1
    hit = [_share_of(row, fault) < fault.share for row in rows]
    match fault.kind:
        case "header_only":
            rows = []
        case "one_row":
            rows = rows[:1]
        case "missing_column":
            header, rows = _without(header, at), [_without(row, at) for row in rows]
        case "added_column":
            header, rows = [*header, "surprise"], [[*row, "1"] for row in rows]
        case "renamed_column":
            header = [*header[:at], f"{header[at]}_v2", *header[at + 1 :]]
        case "reordered_columns":
            header, rows = header[::-1], [row[::-1] for row in rows]
        case "empty_column":
            rows = [_with(row, at, "") for row in rows]
        case "bad_values":
            rows = [_with(row, at, "n/a") if bad else row for row, bad in zip(rows, hit, strict=True)]
        case "duplicated_rows":
            rows = [copy for row, twice in zip(rows, hit, strict=True) for copy in [row] * (1 + twice)]
        case "late_rows":
            rows = [row for row, late in zip(rows, hit, strict=True) if not late]
        case "drifted_sensor":
            rows = [_drifted(row, at, fault) if odd else row for row, odd in zip(rows, hit, strict=True)]
    return "".join(",".join(row) + "\n" for row in [header, *rows]).encode()


def _share_of(row: list[str], fault: Fault) -> float:
    """A number in [0, 1) that is the row's own, for choosing rows."""
    digest = hashlib.blake2b(",".join([fault.kind, *row]).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def _without(row: list[str], at: int) -> list[str]:
    return row[:at] + row[at + 1 :]


def _with(row: list[str], at: int, value: str) -> list[str]:
    return [*row[:at], value, *row[at + 1 :]]


def _drifted(row: list[str], at: int, fault: Fault) -> list[str]:
    if not row[at]:
        return row
    return _with(row, at, f"{float(row[at]) * fault.factor + fault.offset:.6g}")
