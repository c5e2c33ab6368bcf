"""What a quantity is over all rows, from those that a draw let be seen.

A row that was seen with probability p stands for 1 / p rows (Horvitz & Thompson 1952, JASA 47); the sum is
divided by the rows so stood for (Hajek 1971; self-normalised: Swaminathan & Joachims 2015, NIPS 28), so that
chance in how many were seen cancels. A probability below ``FLOOR`` counts as that: a row stands for a hundred
at the most, and where that is less than it should, the estimate leans to what is usually decided.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR: Final = 0.01


def weights(propensities: Array) -> Array:
    """(n,) for how many rows each stands."""
    found: Array = 1 / np.maximum(propensities, FLOOR)
    return found


def of_days(sums: Array, stood: Array, rows: Array) -> tuple[float, Array]:
    """The mean of a day's total, and how much each day adds to it beyond its share (linearised).

    Where all rows were seen (``stood`` is ``rows``) it is the mean of the sums.

    Args:
        sums: (days,) of the quantity times the weight over the rows seen.
        stood: (days,) for how many rows those stand.
        rows: (days,) that there were.
    """
    a_row = sums.sum() / stood.sum()
    mean = float(a_row * rows.mean())
    apart = a_row * rows - mean + (sums - a_row * stood) * rows.mean() / stood.mean()
    return mean, apart / len(sums)
