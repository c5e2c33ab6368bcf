"""What freshness is worth: models that were trained longer ago, compared with a fresh one on the same rows.

A model that is retrained every N days is on average as old as all ages from nought to N. What it loses to one
that is always fresh is the mean of the loss by age over those ages, the loss between two measured ages being
taken for a straight line: a weighted sum of measured losses, whose spread is that of the same sum of what
each block of time adds to them (``interval.Spread``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import Array, NotMeasured
from mlcycle.domain.paired import gained_by_row, paired_blocks
from mlcycle.errors import InputError


@dataclass(frozen=True)
class Aged:
    """A model by its age in days: its metric, and how much better the fresh one is, block by block."""

    age: float
    value: float
    gain: float  # of the fresh one over it, positive where fresh is better
    added: Array  # (blocks,) what each block adds to the gain beyond its share

    @property
    def spread(self) -> Spread | None:
        """How sure the gain is; None where there are too few blocks to say."""
        return Spread.of(self.gain, self.added) if len(self.added) >= MIN_BLOCKS else None


def aged(metric: str, labels: Array, fresh: Array, old: Array, blocks: NDArray[np.int64], age: float) -> Aged:
    """Compare a model of an age in days with the fresh one.

    Args:
        metric: a name of ``metrics.METRICS``.
        labels: (n,).
        fresh: (n,) what the fresh model says.
        old: (n,) what the older one says.
        blocks: (n,) block of time of each row.
        age: days between the ends of what the two have learnt.

    Raises InputError where the metric is not defined on the rows.
    """
    found = paired_blocks(metric, labels, old, fresh, blocks)
    added = gained_by_row(metric, labels, old, fresh)
    if isinstance(added, NotMeasured):
        raise InputError(f"{metric} cannot be compared: {added.reason}")
    _, codes = np.unique(blocks, return_inverse=True)
    return Aged(age, found.old, found.gain, np.bincount(codes, weights=added) / len(labels))


@dataclass(frozen=True)
class Worth:
    """Retraining every ``every`` days: ``loss`` to a model that is always fresh, and what it gains over one
    that is retrained every ``most`` days, in the metric's unit; None of a spread where blocks are too few.
    """

    every: float
    most: float
    loss: float
    gain: float
    spread: Spread | None


def worth(models: Sequence[Aged], every: float) -> Worth:
    """What retraining every so many days is worth.

    Args:
        models: by age, ascending, the first of age nought.
        every: up to the greatest age.

    Raises ValueError for ages that do not begin at nought, or an interval beyond the last.
    """
    ages = np.array([model.age for model in models])
    if len(ages) < 2 or ages[0] != 0 or not 0 < every <= ages[-1]:
        raise ValueError("ages begin at nought, and an interval lies within them")
    mine, rare = _weights(ages, every), _weights(ages, float(ages[-1]))
    gains = np.array([model.gain for model in models])
    added = np.array([model.added for model in models])
    gain = float((rare - mine) @ gains)
    blocks = added.shape[1]
    spread = Spread.of(gain, (rare - mine) @ added) if blocks >= MIN_BLOCKS else None
    return Worth(every, float(ages[-1]), float(mine @ gains), gain, spread)


def _weights(ages: Array, until: float) -> Array:
    """(ages,) with which losses at the ages give the mean over ages from nought to ``until``."""
    found = np.zeros(len(ages))
    for i in range(len(ages) - 1):
        low, high = float(ages[i]), min(float(ages[i + 1]), until)
        if high <= low:
            break
        middle = ((low + high) / 2 - low) / float(ages[i + 1] - ages[i])  # where the line's mean lies
        found[i] += (high - low) * (1 - middle)
        found[i + 1] += (high - low) * middle
    return found / until
