"""Durations as people write them in a project file: ``7 days``, ``1 hour``, ``90 minutes``.

A month is a twelfth of a year of 365.25 days, whole minutes: where partitions are months, durations that are
whole months are counted by the calendar.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2_629_800}
MONTH = timedelta(seconds=_UNITS["month"])
LONGEST = timedelta(days=36_500)  # as far back as any date can be counted from
PATTERN = r"^(\d{1,6}) (minute|hour|day|week|month)s?$"


def parse_duration(value: Any) -> timedelta:
    """Read ``<number> minutes|hours|days|weeks|months``; a timedelta passes. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    match = re.match(PATTERN, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write it like '7 days' or '1 hour'")
    duration = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if duration > LONGEST:
        raise ValueError(f"{value!r} is more than {format_duration(LONGEST)}: write a shorter one")
    return duration


def _above_zero(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("no time at all: write it like '7 days' or '1 hour'")
    return value


def format_duration(value: timedelta) -> str:
    """Write a duration so that ``parse_duration`` reads it back; whole minutes."""
    seconds = int(value.total_seconds())
    unit = next(name for name in ("day", "month", "hour", "minute") if seconds % _UNITS[name] == 0)
    count = seconds // _UNITS[unit]
    return f"{count} {unit}{'' if count == 1 else 's'}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["7 days", "1 hour"]}),
]
#: One that is a window, a block, a deadline: not nothing.
Span = Annotated[Duration, AfterValidator(_above_zero)]
