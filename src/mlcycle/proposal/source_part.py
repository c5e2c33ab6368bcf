"""The part of a draft that says where rows come from, and how they are written."""

from collections.abc import Sequence
from typing import Any

from mlcycle.project.written import Booleans, Csv, Numbers
from mlcycle.proposal.cells import Column
from mlcycle.proposal.look import DEALT_DAYS, Look

ROOM = 0.5  # of the range seen, beyond it on either side, before a value is remarked
SET_OF = 30  # categories that an expectation lists


def source(seen: Look) -> dict[str, Any]:
    """The part ``source``."""
    place = (
        {"url": f"file://{seen.path.resolve().parent}", "format": seen.found.form}
        if seen.origin is None
        else seen.origin.place
    )
    return {
        **place,
        "partition": str(seen.unit),
        **({} if seen.unit.zone == "UTC" else {"zone": seen.unit.zone}),
        "start": seen.partitions[0].key,
        "live": False,
        "tables": {seen.table: _table(seen)},
    }


def _table(seen: Look) -> dict[str, Any]:
    declared: dict[str, str] = {}
    made = set(seen.at.columns) if seen.at and len(seen.at.columns) > 1 else set()
    kept = [column for column in seen.columns if _needed(seen, column, made)]
    if not seen.told.columns and not seen.told.numbered:
        declared[seen.new("series")] = "text"
    if seen.told.numbered:
        declared[seen.new("row")] = "integer"
    if seen.at is None or made:
        declared[seen.event_time] = "timestamp"
    declared |= {seen.names[column.name]: column.kind for column in kept}
    table: dict[str, Any] = {"file": seen.path.name}
    if seen.origin is not None:
        table = {"database": seen.origin.table(seen.columns)}
    if seen.found.compression:
        table["compression"] = seen.found.compression
    if seen.found.csv != Csv():
        table["csv"] = seen.found.csv.model_dump(exclude_defaults=True)
    rename = {
        column.name: seen.names[column.name] for column in kept if column.name != seen.names[column.name]
    }
    table |= {"rename": rename} if rename else {}
    table |= {"trim": True} if seen.spelling.trim else {}
    table |= {"nulls": list(seen.spelling.nulls)} if seen.spelling.nulls else {}
    if seen.spelling.numbers != Numbers():
        table["numbers"] = seen.spelling.numbers.model_dump(exclude_defaults=True)
    if seen.spelling.booleans != Booleans():
        table["booleans"] = seen.spelling.booleans.model_dump()
    table |= _times(seen, made)
    if not seen.told.columns and not seen.told.numbered:
        table["constants"] = {seen.new("series"): seen.name}
    if seen.told.numbered:
        table["row_number"] = seen.new("row")
    table |= {"columns": declared, "key": seen.key, "event_time": seen.event_time}
    sparse = [seen.names[column.name] for column in kept if column.missing]
    table |= {"sparse": sparse} if sparse else {}
    table["extra_columns"] = "ignore"
    table["expectations"] = _expectations(seen, kept)
    return table


def _needed(seen: Look, column: Column, made: set[str]) -> bool:
    """Whether the table declares a column: what is read, and what tells rows apart."""
    name = column.name
    own = {seen.goal.column.name, *seen.told.columns, *(seen.at.columns if seen.at else ())} - made
    return name in own or name in seen.chosen.categorical or name in seen.chosen.numeric


def _times(seen: Look, made: set[str]) -> dict[str, Any]:
    if seen.at is None:
        return {"dealt": {"over": DEALT_DAYS}}
    times: dict[str, Any] = {"parts": list(seen.at.columns)} if made else {}
    if seen.at.format is not None:
        times["format"] = seen.at.format
    if seen.zone != "UTC" and not seen.at.zoned:
        times["zone"] = seen.zone
    return {"times": times} if times else {}


def _expectations(seen: Look, kept: Sequence[Column]) -> list[dict[str, Any]]:
    import pandas as pd

    found: list[dict[str, Any]] = []
    for column in kept:
        own = seen.names[column.name]
        if column.name in seen.told.columns or own == seen.event_time:
            continue
        if column.kind in ("integer", "double"):
            numbers = pd.to_numeric(seen.frame[column.name], errors="coerce").dropna()
            low, high = float(numbers.min()), float(numbers.max())
            room = ROOM * (high - low) or 1.0
            bounds = {
                "min_value": 0 if low >= 0 else _round(low - room),
                "max_value": _round(high + room),
            }
            found.append(_expect("expect_column_values_to_be_between", own, **bounds))
        elif column.kind == "text" and column.distinct <= SET_OF:
            values = sorted(seen.frame[column.name].dropna().unique().tolist())
            found.append(_expect("expect_column_values_to_be_in_set", own, value_set=values))
        if not column.missing:
            found.append(_expect("expect_column_values_to_not_be_null", own))
    return found


def _expect(what: str, column: str, **args: Any) -> dict[str, Any]:
    return {"expect": what, "args": {"column": column, **args}, "severity": "warning"}


def _round(value: float) -> float:
    return float(f"{value:.3g}")
