"""At which moments to replay a feature view, so that a leak with a rhythm of its own is met.

A view may know the future on Mondays alone, on the first of a month, at one hour of the day, on the days
on which a table is delivered. So moments are chosen by what of that rhythm is in the view's own values:
each weekday, each hour, each month, the first and the last of months, each third of the window, days with
and without a delivery of each table. A greedy cover (Chvatal 1979) takes the moment that shows most that
was not shown yet, then days of months and hours of weeks that were not; among equals a hash decides,
another one for each window, so that trainings that follow one another look at other days. It is the same
each time for the same window.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

LEAST: Final = 10  # moments, where there are so many: rare days have a chance, too
MOST: Final = 40

Stratum = tuple[str, str]
_TICK = timedelta(microseconds=1)


def choose(
    moments: Iterable[datetime],
    seed: str,
    delivered: Mapping[datetime, Sequence[str]] | None = None,
) -> list[datetime]:
    """Some of the moments, in order.

    Args:
        moments: at which a view dates values, in UTC.
        seed: names the view and the window.
        delivered: names of what was delivered for a moment's partition, where that is not all of them.

    Returns:
        All of them where they are at most ``LEAST``; else as many as it takes to meet every stratum once
        and ``LEAST`` at the least, ``MOST`` at the most.
    """
    known = sorted(set(moments))
    if len(known) <= LEAST:
        return known
    needed = {moment: _strata(moment, known[0], known[-1]) for moment in known}
    tables = sorted({table for named in (delivered or {}).values() for table in named})
    for moment in known:
        there = set((delivered or {}).get(moment, ()))
        needed[moment] |= {("delivered" if table in there else "not delivered", table) for table in tables}
    wished = {moment: _wished(moment) for moment in known}
    order = {moment: hashlib.sha256(f"{seed} {moment.isoformat()}".encode()).digest() for moment in known}
    missing = {stratum for strata in needed.values() for stratum in strata}
    seen: Counter[Stratum] = Counter()
    chosen: list[datetime] = []
    left = set(known)

    def worth(moment: datetime) -> tuple[int, int, int, bytes]:
        unseen = sum(stratum not in seen for stratum in wished[moment])
        often = sum(seen[stratum] for stratum in wished[moment])
        return len(needed[moment] & missing), unseen, -often, order[moment]

    while left and len(chosen) < MOST and (len(chosen) < LEAST or missing):
        best = max(left, key=worth)
        chosen.append(best)
        left.remove(best)
        missing -= needed[best]
        seen.update(wished[best])
    return sorted(chosen)


def _strata(moment: datetime, first: datetime, last: datetime) -> set[Stratum]:
    """What a moment shows that is to be met. A value dated midnight is that of the day before."""
    day = moment - _TICK
    found = {
        ("weekday", str(day.weekday())),
        ("hour", str(day.hour)),
        ("third", str(min(2, int(3 * (moment - first) / (last - first))))),
        ("month", f"{day:%Y-%m}"),
    }
    if day.day == 1:
        found.add(("first of a month", ""))
    if (day + timedelta(days=1)).day == 1:
        found.add(("last of a month", ""))
    return found


def _wished(moment: datetime) -> set[Stratum]:
    """What is met as far as there is room: of more kinds than there are moments."""
    day = moment - _TICK
    return {("day of a month", str(day.day)), ("hour of a week", f"{day.weekday()} {day.hour}")}
