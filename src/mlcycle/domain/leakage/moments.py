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
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST: Final = 10  # moments, where there are so many: rare days have a chance, too
MOST: Final = 40

Ints = NDArray[np.int64]
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
    tables = sorted({table for named in (delivered or {}).values() for table in named})
    strata = []
    for moment in known:
        there = set((delivered or {}).get(moment, ()))
        of_tables = {("delivered" if table in there else "not delivered", table) for table in tables}
        strata.append(_strata(moment, known[0], known[-1]) | of_tables)
    needed, missing = _coded(strata)
    wished, unmet = _coded([_wished(moment) for moment in known])
    often = np.where(unmet, 0, 1)  # how often each was met; a place that is none counts as met once
    order = [hashlib.sha256(f"{seed} {moment.isoformat()}".encode()).digest() for moment in known]
    worth: tuple[Callable[[Ints], Ints], ...] = (
        lambda at: missing[needed[at]].sum(axis=1),
        lambda at: (often[wished[at]] == 0).sum(axis=1),
        lambda at: -often[wished[at]].sum(axis=1),
    )
    left = np.ones(len(known), dtype=bool)
    chosen: list[datetime] = []
    while left.any() and len(chosen) < MOST and (len(chosen) < LEAST or missing.any()):
        best = np.flatnonzero(left)
        for measure in worth:  # each among those that are equal by the ones before it
            scores = measure(best)
            best = best[scores == scores.max()]
        one = max(best.tolist(), key=order.__getitem__)
        chosen.append(known[one])
        left[one] = False
        missing[needed[one]] = False
        often[wished[one]] += 1
    return sorted(chosen)


def _coded(strata: Sequence[set[Stratum]]) -> tuple[Ints, NDArray[np.bool_]]:
    """Strata of each moment by number, (n, most that one has), and which numbers are strata.

    The last number is none, and stands where a moment has fewer than others.
    """
    number: dict[Stratum, int] = {}
    rows = [[number.setdefault(each, len(number)) for each in some] for some in strata]
    found = np.full((len(rows), max(map(len, rows))), len(number), dtype=np.int64)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row
    return found, np.append(np.ones(len(number), dtype=bool), False)


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
