"""Whether the last days differ from the days before by more than days differ anyway.

Days in a row resemble each other, and there are few of them. The measure is the spread of the days before,
widened by their autocorrelation (Bartlett's kernel; what a short series hides of it is added: Marriott & Pope
1954, Biometrika 41), and the limit a prediction limit: Hotelling's T-square over all readings and Student's t
over each, with as many degrees of freedom as there are independent days.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

LAGS = 7  # days after which a day is taken to know nothing of another
TINY = 1e-12


@dataclass(frozen=True)
class Spread:
    """Of k readings on the n days that were.

    Args:
        mean: (k,).
        covariance: (k, k) of a day.
        correlations: (lags, k) with the day so many days before.
        days: n.
    """

    mean: Array
    covariance: Array
    correlations: Array
    days: int

    @property
    def freedom(self) -> Array:
        """(k,) independent days the covariance was learnt from, less one."""
        known = 1 + 2 * (self._taper * self.correlations**2).sum(axis=0)
        found: Array = np.maximum(self.days / known - 1, 1.0)
        return found

    def errors(self, days: int) -> Array:
        """(k,) standard errors of a mean over so many days in a row less the mean of those before."""
        share = self._inflation(days) / days + self._inflation(self.days) / self.days
        found: Array = np.sqrt(np.maximum(np.diag(self.covariance), TINY) * share)
        return found

    def _inflation(self, days: int) -> Array:
        weights = self._taper * np.maximum(1 - self._lags / days, 0)
        found: Array = np.maximum(1 + 2 * (weights * self.correlations).sum(axis=0), 1.0)
        return found

    @property
    def _lags(self) -> Array:
        found: Array = np.arange(1.0, len(self.correlations) + 1)[:, None]
        return found

    @property
    def _taper(self) -> Array:
        return 1 - self._lags / (len(self.correlations) + 1)


def spread(numbers: Numbers, values: Array) -> Spread:
    """Of these days' readings (n, k), none of them NaN; the days need not be in a row."""
    n, k = values.shape
    mean = values.mean(axis=0)
    rest = np.full((int(numbers.max() - numbers.min()) + 1, k), np.nan)
    rest[numbers - numbers.min()] = values - mean
    variance = np.maximum(values.var(axis=0), TINY)
    lags = max(1, min(LAGS, n // 4))
    found = np.zeros((lags, k))
    for lag in range(1, lags + 1):
        pairs = rest[lag:] * rest[:-lag]
        known = np.isfinite(pairs[:, 0])
        if known.sum() > 1:
            r = pairs[known].mean(axis=0) / variance
            found[lag - 1] = np.clip(r + (1 + 3 * np.maximum(r, 0)) / n, 0, 0.95)
    return Spread(mean, np.atleast_2d(np.cov(values, rowvar=False)), found, n)


def p_value(before: Spread, now: Array) -> tuple[float, Array]:
    """In which share of times days (m, k) differ this much where nothing changed; and by how many standard
    errors (k,) they do.
    """
    from scipy import special

    count = now.shape[1]
    errors, freedom = before.errors(len(now)), before.freedom
    apart = (now.mean(axis=0) - before.mean) / errors
    alone = float(count * (2 * special.stdtr(freedom, -np.abs(apart))).min())
    second = float(freedom.mean()) - count + 1
    if count == 1 or second < 2:
        return min(alone, 1.0), apart
    f = float(_square(before, apart)) * second / (count * (second + count - 1))
    return min(2 * min(alone, float(special.fdtrc(count, second, f))), 1.0), apart


def unheard_of(before: Spread, values: Array, now: Array) -> bool:
    """Whether no stretch as long as ``now`` (m, k) in the days before, ``values`` (n, k), differed as much.

    Of a few days the mean is not normal, whatever the limits say.
    """
    m = len(now)
    if len(values) < m:
        return False
    sums = np.cumsum(np.vstack([np.zeros(values.shape[1]), values - before.mean]), axis=0)
    errors = before.errors(m)
    held = _square(before, (sums[m:] - sums[:-m]) / m / errors)
    return bool(_square(before, (now.mean(axis=0) - before.mean) / errors) > held.max())


def _square(before: Spread, apart: Array) -> Array:
    """Hotelling's T-square of deviations (..., k) in standard errors."""
    scale = np.sqrt(np.maximum(np.diag(before.covariance), TINY))
    inverse = np.linalg.pinv(before.covariance / np.outer(scale, scale), 1e-6)
    found: Array = np.einsum("...i,ij,...j->...", apart, inverse, apart)
    return found
