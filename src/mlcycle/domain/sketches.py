"""A day's numbers as quantiles, and days of them as counts: what was served, kept without its rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain import tally
from mlcycle.domain.tally import Scheme, Tally

Array = NDArray[np.float64]

POINTS = 64  # of a day: a number's place is known to 1/64 of its rows
DIGITS = 6


@dataclass(frozen=True)
class Sketch:
    """``rows`` numbers: how many have the most frequent value, and ``POINTS`` quantiles; none of no rows."""

    rows: int
    most: int
    points: tuple[float, ...]

    @property
    def document(self) -> list[float]:
        """As JSON."""
        return [self.rows, self.most, *self.points]

    @classmethod
    def of(cls, document: Sequence[float]) -> "Sketch":
        """Out of JSON."""
        rows, most, *points = document
        return cls(int(rows), int(most), tuple(map(float, points)))


def sketch(values: Array) -> Sketch:
    """Of finite numbers, their first ``DIGITS`` digits."""
    if not len(values):
        return Sketch(0, 0, ())
    _, counts = np.unique(values, return_counts=True)
    levels = (np.arange(POINTS) + 0.5) / POINTS
    points = np.quantile(values, levels, method="inverted_cdf")
    return Sketch(len(values), int(counts.max()), tuple(float(f"{point:.{DIGITS}g}") for point in points))


def scheme(name: str, days: Sequence[Sketch]) -> Scheme:
    """Cells of what these days hold. Raises ValueError where they hold nothing."""
    points = [np.array(day.points) for day in days if day.rows]
    return [tally.numeric(name, np.concatenate(points) if points else np.array([]))]


def counts(scheme: Scheme, days: Sequence[Sketch]) -> Tally:
    """The days as counts, one row each."""
    (column,) = scheme
    points = np.concatenate([np.array(day.points) for day in days] or [np.array([])])
    at = np.repeat(np.arange(len(days)), [len(day.points) for day in days])
    found = tally.count(scheme, {column.name: points}, at, len(days))
    rows = np.array([day.rows for day in days], dtype=np.float64)
    weights = rows / np.maximum(found.rows, 1)
    most = np.array([[day.most] for day in days], dtype=np.float64).reshape(-1, 1)
    return Tally(rows, found.cells * weights[:, None], most, found.pairs * 0)
