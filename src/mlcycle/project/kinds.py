"""What a table's rows are: events, versions of a state, or a list without a time."""

from typing import Any, Literal

Kind = Literal["events", "snapshot", "static"]
Delivers = Literal["state", "changes", "rows"]
STAMP = "valid_from"  # the column that the platform writes where a delivery has no time of its own
DELIVERED = "delivered"  # the same of events
UNTIL = "valid_to"
TIMELESS = ("snapshot", "static")  # kinds that may do without an event time


def stamped(given: Any) -> Any:
    """A table's part of a file, with the column that the platform writes. Raises ValueError."""
    if not isinstance(given, dict):
        return given
    rows = given.get("delivers") == "rows" and given.get("kind", "events") == "events"
    if not rows and given.get("kind") not in TIMELESS:
        return given
    written = DELIVERED if rows else STAMP
    columns, named = given.get("columns"), given.get("event_time")
    if not isinstance(columns, dict) or named not in (None, written):
        return given
    if named is None and written in columns:
        what = "table that delivers rows" if rows else given["kind"]
        raise ValueError(
            f"{written!r} is the platform's where a {what} has no event_time: take the column out, or "
            "rename it"
        )
    return {**given, "event_time": written, "columns": {**columns, written: "timestamp"}}
