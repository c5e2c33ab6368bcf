"""A column as it is explored: numbers, or words by their codes; and what can be said of it alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEVELS: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
TOP: Final = 10
BINS: Final = 30


@dataclass(frozen=True)
class Column:
    """n rows of one column.

    ``values`` are numbers (n,) with NaN where there is none, or codes (n,) into ``words`` with -1 where there
    is none.
    """

    name: str
    values: NDArray[Any]
    words: Sequence[str] | None = None

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.words is None

    @cached_property
    def here(self) -> Flags:
        """Rows that have a value (n,)."""
        found: Flags = np.isfinite(self.values) if self.is_number else self.values >= 0
        return found

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(np.unique(self.values[self.here]))

    def taken(self, rows: NDArray[Any]) -> "Column":
        """These rows of it."""
        return Column(self.name, self.values[rows], self.words)

    def counts(self) -> Ints:
        """How often each word comes (words,)."""
        assert self.words is not None
        return np.bincount(self.values[self.here], minlength=len(self.words)).astype(np.int64)


def grouped(column: Column, most: int) -> Column:
    """Words with all but the ``most`` frequent ones as one more, ``(others)``; numbers as they are."""
    if column.words is None or len(column.words) <= most:
        return column
    counts = column.counts()
    first = np.argsort(-counts, kind="stable")[:most]
    place = np.full(len(counts) + 1, most, dtype=np.int64)
    place[first] = np.arange(most)
    place[-1] = -1  # of the code -1
    words = [*(column.words[at] for at in first), "(others)"]
    return Column(column.name, place[column.values], words)


def summary(column: Column) -> dict[str, Any]:
    """Count, missing ones, distinct ones; quantiles and bins of numbers, the commonest words."""
    here = column.here
    count, present = len(here), int(here.sum())
    said: dict[str, Any] = {
        "name": column.name,
        "kind": "number" if column.is_number else "words",
        "rows": count,
        "missing": (count - present) / max(count, 1),
        "distinct": column.distinct,
    }
    if not present:
        return said
    if column.words is not None:
        counts = column.counts()
        first = np.argsort(-counts, kind="stable")[:TOP]
        said["top"] = [[str(column.words[at]), int(counts[at])] for at in first if counts[at]]
        return said
    values = column.values[here]
    low, high = (float(each) for each in np.quantile(values, [0.005, 0.995]))
    inner = values[(values >= low) & (values <= high)]  # a value that is far out would leave one bar
    heights, edges = np.histogram(inner, bins=min(BINS, max(column.distinct, 1)))
    return said | {
        "quantiles": [float(each) for each in np.quantile(values, LEVELS)],
        "mean": float(values.mean()),
        "std": float(values.std()),
        "zeros": float((values == 0).mean()),
        "bins": {"heights": heights.tolist(), "edges": edges.tolist()},
    }
