"""Other effects of columns than ``effects.distances``: of W windows' counts and their references', (W, k)."""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.effects import MIN_VALUES
from mlcycle.domain.tally import HIGH, Scheme, Tally, each

Array = NDArray[np.float64]

LEAST = 1e-290  # p-value
TERMS = 250
RARE = 0.05  # of the reference's rows, which a rare category has at most


def hellinger(scheme: Scheme, windows: Tally, references: Tally) -> Array:
    """Hellinger distance of the columns' cells, from 0 to 1 (Hellinger 1909; Cieslak & Chawla 2009)."""

    def distance(now: Array, before: Array) -> Array:
        found: Array = np.sqrt(((np.sqrt(now) - np.sqrt(before)) ** 2).sum(axis=-1) / 2)
        return found

    return _of_shares(scheme, windows, references, distance)


def cramer_von_mises(scheme: Scheme, windows: Tally, references: Tally) -> Array:
    """Root mean square distance of the distribution functions (Anderson 1962, Ann. Math. Stat. 33).

    Over the reference's rows, by cells; of categories by falling frequency in training.
    """

    def distance(now: Array, before: Array) -> Array:
        gap = np.cumsum(now - before, axis=-1)
        found: Array = np.sqrt((gap**2 * before).sum(axis=-1))
        return found

    return _of_shares(scheme, windows, references, distance)


def _of_shares(scheme: Scheme, windows: Tally, references: Tally, distance: object) -> Array:
    found = []
    for (_, strange, now), (_, _, before) in zip(
        each(scheme, windows.cells), each(scheme, references.cells), strict=True
    ):
        rows, usual = now.sum(axis=-1), before.sum(axis=-1)
        with np.errstate(all="ignore"):
            # What is new or beyond all that was is a cell of its own, which the reference has not.
            beyond = strange[:, HIGH : HIGH + 1]
            own = np.concatenate([now, beyond], axis=-1) / (now.sum(axis=-1, keepdims=True) + beyond)
            other = np.concatenate([before, np.zeros_like(beyond)], axis=-1) / usual[:, None]
            effect = distance(own, other)  # type: ignore[operator]
        found.append(np.where(np.minimum(rows, usual) >= MIN_VALUES, effect, np.nan))
    return np.stack(found, axis=1)


def fisher(scheme: Scheme, windows: Tally, references: Tally) -> Array:
    """Fisher's exact test of each category with less than ``RARE`` of the reference's rows: decimal logarithm
    of 1 / p of the column's smallest p-value, Bonferroni over its rare ones (Fisher 1922).

    NaN of numbers. The p-value takes rows as independent: as an effect it is judged against windows of days.
    """
    found = []
    for (column, _, now), (_, _, before) in zip(
        each(scheme, windows.cells), each(scheme, references.cells), strict=True
    ):
        if column.numeric:
            found.append(np.full(len(now), np.nan))
            continue
        rows, usual = now.sum(axis=-1, keepdims=True), before.sum(axis=-1, keepdims=True)
        p = np.log(np.clip(2 * _smaller_tail(now, before, rows, usual), LEAST, 1.0))
        rare = (before < RARE * usual) & (now + before > 0)
        count = np.maximum(rare.sum(axis=-1), 1)
        least = np.where(rare, p, 0.0).min(axis=-1) + np.log(count)
        there = (np.minimum(rows, usual)[:, 0] >= MIN_VALUES) & rare.any(axis=-1)
        found.append(np.where(there, np.maximum(-least, 0.0) / np.log(10), np.nan))
    return np.stack(found, axis=1)


def _smaller_tail(now: Array, before: Array, rows: Array, usual: Array) -> Array:
    """Of so many of ``rows`` and ``usual`` rows the smaller of the chances of as many and more, and of as few
    and fewer, in ``now`` (hypergeometric). Sums of ``TERMS`` terms: of what is rare nothing is left beyond.
    """
    from scipy import special

    def choices(of: Array, some: Array) -> Array:
        logs: Array = special.gammaln(of + 1) - special.gammaln(some + 1) - special.gammaln(of - some + 1)
        return logs

    k, other, own, its = (np.round(counts) for counts in np.broadcast_arrays(now, before, rows, usual))
    first = np.exp(choices(own, k) + choices(its, other) - choices(own + its, k + other))
    step = np.arange(TERMS)
    k, other, own, its = (counts[..., None] for counts in (k, other, own, its))
    # The chance of one more, and of one fewer, over that of as many.
    more = np.maximum((other - step) * (own - k - step), 0) / ((k + step + 1) * (its - other + step + 1))
    fewer = np.maximum((k - step) * (its - other - step), 0) / ((other + step + 1) * (own - k + step + 1))
    with np.errstate(over="ignore", invalid="ignore"):  # of the larger tail, which is not asked for
        found: Array = first * (1 + np.fmin(*(np.cumprod(ratio, -1).sum(-1) for ratio in (more, fewer))))
    return found
