"""Two models on the same rows: how much better one is, and how sure that is, by whole blocks of time.

Rows of one day share their weather and their knock-on delays; to take them as independent calls luck
significant. What each row adds to a metric (its influence) is summed by block, for every metric in the same
way, and the blocks' sums say how far the gain spreads (``interval.Spread``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import (
    METRICS,
    Array,
    NotMeasured,
    Reading,
    check_rows,
    gain,
    influence,
    more_is_better,
)
from mlcycle.errors import InputError

ROUNDING = 1e-12  # of a prediction


@dataclass(frozen=True)
class Paired:
    """A comparison; gains are in the metric's unit, positive where ``new`` is better.

    ``spread`` is None where there are fewer than ``MIN_BLOCKS`` blocks: nothing is known of it then.
    """

    metric: str
    old: float
    new: float
    gain: float
    blocks: int
    spread: Spread | None
    block_gains: list[Reading]  # on each block alone, in order


def paired_blocks(metric: str, labels: Array, old: Array, new: Array, blocks: NDArray[np.int64]) -> Paired:
    """Measure two models on the same rows.

    Args:
        metric: a name of ``metrics.METRICS``.
        labels: (n,).
        old: (n,) predictions of the model in place.
        new: (n,) predictions of the model that wants its place.
        blocks: (n,) block of each row, integers in order of time.

    Raises InputError for no rows or values that are not finite, or where the metric is not
    defined on the rows.
    """
    check_rows(labels, old)
    check_rows(labels, new)
    # What rounding alone tells apart is the same: a gain of 1e-17 with an error of 1e-18 would be a sure one.
    new = np.where(np.abs(new - old) <= ROUNDING * np.abs(old), old, new)
    _, codes = np.unique(blocks, return_inverse=True)
    count = int(codes.max()) + 1
    measure = METRICS[metric]
    before, after = measure(labels, old, None), measure(labels, new, None)
    added = gained_by_row(metric, labels, old, new)
    for reading in (before, after, added):
        if isinstance(reading, NotMeasured):
            raise InputError(f"{metric} cannot be compared: {reading.reason}")
    assert not isinstance(before, NotMeasured)
    assert not isinstance(after, NotMeasured)
    assert not isinstance(added, NotMeasured)
    gained = gain(metric, before, after)
    sums = np.bincount(codes, weights=added) / len(labels)
    by_block = [
        gain(metric, measure(labels[rows], old[rows], None), measure(labels[rows], new[rows], None))
        for rows in (codes == block for block in range(count))
    ]
    spread = Spread.of(gained, sums) if count >= MIN_BLOCKS else None
    return Paired(metric, before, after, gained, count, spread, by_block)


def gained_by_row(metric: str, labels: Array, old: Array, new: Array) -> Array | NotMeasured:
    """(n,) what each row adds to the gain of ``new`` over ``old`` beyond the mean row; positive is better."""
    before, after = influence(metric, labels, old), influence(metric, labels, new)
    if isinstance(before, NotMeasured) or isinstance(after, NotMeasured):
        return before if isinstance(before, NotMeasured) else after
    found: Array = after - before if more_is_better(metric) else before - after
    return found
