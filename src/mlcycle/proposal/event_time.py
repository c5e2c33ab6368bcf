"""Which column holds the event time, or which several that make it together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcycle.proposal.cells import Column
from mlcycle.proposal.moments import CLOCK, read
from mlcycle.proposal.said import Said

if TYPE_CHECKING:
    import pandas as pd

TIME_NAMES = re.compile(r"time|date|stamp|when|^at$|_at$|observed|created|start|datum|zeit|fecha", re.I)
#: When a row was written, which is seldom when what it tells of happened.
WRITTEN_NAMES = re.compile(r"updated|modified|changed|last_update", re.I)
PARTS = {
    "year": (re.compile(r"^(year|yyyy|jahr)$", re.I), 1800, 2200, "%Y"),
    "month": (re.compile(r"^(month|mon|mm|mo|monat)$", re.I), 1, 12, "%m"),
    "day": (re.compile(r"^(day|dd|tag|day_?of_?month|mday)$", re.I), 1, 31, "%d"),
}
HOUR = re.compile(r"^(hour|hr|hh|stunde|hour_?of_?day)$", re.I)
CLOCKS = ("%H:%M:%S", "%H:%M", "%H.%M.%S", "%H.%M")


@dataclass(frozen=True)
class When:
    """The event time."""

    columns: tuple[str, ...]  # delivered; several are joined by blanks
    format: str | None
    values: "pd.Series[Any]"  # as written, without zone
    said: Said
    days: bool  # without a time of day
    zoned: bool = False


def when(found: Sequence[Column], frame: "pd.DataFrame") -> When | None:
    """The event time, or None where no column holds one; ``frame`` has texts, missing values as None."""
    times = [column for column in found if column.kind == "timestamp" and not column.missing]
    times.sort(
        key=lambda column: (
            bool(WRITTEN_NAMES.search(column.name)),
            not TIME_NAMES.search(column.name),
            column.moments is not None and column.moments.dates,
        )
    )
    if times:
        best = times[0]
        others = [column.name for column in times[1:]]
        assert best.moments is not None
        if best.moments.dates and (joined := _with_clock(best, found, frame)) is not None:
            return joined
        why = f"the times are written {best.moments.format or 'as ISO 8601'}"
        if others:
            why += f"; also times: {', '.join(others)}"
        if best.moments.why:
            why += f"; {best.moments.why}"
        sure = best.moments.sure and (not others or bool(TIME_NAMES.search(best.name)))
        values = read(frame[best.name].str.strip(), best.moments.format)
        zoned = bool(best.moments.format and "%z" in best.moments.format) or (
            best.moments.format is None and bool(re.search(r"(Z|[+-]\d\d:?\d\d)$", best.examples[0]))
        )
        return When(
            (best.name,), best.moments.format, values, Said(best.name, why, sure), best.moments.dates, zoned
        )
    return _of_parts(found, frame)


def _with_clock(date: Column, found: Sequence[Column], frame: "pd.DataFrame") -> When | None:
    """A date and the time of day beside it, in a column of its own."""
    assert date.moments is not None
    for column in found:
        if column.missing or column.name == date.name:
            continue
        if HOUR.match(column.name) and column.kind == "integer":
            forms: tuple[str, ...] = ("%H",)
        elif all(CLOCK.match(text) for text in column.examples) and column.examples:
            forms = CLOCKS
        else:
            continue
        joined = frame[date.name].str.strip() + " " + frame[column.name].str.strip()
        for form in forms:
            values = read(joined, f"{date.moments.format} {form}")
            if values.notna().mean() > 0.99:
                why = f"a date and its time of day, written {date.moments.format} {form}"
                said = Said(f"{date.name} with {column.name}", why, date.moments.sure)
                return When(
                    (date.name, column.name), f"{date.moments.format} {form}", values, said, days=False
                )
    return None


def _of_parts(found: Sequence[Column], frame: "pd.DataFrame") -> When | None:
    """Year, month and day in columns of their own, and the hour where there is one."""
    import pandas as pd

    used, forms = [], []
    for pattern, low, high, form in PARTS.values():
        for column in found:
            if column.kind == "integer" and not column.missing and pattern.match(column.name):
                numbers = pd.to_numeric(frame[column.name])
                if numbers.between(low, high).all():
                    used.append(column.name)
                    forms.append(form)
                    break
        else:
            return None
    for column in found:
        if column.kind == "integer" and not column.missing and HOUR.match(column.name):
            used.append(column.name)
            forms.append("%H")
            break
    joined = frame[used[0]].str.strip()
    for name in used[1:]:
        joined = joined + " " + frame[name].str.strip()
    values = read(joined, " ".join(forms))
    if values.notna().mean() < 0.99:
        return None
    said = Said(", ".join(used), "the parts of the time have columns of their own")
    return When(tuple(used), " ".join(forms), values, said, days="%H" not in forms)
