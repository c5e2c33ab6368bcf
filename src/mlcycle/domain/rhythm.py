"""The rhythm of series: how far their rows lie apart, which seasons come again, whether the past tells more.

Seasons are told by the autocorrelation of the series' first differences, which a trend or a random walk does
not raise (G. Box and G. Jenkins, "Time Series Analysis", 1970, ch. 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS: Final = 3.0  # of a season that must be seen before it is believed
LEAST: Final = 0.15  # autocorrelation of the differences that makes a season
SURE: Final = 3.0  # standard errors that it must be away from nought
MORE: Final = 0.05  # by which a longer season must tell more than one that it is a multiple of
HELD: Final = 0.3  # of the rows on which it is tried what the past tells
LONG: Final = 60  # rows of a season from which on its rows are taken together


@dataclass(frozen=True)
class Season:
    """Something that comes again."""

    rows: int  # that it lasts
    strength: float  # autocorrelation of the differences so many rows apart


def seasons(series: Sequence[Floats], candidates: Sequence[int]) -> list[Season]:
    """Which lengths come again in series of rows that are equally far apart.

    Args:
        series: values (n,) of each key in order of time, NaN where a row is missing.
        candidates: lengths in rows, ascending.

    Returns those that are there, the shortest first; a multiple of another where it tells clearly more.
    """
    found: list[Season] = []
    for length in candidates:
        told = [each for each in (_strength(one, length) for one in series) if each is not None]
        if not told:
            continue
        weights = np.array([count for _, count in told], dtype=np.float64)
        strength = float(np.average([value for value, _ in told], weights=weights))
        floor = max(LEAST, SURE / float(np.sqrt(weights.sum())))
        rivals = [
            one.strength + MORE for one in found if length % one.rows == 0 and length <= LONG * one.rows
        ]
        if strength > max([floor, *rivals]):
            found.append(Season(length, strength))
    return found


def _strength(values: Floats, length: int) -> tuple[float, int] | None:
    """Autocorrelation of the differences, and of how many pairs; None where the season was hardly seen."""
    if len(values) < ROUNDS * length:
        return None
    taken = max(length // 12, 1) if length > LONG and length % 24 else 1
    if taken > 1:  # means of stretches: what changes over a year is lost in the noise of days
        whole = len(values) // taken * taken
        blocks = values[len(values) - whole :].reshape(-1, taken)
        known = np.isfinite(blocks)
        sums = np.where(known, blocks, 0.0).sum(axis=1)
        values = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
        length = round(length / taken)
    steps = np.diff(values)
    if not np.isfinite(steps).any():
        return None
    steps = steps - np.nanmean(steps)
    now, before = steps[length:], steps[:-length]
    both = np.isfinite(now) & np.isfinite(before)
    spread = np.sqrt((now[both] ** 2).sum() * (before[both] ** 2).sum())
    if both.sum() < 8 or not spread:
        return None
    return float((now[both] * before[both]).sum() / spread), int(both.sum())


@dataclass(frozen=True)
class Gain:
    """How far off guesses were on the newest rows of the series: root mean squared errors."""

    newest: float  # the newest value that is known
    season: float | None  # that of a season before
    line: float  # a least-squares line of both, of older ones and of their mean, fitted on the rows before


def gain(series: Sequence[Floats], ahead: int, season: int | None, back: int = 3) -> Gain | None:
    """What the past tells of values ``ahead`` rows on, tried on the last ``HELD`` of each series.

    ``back`` seasons are looked back by. Returns None where too few rows have all that is looked at.
    """
    parts = [_table(one, ahead, season, back) for one in series]
    cut = [round(len(rows) * (1 - HELD)) for rows, _ in parts]
    fit = [_whole(rows[:at], goal[:at]) for (rows, goal), at in zip(parts, cut, strict=True)]
    test = [_whole(rows[at:], goal[at:]) for (rows, goal), at in zip(parts, cut, strict=True)]
    (x, y), (to_tell, goal) = (_stacked(some) for some in (fit, test))
    if len(y) < 20 or len(goal) < 8:
        return None
    weights = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    said = np.column_stack([to_tell, np.ones(len(to_tell))]) @ weights

    def off(guess: Any) -> float:
        return float(np.sqrt(np.mean((guess - goal) ** 2)))

    return Gain(off(to_tell[:, 0]), off(to_tell[:, 1]) if season else None, off(said))


def _table(values: Floats, ahead: int, season: int | None, back: int) -> tuple[Floats, Floats]:
    """What is known at each row (n, ...), and the value ``ahead`` rows later (n,)."""
    lags = [0]
    if season is not None:
        first = season * -(-ahead // season) - ahead
        lags += [first + number * season for number in range(back)]
    else:
        lags += [1, 2]
    columns = [_shifted(values, lag) for lag in lags]
    window = np.stack([_shifted(values, lag) for lag in range(season or 7)])
    known = np.isfinite(window)
    columns.append(
        np.where(known, window, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    )
    return np.column_stack(columns), _shifted(values, -ahead)


def _shifted(values: Floats, by: int) -> Floats:
    found = np.full(len(values), np.nan)
    if by >= 0:
        found[by:] = values[: len(values) - by]
    else:
        found[:by] = values[-by:]
    return found


def _whole(rows: Floats, goal: Floats) -> tuple[Floats, Floats]:
    kept = np.isfinite(rows).all(axis=1) & np.isfinite(goal)
    return rows[kept], goal[kept]


def _stacked(parts: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.vstack([rows for rows, _ in parts]), np.concatenate([goal for _, goal in parts])
