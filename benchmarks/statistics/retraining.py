"""How far a shadow's wish for a retrain can be believed: false ones a year, and what the true ones bring.

A shadow is the champion's recipe trained on all days up to the newest labelled stretch; it asks where it is
better than the champion on that stretch with some confidence. Where nothing is wrong it should not; where the
served model of that date would be better on the four weeks to come, it should.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.statistics.data import Year, fitted, year
from benchmarks.statistics.gate import DAMAGE, Ground, influence
from numpy.typing import NDArray

from mlcycle.domain.interval import Spread
from mlcycle.domain.metrics import METRICS, Array
from mlcycle.domain.paired import paired_blocks
from mlcycle.models.base import Model

CONFIDENCES = (0.9, 0.95, 0.975, 0.99)
EVERY = 28  # days between two shadows that nobody wished for
A_YEAR = 365 / EVERY
TRAINED = 180  # days that each model of the year without a trend has learnt
AFTER = 28  # days on which it is seen what a retrain would have brought
HALF = 182  # the champion of the first half of the year is told of by itself
GRID, FIRST = 14, 60  # days between two dates of the calendar, and days before the first one


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    for name in ("flights", "weather"):
        found = year(name, folder)
        _equals(found, 60 if thorough else 30)
        _without_trend(found, 12 if thorough else 4)
        _calendar(found)


def _equals(found: Year, models: int) -> None:
    """Two models whose loss over the year is exactly equal, on stretches of days in a row."""
    ground, stretch = Ground.of(found, models), found.project.split.holdout.days
    target = ground.base.sum() + DAMAGE * ground.rows.sum()
    days = np.array([each.damaged(target) for each in ground.harmed])
    random, sure = np.random.default_rng(21), []
    for _ in range(4000):
        old, new = days[random.permutation(len(days))[:2]]
        at = (random.integers(len(ground.rows)) + np.arange(stretch)) % len(ground.rows)
        gains, rows = (old - new)[at], ground.rows[at]
        sums = influence(gains[None], rows[None])[0]
        sure.append(Spread.of(gains.sum() / rows.sum(), sums).confidence(0.0))
    _say(f"{found.project.name}, equal models, {stretch} days in a row: asks", np.array(sure))


def _without_trend(found: Year, orders: int) -> None:
    """The recipe itself on days permuted within their weekday: as many days each, none of them fresher."""
    split = found.project.split
    gap, stretch = _gap(found), split.holdout.days
    sure = []
    for order in range(orders):
        rows = _permuted(found.rows, order)
        first, days = int(rows["day"].min()), rows["day"].to_numpy()
        champion = fitted(found.project, rows[days < first + TRAINED])
        for date in range(first + TRAINED + stretch + gap + EVERY, int(days.max()) + 1, EVERY):
            end = date - stretch - gap
            shadow = fitted(found.project, rows[(days >= end - TRAINED) & (days < end)])
            newest = rows[(days >= date - stretch) & (days < date)]
            sure.append(_sure(found, newest, champion, shadow)[0])
        print(f"  ({found.project.name}: order {order + 1} of {orders})", flush=True)
    _say(f"{found.project.name}, days without a trend, {TRAINED} days each: asks", np.array(sure))


def _permuted(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The year's days in another order, each on the same weekday as before."""
    random, days = np.random.default_rng(seed), np.unique(rows["day"])
    place = dict(zip(days, days, strict=True))
    for weekday in range(7):
        own = days[days % 7 == weekday]
        place |= dict(zip(own, random.permutation(own), strict=True))
    return rows.assign(day=rows["day"].map(place)).sort_values("day", kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Meeting:
    """A champion of one date and a shadow of a later one."""

    born: int  # days that the champion has learnt
    age: int  # days between the two
    sure: float  # that the shadow is better, on the newest stretch
    gain: float  # there
    brings: float  # over the champion, on the four weeks to come: the recipe trained up to the date


def _calendar(found: Year) -> None:
    """Champions trained up to one date, shadows of each later one, in calendar order."""
    meetings = list(_meetings(found))
    metric = found.project.evaluation.metric
    print(f"{found.project.name}, calendar order, {len(meetings)} pairs of champion and shadow")
    sure, brings = (np.array([getattr(each, name) for each in meetings]) for name in ("sure", "brings"))
    print(
        f"  a retrain brings {metric} {np.mean(brings):+.4f} over {AFTER} days, "
        f"something in {np.mean(brings > 0):.2f}"
    )
    for confidence in CONFIDENCES:
        asks = sure >= confidence
        told = [
            f"{np.mean(brings[which]):+.4f}, something in {np.mean(brings[which] > 0):.2f}"
            if which.any()
            else "none"
            for which in (asks, ~asks)
        ]
        print(
            f"  {confidence:.3f}: asks in {np.mean(asks):.2f}; brings {told[0]}; "
            f"where it does not ask {told[1]}"
        )
    for low, high in ((28, 56), (56, 112), (112, 366)):
        own = np.array([low <= each.age < high for each in meetings])
        if own.any():
            shares = ", ".join(f"{np.mean(sure[own] >= confidence):.2f}" for confidence in CONFIDENCES)
            print(
                f"  champion {low} to {high} days old ({own.sum()}): asks {shares}; "
                f"brings {np.mean(brings[own]):+.4f}"
            )
    half = max(each.born for each in meetings if each.born <= HALF)
    print(f"  the champion of the first {half} days:")
    for each in meetings:
        if each.born == half:
            print(
                f"    day {each.born + each.age}: better by {each.gain:+.4f} with {each.sure:.3f}; a retrain "
                f"brings {each.brings:+.4f}"
            )
    print(flush=True)


def _meetings(found: Year) -> Iterator[Meeting]:
    rows, days, metric = found.rows, found.rows["day"].to_numpy(), found.project.evaluation.metric
    gap, stretch = _gap(found), found.project.split.holdout.days

    @cache
    def until(date: int) -> Model:
        print(f"  ({found.project.name}: trained until day {date - days.min()})", flush=True)
        return fitted(found.project, rows[days < date])

    dates = range(int(days.min()) + FIRST, int(days.max()) + 2 - AFTER, GRID)
    for date in dates:
        newest = rows[(days >= date - stretch) & (days < date)]
        after = rows[(days >= date) & (days < date + AFTER)]
        for born in dates:
            if date - born < EVERY:
                break
            champion = until(born)
            sure, gain = _sure(found, newest, champion, until(date - stretch - gap))
            before, now = (
                METRICS[metric](after["label"].to_numpy(), model.predict(after), None)
                for model in (champion, until(date))
            )
            assert isinstance(before, float)
            assert isinstance(now, float)
            yield Meeting(born - int(days.min()), date - born, sure, gain, before - now)


def _sure(found: Year, newest: pd.DataFrame, champion: Model, shadow: Model) -> tuple[float, float]:
    """With what confidence the shadow is better on these rows, and by how much: as the step judges."""
    labels = newest["label"].to_numpy()
    old, new = champion.predict(newest), shadow.predict(newest)
    blocks: NDArray[np.int64] = newest["day"].to_numpy()
    paired = paired_blocks(found.project.evaluation.metric, labels, old, new, blocks)
    assert paired.spread is not None
    return paired.spread.confidence(0.0), paired.gain


def _gap(found: Year) -> int:
    label = found.project.label
    return max(1, (label.ahead + label.delay).days)


def _say(title: str, sure: Array) -> None:
    shares = [float(np.mean(sure >= confidence)) for confidence in CONFIDENCES]
    told = ", ".join(
        f"{share:.3f} at {confidence} ({share * A_YEAR:.1f} a year)"
        for share, confidence in zip(shares, CONFIDENCES, strict=True)
    )
    print(f"{title} {told}; {len(sure)} times", flush=True)
