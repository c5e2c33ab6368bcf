"""Groups of rows whose label is another than usual: each word of a column, each tenth of a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, grouped

WORDS: Final = 30
TENTHS: Final = 10
LEAST: Final = 30  # rows of a segment
LEVEL: Final = 0.05  # that one of all segments is said to differ where none does


@dataclass(frozen=True)
class Segment:
    """Rows of a column's value: their label's mean with an interval that holds for all segments together."""

    column: str
    value: str
    rows: int
    mean: float
    low: float
    high: float


def segments(columns: Sequence[Column], label: Floats) -> list[Segment]:
    """Those whose interval leaves out the mean of all rows, the farthest first (by standard errors).

    Intervals are Student's, widened for the number of segments that were looked at (Bonferroni); rows are
    taken for independent of each other.

    Args:
        columns: with n rows each.
        label: its number, or whether the row is of the class (n,).
    """
    from scipy import stats

    found = [each for column in columns for each in _groups(column)]
    total, spread = float(label.mean()), float(label.std())
    if not found or not spread:
        return []
    said = []
    for column, value, rows in found:
        values = label[rows]
        # A segment of one class alone has no spread of its own: the whole's stands in for it.
        error = max(float(values.std(ddof=1)), 0.1 * spread) / np.sqrt(len(values))
        reach = float(stats.t.ppf(1 - LEVEL / 2 / len(found), len(values) - 1)) * error
        mean = float(values.mean())
        if abs(mean - total) > reach:
            apart = abs(mean - total) / error
            said.append((apart, Segment(column, value, len(values), mean, mean - reach, mean + reach)))
    return [each for _, each in sorted(said, key=lambda item: -item[0])]


def _groups(column: Column) -> list[tuple[str, str, Floats]]:
    """Rows of each word or tenth, and of missing values."""
    found = []
    if column.is_number:
        values = column.values[column.here]
        edges = np.unique(np.quantile(values, np.linspace(0, 1, TENTHS + 1))) if len(values) else np.array([])
        if len(edges) > 2:
            codes = np.clip(np.searchsorted(edges, column.values, side="right") - 1, 0, len(edges) - 2)
            names = [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
            found = [(name, column.here & (codes == at)) for at, name in enumerate(names)]
    else:
        few = grouped(column, WORDS)
        assert few.words is not None
        found = [(str(word), few.values == at) for at, word in enumerate(few.words)]
    found.append(("missing", ~column.here))
    return [(column.name, name, rows) for name, rows in found if LEAST <= rows.sum() < len(rows)]
