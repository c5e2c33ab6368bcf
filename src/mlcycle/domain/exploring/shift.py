"""Whether the rows to judge on come from where the rows to learn from come from, column by column.

A column's rows are counted in bins by partition. How far the last partitions are from all others is half the
sum of the differences of shares (total variation). The same is measured of every other stretch of as many
partitions, the last one followed by the first: what stretches do by season, trend and chance is usual. The
largest of all columns, each in units of its own spread over the stretches, is ranked among the largest ones
of the stretches, so that many columns raise no false alarm (max-T: P. Westfall and S. Young,
"Resampling-Based Multiple Testing", 1993).

Where partitions have little to do with their neighbours the last stretch is as likely as any to be the
farthest: its rank is the p-value. At the ends of a slow series stretches are farther out than within it: of
twelve columns one is said to have moved in .04 of tables without a fault, .09 where neighbours correlate by
.7, .23 by .9.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, Ints, grouped

BINS: Final = 10  # of numbers, by quantiles
WORDS: Final = 20  # the commonest; the others are one more
PARTITIONS: Final = 40  # that are needed
PART: Final = 4  # of all partitions the last ones are one in so many at most
LEVEL: Final = 0.05


@dataclass(frozen=True)
class Shift:
    """A column's distance from 0 to 1, the usual one, and how likely one so far is where nothing is wrong."""

    name: str
    distance: float
    usual: float
    p: float

    @property
    def moved(self) -> bool:
        """Whether it is said to be of another distribution."""
        return self.p <= LEVEL


def shifts(columns: Sequence[Column], partition: Ints, last: int) -> list[Shift] | str:
    """Each column's shift in the last partitions, the least likely first; or why none is judged.

    Args:
        columns: with n rows each.
        partition: each row's number from 0, in order of time, without gaps (n,).
        last: how many of the newest partitions are judged.
    """
    partitions = int(partition.max(initial=-1)) + 1
    if not columns or partitions < max(PARTITIONS, PART * last):
        return f"there are {partitions} partitions with rows, {max(PARTITIONS, PART * last)} are needed"
    measured = np.column_stack(
        [_distances(_counted(column, partition, partitions), last) for column in columns]
    )
    centre, spread = measured.mean(axis=0), np.maximum(measured.std(axis=0), 1e-9)
    odd = (measured - centre) / spread
    # Of each column the share of stretches in which any column is as odd as this one is in the last.
    p = (odd.max(axis=1)[:, None] >= odd[-1] - 1e-9).mean(axis=0)
    now = measured[-1]
    said = [
        Shift(column.name, float(d), float(u), float(each))
        for column, d, u, each in zip(columns, now, centre, p, strict=True)
    ]
    return sorted(said, key=lambda each: (each.p, -each.distance))


def _counted(column: Column, partition: Ints, partitions: int) -> Floats:
    """Rows of each partition by bin (partitions, bins); the last bin is of missing values."""
    if column.is_number:
        values = column.values[column.here]
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]) if len(values) else np.empty(0)
        edges = np.unique(edges)
        codes = np.digitize(column.values, edges)
        bins = len(edges) + 1
    else:
        few = grouped(column, WORDS)
        assert few.words is not None
        codes, bins = few.values, len(few.words)
    codes = np.where(column.here, codes, bins)
    counts = np.bincount(partition * (bins + 1) + codes, minlength=partitions * (bins + 1))
    return counts.reshape(partitions, bins + 1).astype(np.float64)


def _distances(counts: Floats, last: int) -> Floats:
    """Of each stretch from all else (partitions,); the last one is that of the last partitions."""
    around = np.vstack([counts, counts[: last - 1]]) if last > 1 else counts
    sums = np.vstack([np.zeros(counts.shape[1]), np.cumsum(around, axis=0)])
    inner = np.roll(sums[last:] - sums[:-last], last - 1, axis=0)
    return _apart(inner, counts.sum(axis=0) - inner)


def _apart(a: Floats, b: Floats) -> Floats:
    def shares(counts: Floats) -> Floats:
        found: Floats = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
        return found

    found: Floats = 0.5 * np.abs(shares(a) - shares(b)).sum(axis=-1)
    return found
