"""How far windows are from their references: columns alone, pairs of columns, shares of strange values.

Everything here takes counts (``tally``) of W windows and gives W rows of effects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.tally import ABSENT, HIGH, LOW, Numeric, Scheme, Tally, each

Array = NDArray[np.float64]

STRAIGHT = 0.999  # a correlation as good as 1
MIN_PAIRS = 100  # rows that have both columns
MIN_VALUES = 30  # of a column in a window, below which its effect says nothing
#: Of each column the share of rows where it is absent; lies below its range; above it, or is a category
#: never seen; and has the day's most frequent value (all of them where a sensor is stuck).
CHECKS = ("missing", "below range", "above range or new", "one value")
STUCK = 0.25
NEWS = (0.05, 0.005, 0.005, STUCK)  # the least share, above what is usual, that is worth a word


def distances(scheme: Scheme, windows: Tally, references: Tally) -> Array:
    """Each column's effect, (W, columns): 0 is none; NaN where either side has too few values.

    Of numbers the Wasserstein-1 distance in standard deviations of training, values at its outermost
    cells drawn in (a shift by d sd gives d); of categories the total variation, the share of rows that would
    have to change category.
    """
    found = []
    pairs = zip(each(scheme, windows.cells), each(scheme, references.cells), strict=True)
    for (column, strange, now), (_, _, before) in pairs:
        rows, usual = now.sum(axis=-1), before.sum(axis=-1)
        with np.errstate(all="ignore"):
            share, expected = now / rows[:, None], before / usual[:, None]
            if isinstance(column, Numeric) and len(column.grid) == 1:  # any other value is another
                effect = strange[:, LOW : HIGH + 1].sum(axis=-1) / rows
            elif isinstance(column, Numeric):
                gap = np.abs(np.cumsum(share - expected, axis=-1))[:, :-1]
                steps = np.diff(column.grid)
                effect = gap[:, :-1] @ steps / (column.scale or 1.0)
            else:
                new = strange[:, HIGH] / rows  # a category never seen lies in no cell of the reference
                share = np.concatenate([share[:, :-1], (share[:, -1] - new)[:, None], new[:, None]], axis=-1)
                expected = np.concatenate([expected, np.zeros((len(expected), 1))], axis=-1)
                effect = np.abs(share - expected).sum(axis=-1) / 2
        found.append(np.where(np.minimum(rows, usual) >= MIN_VALUES, effect, np.nan))
    return np.stack(found, axis=1)


def present(scheme: Scheme, windows: Tally) -> Array:
    """How many rows have each column, (W, columns)."""
    return np.stack([own.sum(axis=-1) for _, _, own in each(scheme, windows.cells)], axis=1)


def correlations(tally: Tally) -> Array:
    """Rank correlation within days of every pair of columns, (W, P, P), of the rows that have both.

    NaN where that is unknown, as of a column that is the same all day. What whole days have in common is
    left out: a window has few days, and theirs would be chance.
    """
    count, square, product = np.moveaxis(tally.pairs, 1, 0)
    other = np.swapaxes(square, 1, 2)
    with np.errstate(all="ignore"):
        found = product / np.sqrt(square * other)
        known = (count >= MIN_PAIRS) & (np.minimum(square, other) > 1e-6 * count)
    return np.where(known, np.clip(found, -1, 1), np.nan)


def paired(tally: Tally) -> Array:
    """Rank correlations of the pairs i < j, (W, pairs)."""
    upper = np.triu_indices(tally.pairs.shape[-1], 1)
    found: Array = correlations(tally)[:, upper[0], upper[1]]
    return found


def dependences(windows: Tally, references: Tally) -> Array:
    """How far each pair's rank correlation is from the reference's, (W, pairs i < j), on Fisher's scale.

    There .99 and .9 are as far from each other as .83 and 0 (z, the inverse hyperbolic tangent).
    """
    now, before = (np.arctanh(np.clip(paired(side), -STRAIGHT, STRAIGHT)) for side in (windows, references))
    found: Array = np.abs(now - before)
    return found


def shares(scheme: Scheme, windows: Tally) -> Array:
    """Of each column the shares of rows in ``CHECKS``, (W, columns, checks)."""
    found = []
    rows = np.maximum(windows.rows, 1)
    for number, (_, strange, _) in enumerate(each(scheme, windows.cells)):
        three = (strange[:, cell] / rows for cell in (ABSENT, LOW, HIGH))
        found.append(np.stack([*three, windows.tops[:, number] / rows], axis=-1))
    return np.stack(found, axis=1)


@dataclass(frozen=True)
class Ceilings:
    """What training's windows never had: for each column and check (columns, checks) the most they had,
    from which share on a window is told of, and in which share of windows that would have been false.
    """

    most: Array
    limits: Array
    false_rate: float


def ceilings(shares: Array, folds: int = 5) -> Ceilings:
    """From which shares on a window is unlike any of training's (W, columns, checks).

    That is twice the most they had, and ``NEWS`` more at least; of the most frequent value ``NEWS`` more, and
    never where that is above 1. The false rate is measured: the share of training's windows that are over the
    limits which the other ``folds`` of them give.
    """
    false = 0
    for fold in np.array_split(np.arange(len(shares)), folds):
        _, limits = _ceilings(np.delete(shares, fold, axis=0))
        false += int((shares[fold] >= limits).any(axis=(1, 2)).sum())
    return Ceilings(*_ceilings(shares), false / max(len(shares), 1))


def _ceilings(shares: Array) -> tuple[Array, Array]:
    most = np.nan_to_num(shares, nan=0.0).max(axis=0, initial=0.0)
    return most, twice_the_most(most, np.array(NEWS))


def twice_the_most(most: Array, news: Array | float) -> Array:
    """From which share on something was never so: twice the most there was, ``news`` more at least.

    Of the most frequent value (``STUCK``) that much more; infinite above 1.
    """
    limits = np.maximum(most * np.where(np.asarray(news) < STUCK, 2, 1), most + news)
    return np.where(limits > 1, np.inf, limits)
