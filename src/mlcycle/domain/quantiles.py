"""Predicted quantiles of a number: what they are as arrays, and the order they must be in.

Said quantiles are (n, q, 2): of each row q pairs of a value and its level, levels ascending and the same in
all rows. They carry their levels wherever rows of them are taken, put together or compared. The median, level
.5, is the point forecast.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.quantile_levels import MEDIAN
from mlcycle.errors import InputError

Array = NDArray[np.float64]


def paired(levels: Sequence[float] | Array, values: Array) -> Array:
    """(n, q, 2) out of levels (q,) and values (n, q)."""
    found: Array = np.stack([values, np.broadcast_to(np.asarray(levels, np.float64), values.shape)], axis=2)
    return found


def values_of(said: Array) -> Array:
    """(n, q) of said quantiles."""
    return said[:, :, 0]


def levels_of(said: Array) -> Array:
    """(q,) of said quantiles of one row at least."""
    return said[0, :, 1]


def are(predictions: Array) -> bool:
    """Whether predictions are quantiles: (n, q, 2)."""
    return predictions.ndim == 3


def point(predictions: Array) -> Array:
    """(n,) the median of said quantiles; a point forecast (n,) as it is."""
    if not are(predictions):
        return predictions
    if not len(predictions):
        return np.empty(0)
    return predictions[:, middle(levels_of(predictions)), 0]


def middle(levels: Sequence[float] | Array) -> int:
    """The median's place among levels that hold it."""
    return int(np.flatnonzero(np.asarray(levels) == MEDIAN)[0])


def rearranged(values: Array) -> Array:
    """(n, q) the same values in ascending order: no quantile is above one of a higher level.

    Where fits of several levels cross, sorting brings them no farther from the true quantiles:
    V. Chernozhukov, I. Fernandez-Val and A. Galichon, "Quantile and Probability Curves Without Crossing",
    Econometrica 78, 2010.
    """
    return np.sort(values, axis=1)


def at_levels(said: Array, levels: Sequence[float]) -> Array:
    """Said quantiles (n, q, 2) or a point forecast (n,) as quantiles of other levels, (n, levels, 2).

    Between two levels by a straight line, beyond the outermost as that; a point forecast is all of them.
    """
    if not are(said):
        return paired(levels, np.repeat(said[:, None], len(levels), axis=1))
    if not len(said):
        return np.empty((0, len(levels), 2))
    known, values = levels_of(said), values_of(said)
    if np.array_equal(known, levels):
        return said
    places = np.interp(levels, known, np.arange(len(known)))
    low = np.floor(places).astype(np.int64)
    high, share = np.minimum(low + 1, len(known) - 1), places - low
    return paired(levels, values[:, low] * (1 - share) + values[:, high] * share)


def of_labels(labels: Array, levels: Sequence[float], weights: Array | None = None) -> Array:
    """(q,) quantiles of labels (m,), m > 0: the least label that so large a share of weight is not above."""
    if not len(labels):
        raise InputError("there are no labels to take quantiles of")
    if weights is None:
        return np.quantile(labels, levels, method="inverted_cdf").astype(np.float64)
    return np.quantile(labels, levels, method="inverted_cdf", weights=weights).astype(np.float64)


def word(level: float) -> str:
    """A level or a share as part of a name: per cent, ``10``, ``2_5``, ``99_9``."""
    return f"{100 * level:.6g}".replace(".", "_")


def intervals(levels: Sequence[float] | Array) -> list[tuple[int, int, float]]:
    """Central intervals among levels, the widest first: places of both ends, and the share it should hold."""
    found = []
    for low, level in enumerate(levels):
        if level >= MEDIAN:
            break
        for high, other in enumerate(levels):
            if abs(level + other - 1) < 1e-9:
                found.append((low, high, round(float(other - level), 9)))
    return found
