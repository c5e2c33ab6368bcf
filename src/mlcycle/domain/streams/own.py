"""Detectors that the library of the others lacks, or has too slow to be replayed."""

from collections import deque
from functools import cache

import numpy as np


class Ewma:
    """Control chart of an exponentially weighted mean (Roberts 1959, Technometrics 1(3)).

    Values are in standard deviations from what is usual; ``limit`` is in standard deviations of the mean.
    """

    WEIGHT = 0.2

    def __init__(self, limit: float, upward: bool) -> None:
        self._limit, self._upward = limit, upward
        self._start()

    def _start(self) -> None:
        self._mean, self._left = 0.0, 1.0  # what of the variance is not reached yet

    def update(self, value: float) -> bool:
        """Take a value in."""
        self._mean += self.WEIGHT * (value - self._mean)
        self._left *= (1 - self.WEIGHT) ** 2
        limit = self._limit * (self.WEIGHT / (2 - self.WEIGHT) * (1 - self._left)) ** 0.5
        told = bool((self._mean if self._upward else abs(self._mean)) > limit)
        if told:
            self._start()
        return told


class Kswin:
    """Kolmogorov-Smirnov windowing (Raab, Heusinger & Schleif 2020, Neurocomputing 416).

    The newest ``recent`` of ``window`` values against as many, drawn of the older ones; told of where its
    p-value (Smirnov's limit) is below ``alpha``. The older ones are forgotten then.
    """

    def __init__(self, alpha: float, window: int, recent: int, upward: bool) -> None:
        self._alpha, self._recent, self._upward = alpha, recent, upward
        self._held: deque[float] = deque(maxlen=window)
        self._random = np.random.default_rng(0)

    def update(self, value: float) -> bool:
        """Take a value in."""
        self._held.append(value)
        if len(self._held) < (self._held.maxlen or 0):
            return False
        held = np.array(self._held)
        older, newest = held[: -self._recent], held[-self._recent :]
        drawn = np.sort(self._random.choice(older, self._recent, replace=False))
        both = np.sort(np.concatenate([drawn, newest]))
        below = [np.searchsorted(np.sort(side), both, side="right") for side in (drawn, newest)]
        distance = np.abs(below[0] - below[1]).max() / self._recent
        if distance <= _smirnov(self._alpha) * (2 / self._recent) ** 0.5:
            return False
        self._held = deque(newest.tolist(), maxlen=self._held.maxlen)
        return not self._upward or bool(newest.mean() > older.mean())


@cache
def _smirnov(alpha: float) -> float:
    from scipy import special

    return float(special.kolmogi(alpha))


class FourRates:
    """Linear four rates (Wang & Abraham 2015, IJCNN): of classes 0 and 1, coded ``2 * was + said``.

    Sensitivity, specificity and the precisions of either class, each as a mean that forgets, against what
    such a mean does around the rate since the start. That is taken as a beta distribution of the same mean
    and variance, where the authors simulate; only falls are told of.
    """

    NAMES = ("sensitivity", "specificity", "precision", "precision of zeros")
    KEPT = 0.99  # of the weight, at each value
    STARTED = 100  # values of a rate before it is judged

    def __init__(self, level: float) -> None:
        self._level = level
        self._start()

    def _start(self) -> None:
        self._recent = [0.5] * 4
        self._hits, self._rows = [0] * 4, [0] * 4

    def update(self, value: float) -> bool:
        """Take a coded row in."""
        was, said = divmod(int(value), 2)
        told = False
        for rate in (0 if was else 1, 2 if said else 3):
            right = was == said
            self._hits[rate] += right
            self._rows[rate] += 1
            rows = self._rows[rate]
            kept = self.KEPT if rows > self.STARTED else 1 - 1 / rows  # a plain mean at first
            self._recent[rate] = kept * self._recent[rate] + (1 - kept) * right
            usual = round(self._hits[rate] / rows, 2)
            told |= rows > 2 * self.STARTED and self._recent[rate] < _lowest(usual, self._level, self.KEPT)
        if told:
            self._start()
        return told


@cache
def _lowest(rate: float, level: float, kept: float) -> float:
    """What a mean that forgets falls below in a share ``level`` of times."""
    from scipy import special

    if not 0 < rate < 1:
        return rate
    # Its variance is that of a row times (1 - kept) / (1 + kept).
    weight = (1 + kept) / (1 - kept) - 1
    return float(special.betaincinv(rate * weight, (1 - rate) * weight, level))
