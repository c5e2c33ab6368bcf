"""What a table's rows are: events, versions of a state, or a list without a time."""

from typing import Any, Literal

Kind = Literal["events", "snapshot", "static"]
Delivers = Literal["state", "changes"]
STAMP = "valid_from"  # the column that the platform writes where a delivery has no time of its own
UNTIL = "valid_to"
TIMELESS = ("snapshot", "static")  # kinds that may do without an event time


def stamped(given: Any) -> Any:
    """A table's part of a file, with the column that the platform writes. Raises ValueError."""
    if not isinstance(given, dict) or given.get("kind") not in TIMELESS:
        return given
    columns, named = given.get("columns"), given.get("event_time")
    if not isinstance(columns, dict) or named not in (None, STAMP):
        return given
    if named is None and STAMP in columns:
        raise ValueError(
            f"{STAMP!r} is the platform's where a {given['kind']} has no event_time: take the column out, or "
            "rename it"
        )
    return {**given, "event_time": STAMP, "columns": {**columns, STAMP: "timestamp"}}
