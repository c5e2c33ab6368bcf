"""How dull a detector has to be, so that days without a change raise few alarms.

What the books promise holds for independent values. Days are not: here years are put together of weeks of
days that were (circular block bootstrap: Politis & Romano 1992), and the sharpest setting is taken that keeps
the rate which is put up with.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.streams.replay import Maker, alarms, apart

Array = NDArray[np.float64]

MIN_DAYS = 28  # of which years can be put together
BLOCK = 7
YEAR, YEARS = 365, 12
SEED = 20130101


def years(known: Array) -> Array:
    """(``YEARS``, ``YEAR``) values of days, put together of blocks of the known ones (n,)."""
    random = np.random.default_rng(SEED)
    count = -(-YEAR // BLOCK)
    starts = random.integers(0, len(known), (YEARS, count))
    places = (starts[:, :, None] + np.arange(BLOCK)) % len(known)
    found: Array = known[places.reshape(YEARS, -1)[:, :YEAR]]
    return found


def setting(make: Maker, settings: Sequence[float], known: Array, false_a_year: float) -> float:
    """The sharpest of the settings (sharp ones first) that raises so many alarms a year at most.

    The dullest where none does. Settings are taken to be in order of the alarms that they raise.
    """
    made = years(known)
    low, high = 0, len(settings) - 1
    while low < high:
        middle = (low + high) // 2
        told = sum(len(_alerts(make, settings[middle], year)) for year in made)
        low, high = (low, middle) if told <= false_a_year * YEARS else (middle + 1, high)
    return settings[low]


def _alerts(make: Maker, at: float, year: Array) -> list[int]:
    return apart(alarms(make(at), ([value] for value in year.tolist())), BLOCK)
