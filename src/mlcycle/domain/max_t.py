"""A null out of what was: how large the largest of many effects is in windows where nothing is wrong.

Every statistic is studentised by what it did in the training's windows, and the largest of them is judged
against the largest ones there (max-T: Westfall & Young 1993, Resampling-Based Multiple Testing). Windows are
stretches of consecutive days, which keep the dependence of days (block bootstrap: Kuensch 1989, Ann. Stat.
17(3)).

Effects enter by their square roots, which have about the same spread however large they are (distances are
roots of sums of squares, counts are Poisson's: Wilson & Hilferty 1931, Anscombe 1948).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BODY = 0.8  # of the largest ones lies below where their tail begins
FOLDS = 5  # stretches of the null's time
TINY = 1e-9
MEASURED = 0.5  # of the windows, in which a statistic must be known to be judged
MIN_WINDOWS = 20  # side by side, to speak of one in a hundred


@dataclass(frozen=True)
class Null:
    """What ``k`` statistics did in windows without a fault.

    Args:
        centre, spread: (k,) mean and standard deviation of each one's root; infinite centre: not judged.
        known: (k,) in which share of the windows each was measured.
        start, scale: where the tail of the largest studentised one begins, and its mean excess over that.
        clusters: how many independent windows' worth of excesses the tail was learnt from.
    """

    centre: Array
    spread: Array
    known: Array
    start: float
    scale: float
    clusters: float

    def studentised(self, values: Array) -> Array:
        """Roots less their mean, in standard deviations; NaN stays NaN."""
        return (np.sqrt(values) - self.centre) / self.spread

    def limit(self, level: float) -> float:
        """What the largest studentised statistic exceeds in a share ``level`` of windows.

        The prediction limit of an exponential tail whose mean was estimated from so many excesses: the fewer
        they are, the wider (Hahn & Meeker 1991, Statistical Intervals).
        """
        room = max((1 - BODY) / level, 1.0)
        return float(self.start + self.scale * self.clusters * (room ** (1 / self.clusters) - 1))

    def limits(self, level: float) -> Array:
        """The same for each statistic in its own unit: above it, it alone is an alarm."""
        found: Array = np.maximum(self.centre + self.spread * self.limit(level), 0.0) ** 2
        return found

    def p_values(self, values: Array) -> Array:
        """For each statistic the share of windows in which the largest of all is as large; NaN stays NaN.

        ``1 - BODY`` stands for anything from there to 1.
        """
        excess = np.maximum(self.studentised(values) - self.start, 0.0)
        found: Array = (1 - BODY) * (1 + excess / (self.scale * self.clusters)) ** (-self.clusters)
        return found


def null(effects: Array, windows: float) -> Null:
    """The null of statistics measured in consecutive windows (W, k) that are worth so many independent ones.

    The largest statistic of each window is studentised by what the other ``FOLDS`` of the windows did, as a
    new window will be: its own would make it look smaller than new ones do (cross-fitting; with many
    statistics the difference is most of the false alarms).

    NaN is a window in which a statistic was not measured. Raises ValueError for fewer windows than folds.
    """
    if len(effects) < FOLDS:
        raise ValueError(f"{len(effects)} windows: {FOLDS} are needed")
    roots = np.sqrt(effects)
    centre, spread = _moments(roots)
    largest = []
    for fold in np.array_split(np.arange(len(roots)), FOLDS):
        own_centre, own_spread = _moments(np.delete(roots, fold, axis=0))
        studentised = np.nan_to_num((roots[fold] - own_centre) / own_spread, nan=-np.inf, neginf=-np.inf)
        largest.append(studentised.max(axis=1, initial=-np.inf))
    found = np.concatenate(largest)
    found = found[np.isfinite(found)]
    start = float(np.quantile(found, BODY)) if len(found) else 0.0
    excess = found[found > start] - start
    scale = float(excess.mean()) if len(excess) else TINY
    known = np.isfinite(effects).mean(axis=0)
    return Null(centre, spread, known, start, max(scale, TINY), max((1 - BODY) * windows, 1.0))


def _moments(roots: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column; an infinite mean where it was hardly ever measured."""
    known = np.isfinite(roots)
    enough = known.mean(axis=0) >= MEASURED
    centre, spread = np.full(roots.shape[1], np.inf), np.ones(roots.shape[1])
    if enough.any():
        centre[enough] = np.nanmean(roots[:, enough], axis=0)
        spread[enough] = np.maximum(np.nanstd(roots[:, enough], axis=0), TINY)
    return centre, spread
