"""Feature views: what they date too early, and what they compute from rows that came later."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from mlcycle.errors import LeakageError


def check_lead(view: str, lead: float | None) -> None:
    """No feature value may be dated after the event it is joined to. ``lead`` is in seconds."""
    if lead is not None and lead > 0:
        raise LeakageError(
            f"feature view {view!r}: a value is dated {lead:g} s after its row's event time (event_timestamp)"
        )


def check_replay(view: str, stored: Mapping[Any, Any], replayed: Mapping[Any, Any], at: datetime) -> None:
    """A view's values must be the same when every row that came later is taken away.

    Args:
        view: the feature view.
        stored: values by entity and event_timestamp, as computed with all rows; a mapping column -> value.
        replayed: the same, computed from the rows known by ``at`` only.
        at: the moment.
    """
    for key in stored.keys() | replayed.keys():
        was, now = stored.get(key), replayed.get(key)
        if was is None or now is None:
            column = next(iter(was or now or {}), "")
        else:
            column = next((name for name in was if not _same(was[name], now[name])), "")
            if not column:
                continue
        raise LeakageError(
            f"feature {column!r} of view {view!r} knows the future: at {at.isoformat()} its value for "
            f"{key} is {_value(was, column)}, but {_value(now, column)} from what was known by then; "
            "date event_timestamp when the last row it uses became known"
        )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))
    return bool(a == b)


def _value(row: Mapping[str, Any] | None, column: str) -> str:
    return "absent" if row is None else repr(row[column])
