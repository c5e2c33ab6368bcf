"""Whether a model got worse: its last labelled days against the labelled days that were known before.

Errors are spent over the year: each look may err in so small a share of times that a year of daily looks errs
``false_a_year`` times at most, whatever the looks have in common (a union bound, valid on every day; half of
it for the whole and half for the slices together).
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlcycle.domain.prediction_limit import Array, p_value, spread, unheard_of
from mlcycle.domain.skill import READINGS, Days
from mlcycle.domain.tasks import task_of

MIN_DAYS: Final = 5  # to compare with
FEW: Final = 7  # days whose mean is not taken as normal
MEASURED: Final = 0.5  # of the days on which a slice must tell
LOOKS: Final = 365  # a year


@dataclass(frozen=True)
class Verdict:
    """On the whole (no ``subject``) or on a slice.

    Args:
        subject: the slice as people write it.
        p_value: in which share of looks as much is found where nothing changed.
        limit: below it, and worse, it is a decline.
        usual, now: (k,) readings, means of days; of a slice, less those of all other rows, and no day counts
            for more than the oddest one before.
        apart: (k,) by how many standard errors they differ.
        days, known: how many there are now, and how many it is compared with.
        worse: whether the loss is above what it was, or both slope and skill are below.
        unheard_of: whether so many days in a row never differed as much; asked of a few days alone.
    """

    subject: str
    p_value: float
    limit: float
    usual: Array
    now: Array
    apart: Array
    days: int
    known: int
    worse: bool
    unheard_of: bool

    @property
    def declined(self) -> bool:
        """Whether the model got worse."""
        return self.worse and self.unheard_of and self.p_value < self.limit


def judged(before: Days, now: Days, false_a_year: float) -> list[Verdict]:
    """The whole first, then each slice that tells on both sides. Nothing where there are too few days."""
    whole = _verdict("", before, before.whole, now.whole, MIN_DAYS)
    if whole is None:
        return []
    before = before.with_slices(now.slices)
    least = max(MIN_DAYS, round(MEASURED * len(before)))
    found = [
        _verdict(name, before, before.contrasts[:, at], now.contrasts[:, at], least)
        for at, name in enumerate(now.slices)
    ]
    slices = [each for each in found if each is not None]
    share = false_a_year / LOOKS / (2 if slices else 1)
    return [_limited(whole, share), *(_limited(each, share / len(slices)) for each in slices)]


def told(task: str, verdict: Verdict, now: Days) -> str:
    """The verdict for people: what was expected, what was seen, on how many rows and days, how sure."""
    names = READINGS[task]
    changes = ", ".join(
        f"{name} {seen:.2f} ({usual:.2f} is usual)"
        for name, seen, usual in zip(names, verdict.now, verdict.usual, strict=True)
    )
    if verdict.subject:
        seen = f"against all other rows {changes}"
    else:
        shares = [float(np.average(side, weights=now.rows)) for side in (now.due, now.seen)]
        due, was = (task_of(task).shown(share) for share in shares)
        seen = f"{due} expected, {was} seen, {changes}"
    words = "worse" if verdict.declined else "within what days differ anyway"
    if not verdict.declined and verdict.p_value < verdict.limit:
        words = "other than usual, but not worse" if not verdict.worse else "too few days to be sure"
    rows = int(now.rows.sum())
    on = f"{verdict.days} days" if verdict.subject else f"{rows} rows of {verdict.days} days"
    return (
        f"{words}: {seen}; on {on}, {verdict.known} known before; "
        f"p {verdict.p_value:.2g}, the limit is {verdict.limit:.2g}"
    )


def evidence(verdict: Verdict) -> tuple[float, float]:
    """How much speaks for a decline and from how much on it is one: decimal logarithms of 1 / p."""
    value = -float(np.log10(max(verdict.p_value, 1e-99))) if verdict.worse else 0.0
    return value, -float(np.log10(verdict.limit))


def figures(task: str, verdict: Verdict) -> dict[str, object]:
    """The verdict for machines."""
    names = READINGS[task]
    return {
        "p_value": verdict.p_value,
        "known": verdict.known,
        "worse": verdict.worse,
        "usual": dict(zip(names, verdict.usual.tolist(), strict=True)),
        "seen": dict(zip(names, verdict.now.tolist(), strict=True)),
        "apart": dict(zip(names, verdict.apart.tolist(), strict=True)),
    }


def _verdict(subject: str, days: Days, before: Array, now: Array, least: int) -> Verdict | None:
    known, told = (np.isfinite(side).all(axis=1) for side in (before, now))
    if known.sum() < least or not told.any() or told.mean() < MEASURED:
        return None
    numbers, before = days.numbers[known], before[known]
    now = now[told]
    if subject:  # a day of few rows may be very odd, and is no decline
        now = np.clip(now, before.min(axis=0), before.max(axis=0))
    usual = spread(numbers, before[:, :-1])
    p, apart = p_value(usual, now[:, :-1])
    worse = bool(now[:, -1].mean() > before[:, -1].mean() or (apart[1] < 0 and apart[2] < 0))
    rare = len(now) >= FEW or unheard_of(usual, before[:, :-1], now[:, :-1])
    means = now[:, :-1].mean(axis=0)
    return Verdict(subject, p, 0.0, usual.mean, means, apart, len(now), len(before), worse, rare)


def _limited(verdict: Verdict, limit: float) -> Verdict:
    return replace(verdict, limit=limit)
