"""Columns as counts, a row of counts for each stretch of time: what drift is measured on, however many rows.

A number is counted in one of ``CELLS`` cells between quantiles of the training sample, a category in its own
cell or, beyond the ``CELLS`` most frequent, in a common one. Counts of days add up to counts of windows, so
that every window of a year is compared without reading a row twice. Beside them stand sums of products of
the columns' ranks within each day, of which every window's rank correlations follow.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CELLS = 64  # a number's place is known to 1/64 of the training rows
KNOWN = (
    100_000  # categories that are remembered, the most frequent; of a rarer one nobody can say "never seen"
)
PAIRED = 40  # columns whose correlations are kept, the first ones: 40 x 40 sums a day
LARGEST = 1e150  # of a number, whose square is one too; larger ones count as it
TAIL = 0.005  # of the training values on each side, which lie in the outermost cells
ABSENT, LOW, HIGH = range(3)  # cells before a number's own; a category never seen is counted as HIGH
OWN = 3


@dataclass(frozen=True)
class Numeric:
    """How a column of numbers is counted."""

    name: str
    grid: Array  # ascending; cell i holds values in (grid[i-1], grid[i]]
    scale: float  # standard deviation of the training sample, values at its ends drawn in to the grid
    scores: Array  # of each cell: its middle rank in training, from -.5 to .5
    fences: tuple[float, float]  # outside them a value is out of range
    numeric: ClassVar[bool] = True

    @property
    def cells(self) -> int:
        """How many."""
        return OWN + len(self.grid) + 1

    def codes(self, values: Array) -> NDArray[np.int64]:
        """The own cell of each value; -1 where there is none."""
        found = np.searchsorted(self.grid, values, side="left")
        return np.where(np.isfinite(values), found, -1)

    def strange(self, values: Array) -> NDArray[np.int64]:
        """``LOW`` or ``HIGH`` for values out of range, -1 for the others."""
        low, high = self.fences
        with np.errstate(invalid="ignore"):
            outside = np.where(values < low, LOW, np.where(values > high, HIGH, -1))
        return np.where(np.isfinite(values), outside, -1)


@dataclass(frozen=True)
class Categorical:
    """How a column of categories is counted; ``known`` holds the cell of each, by falling frequency."""

    name: str
    known: Mapping[str, int]
    scores: Array
    complete: bool = True  # every category of training is known
    numeric: ClassVar[bool] = False

    @property
    def cells(self) -> int:
        """How many; the last one is of rare and of new categories."""
        return OWN + len(self.scores)

    def codes(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """The own cell of each value; -1 where there is none."""
        other = len(self.scores) - 1
        return np.fromiter(
            (-1 if value is None else self.known.get(value, other) for value in values), np.int64, len(values)
        )

    def strange(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """``HIGH`` for categories never seen in training, -1 for the others."""
        if not self.complete:
            return np.full(len(values), -1, dtype=np.int64)
        return np.fromiter(
            (-1 if value is None or value in self.known else HIGH for value in values), np.int64, len(values)
        )


Scheme = Sequence[Numeric | Categorical]


def numeric(name: str, sample: Array) -> Numeric:
    """Cells of a column of numbers, out of a sample of training. Raises ValueError where it has no value.

    Out of range is what lies as far outside all of the sample as that is wide.
    """
    values = np.clip(sample[np.isfinite(sample)], -LARGEST, LARGEST)
    if not len(values):
        raise ValueError(f"{name} has no value in the training data")
    grid = np.unique(np.quantile(values, np.linspace(TAIL, 1 - TAIL, CELLS), method="inverted_cdf"))
    cells = np.bincount(np.searchsorted(grid, values, side="left"), minlength=len(grid) + 1)
    low, high = float(values.min()), float(values.max())
    scale = float(np.clip(values, grid[0], grid[-1]).std())
    return Numeric(name, grid, scale, _middle_ranks(cells), (2 * low - high, 2 * high - low))


def categorical(name: str, counts: Mapping[str, int]) -> Categorical:
    """Cells of a column of categories, out of how often training has each.

    Raises ValueError where it has none.
    """
    if not counts:
        raise ValueError(f"{name} has no value in the training data")
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    known = {value: min(cell, CELLS - 1) for cell, value in enumerate(ordered[:KNOWN])}
    cells = np.zeros(min(len(ordered), CELLS - 1) + 1, dtype=np.int64)
    for value in ordered:
        cells[min(known.get(value, CELLS - 1), len(cells) - 1)] += counts[value]
    known = {value: min(cell, len(cells) - 1) for value, cell in known.items()}
    return Categorical(name, known, _middle_ranks(cells), complete=len(ordered) <= KNOWN)


def _middle_ranks(cells: NDArray[np.int64]) -> Array:
    shares: Array = cells / cells.sum()
    return np.cumsum(shares) - shares / 2 - 0.5


@dataclass
class Tally:
    """Counts of stretches of time (B of them), one row each.

    ``tops`` are how many rows have the stretch's most frequent value. ``pairs`` are sums over rows that have
    both columns of a pair: of rows, of the square of the first one's score, and of the product of both, the
    scores taken from their means in the stretch: what goes together within it, whatever the stretches do.
    """

    rows: Array  # (B,)
    cells: Array  # (B, all columns' cells)
    tops: Array  # (B, columns)
    pairs: Array  # (B, 3, P, P)

    @property
    def parts(self) -> tuple[Array, Array, Array, Array]:
        """All of it, to be added, cut and stored."""
        return self.rows, self.cells, self.tops, self.pairs

    def pooled(self, weights: NDArray[Any]) -> "Tally":
        """Sums over stretches, one for each row of ``weights`` (W, B)."""
        chosen = np.asarray(weights, dtype=np.float64)
        sums = (chosen @ part.reshape(len(part), -1) for part in self.parts)
        return Tally(
            *(s.reshape(len(chosen), *part.shape[1:]) for s, part in zip(sums, self.parts, strict=True))
        )

    def windows(self, starts: NDArray[np.int64], length: int) -> "Tally":
        """Sums over ``length`` stretches from each start."""
        return Tally(*(_sliding(part, starts, length) for part in self.parts))

    def whole(self) -> "Tally":
        """The sum over all stretches, as one."""
        return Tally(*(part.sum(axis=0, keepdims=True) for part in self.parts))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + its for mine, its in zip(self.parts, other.parts, strict=True)))

    def __getitem__(self, chosen: Any) -> "Tally":
        return Tally(*(part[chosen] for part in self.parts))


def _sliding(values: Array, starts: NDArray[np.int64], length: int) -> Array:
    found = values[starts].astype(np.float64)
    for step in range(1, length):
        found += values[starts + step]
    return found


def empty(scheme: Scheme, stretches: int) -> Tally:
    """Counts of nothing."""
    paired = min(len(scheme), PAIRED)
    width = sum(column.cells for column in scheme)
    return Tally(
        *(np.zeros(stretches), np.zeros((stretches, width)), np.zeros((stretches, len(scheme)))),
        np.zeros((stretches, 3, paired, paired)),
    )


def count(
    scheme: Scheme,
    columns: Mapping[str, Any],
    at: NDArray[np.int64] | None = None,
    stretches: int = 1,
    new: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Tally:
    """Count rows: each column's values, and which stretch each row lies in (all in one without it).

    Numbers are float arrays, NaN where absent; categories are sequences of text, None where absent. ``new``
    says which categories count as never seen, where that is not what the scheme does not know.
    """
    rows = len(next(iter(columns.values()))) if columns else 0
    at = np.zeros(rows, dtype=np.int64) if at is None else at
    found = empty(scheme, stretches)
    found.rows += np.bincount(at, minlength=stretches)
    paired = found.pairs.shape[-1]
    scores, present = np.zeros((rows, paired)), np.zeros((rows, paired))
    for number, (column, start) in enumerate(zip(scheme, offsets(scheme), strict=True)):
        values = columns[column.name]
        codes = column.codes(values)
        if new is not None and column.name in new:
            strange = np.where(new[column.name], HIGH, -1)
        else:
            strange = column.strange(values)
        width = column.cells
        for cell in (np.where(codes < 0, ABSENT, codes + OWN), strange):
            there = cell >= 0
            counted = np.bincount(at[there] * width + cell[there], minlength=stretches * width)
            found.cells[:, start : start + width] += counted.reshape(stretches, width)
        found.tops[:, number] += _tops(values, codes, at, stretches, column.numeric)
        if number < paired:
            present[:, number] = codes >= 0
            scores[:, number] = np.where(codes >= 0, column.scores[codes], 0.0)
    for stretch in np.unique(at):
        inside = at == stretch
        s, m = scores[inside], present[inside]
        both, first = m.T @ m, s.T @ m
        mean = first / np.maximum(both, 1)
        found.pairs[stretch] += np.stack([both, (s * s).T @ m - first * mean, s.T @ s - first * mean.T])
    return found


def _tops(
    values: Any, codes: NDArray[np.int64], at: NDArray[np.int64], stretches: int, numeric: bool
) -> Array:
    """Rows with each stretch's most frequent value; all rare categories are one."""
    there = codes >= 0
    if numeric:
        _, kinds = np.unique(values[there], return_inverse=True)
    else:
        kinds = codes[there]
    width = int(kinds.max(initial=0)) + 1
    each, rows = np.unique(at[there] * width + kinds, return_counts=True)
    found = np.zeros(stretches)
    np.maximum.at(found, each // width, rows)
    return found


def offsets(scheme: Scheme) -> list[int]:
    """Where each column's cells begin."""
    widths = [column.cells for column in scheme]
    return [sum(widths[:number]) for number in range(len(widths))]


def each(scheme: Scheme, cells: Array) -> Iterator[tuple[Numeric | Categorical, Array, Array]]:
    """Of every column its three cells of absent and strange values, and its own ones."""
    for column, start in zip(scheme, offsets(scheme), strict=True):
        part = cells[..., start : start + column.cells]
        yield column, part[..., :OWN], part[..., OWN:]


class Newcomers:
    """Which rows' categories had been seen first less than ``recent`` stretches ago, rows in order of time.

    What training shows of categories that nobody knew: to how many rows they come within a model's time.
    Nothing is new in the first ``settled`` stretches, in which everything would be.
    """

    def __init__(self, recent: int, settled: int) -> None:
        self._recent, self._settled = recent, settled
        self._first: dict[tuple[str, str], int] = {}

    def __call__(self, name: str, values: Sequence[Any], at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of one column's rows."""
        found = np.zeros(len(values), dtype=bool)
        for row, (value, stretch) in enumerate(zip(values, at.tolist(), strict=True)):
            if value is not None:
                first = self._first.setdefault((name, value), stretch)
                found[row] = first >= self._settled and stretch - first < self._recent
        return found


def frequencies(values: Sequence[Any]) -> Counter[str]:
    """How often each category occurs; absent ones left out."""
    return Counter(value for value in values if value is not None)
