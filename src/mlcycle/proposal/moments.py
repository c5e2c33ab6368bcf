"""How times are written, found by trying the usual formats on all that a column holds."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d/%b/%Y",
    "%a %b %d %Y",
    "%Y-%m",
)
CLOCKS = (
    "",
    "%H:%M",
    "%H:%M:%S",
    "%H:%M:%S.%f",
    "%H.%M.%S",
    "%H.%M",
    "%H",
    "%I:%M %p",
    "%I:%M:%S %p",
    "%H%M",
)
BETWEEN = (" ", "T", ":", "  ")
ZONES = ("", "%z", " %z")
CLOCK = re.compile(r"^([01]?[0-9]|2[0-4])([:.][0-5][0-9]){1,2}$")
ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
ENOUGH = 0.995  # of the values must be read
TRIED = 400  # values that a format is tried on first


@dataclass(frozen=True)
class Moments:
    """How a column's times are written."""

    format: str | None  # None: ISO 8601, as the platform writes
    sure: bool
    why: str = ""  # where it is not sure
    dates: bool = False  # days without a time of day


def looks_like_time(text: str) -> bool:
    """Whether a cell may be a time; cheap, and not strict."""
    return bool(re.match(r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", text) or CLOCK.match(text.strip()))


def read(values: Any, form: str | None) -> Any:
    """A pandas Series of texts as times without zone, NaT where it cannot be read."""
    import pandas as pd

    if form in ("unix", "unix_ms"):
        unit = "s" if form == "unix" else "ms"
        return pd.to_datetime(pd.to_numeric(values, errors="coerce"), unit=unit, errors="coerce")
    zoned = form is None or "%z" in form
    found = pd.to_datetime(values, format=form or "ISO8601", errors="coerce", utc=zoned)
    return found.dt.tz_localize(None) if zoned else found


def moments(name: str, values: Sequence[str]) -> Moments | None:
    """How times are written, or None where the values are none.

    Args:
        name: the column's, which tells numbers of seconds from other numbers.
        values: distinct ones, none of them missing.
    """
    import pandas as pd

    series = pd.Series(list(values), dtype="str").str.strip()
    if series.empty:
        return None
    some = series.sample(min(TRIED, len(series)), random_state=1)
    if (seconds := _seconds(name, some)) is not None:
        return Moments(seconds, sure=True)
    if (
        some.str.fullmatch(r"[+-]?[0-9]*[.,]?[0-9]*").mean() > 0.5
        and not some.str.fullmatch(r"(19|20)[0-9]{6}").all()
    ):
        return None
    if some.str.fullmatch(ISO).mean() >= ENOUGH and series.str.fullmatch(ISO).mean() >= ENOUGH:
        return Moments(None, sure=True)
    probes = [str(text) for text in some.iloc[:3]]
    fit = [form for form in _formats(probes[0]) if all(_fits(text, form) for text in probes)]
    fit = [form for form in fit if read(some, form).notna().mean() >= ENOUGH]
    fit = [form for form in fit if read(series, form).notna().mean() >= ENOUGH]
    if not fit:
        return None
    best = fit[0]
    rivals = [form for form in fit[1:] if {"%d", "%m"} <= set(re.findall("%[dm]", form)) and form != best]
    swapped = [form for form in rivals if sorted(form) == sorted(best)]
    days = not re.search("%[HI]", best)
    if swapped:
        why = f"no day is above 12: it may as well be {swapped[0]}"
        return Moments(best, sure=False, why=why, dates=days)
    return Moments(best, sure=True, dates=days)


def _fits(text: str, form: str) -> bool:
    """Whether a format reads one text: a look that costs less than pandas' at many."""
    from datetime import datetime

    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _formats(example: str) -> Iterator[str]:
    """Formats that could read an example, the likelier first."""
    for date, zone in product(DATES, ZONES):
        yield date + zone
        for clock, between in product(CLOCKS[1:], BETWEEN):
            if between in example:
                yield date + between + clock + zone


def _seconds(name: str, values: Any) -> str | None:
    """The format of numbers that are seconds since 1970: they must be called so, too."""
    import pandas as pd

    if not re.search("time|date|stamp|epoch|^ts$|unix|_at$", name.lower()):
        return None
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        return None
    for form, factor in (("unix", 1), ("unix_ms", 1000)):
        if numbers.between(3e8 * factor, 4e9 * factor).all():
            return form
    return None
