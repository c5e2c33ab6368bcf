"""Metrics on slices of the rows: the same metric for each value of a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlcycle.domain.metrics import METRICS, Array, NotMeasured, Reading, gain


@dataclass(frozen=True)
class Slice:
    """A metric on the rows where ``column`` is ``value``."""

    column: str
    value: str
    rows: int
    metric: Reading

    @property
    def name(self) -> str:
        """The slice as people write it."""
        return f"{self.column}={self.value}"


@dataclass(frozen=True)
class SliceChange:
    """A slice under an old and a new model; a positive ``loss`` is how much worse the new one is."""

    name: str
    rows: int
    old: Reading
    new: Reading
    loss: Reading


def measure_slices(
    metric: str,
    labels: Array,
    predictions: Array,
    columns: Mapping[str, Sequence[str]],
    min_rows: int = 1,
) -> list[Slice]:
    """The metric on each slice of at least ``min_rows`` rows; not measured where it is not defined there.

    Args:
        metric: a name of ``metrics.METRICS``.
        labels: (n,).
        predictions: (n,).
        columns: for each slice column the text of its n values.
        min_rows: smaller slices say little and are left out.
    """
    found = []
    for column, values in columns.items():
        texts, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
        for code, text in enumerate(texts):
            rows = np.flatnonzero(codes == code)
            if len(rows) < min_rows:
                continue
            value = METRICS[metric](labels[rows], predictions[rows], None)
            found.append(Slice(column, str(text), len(rows), value))
    return found


def compare_slices(
    metric: str,
    labels: Array,
    old: Array,
    new: Array,
    columns: Mapping[str, Sequence[str]],
    min_rows: int,
) -> list[SliceChange]:
    """Each slice of at least ``min_rows`` rows under both models, the worst change first.

    Those on which the metric is not defined come last.
    """
    before = measure_slices(metric, labels, old, columns, min_rows)
    after = measure_slices(metric, labels, new, columns, min_rows)
    changes = [
        SliceChange(a.name, a.rows, a.metric, b.metric, gain(metric, b.metric, a.metric))
        for a, b in zip(before, after, strict=True)
    ]
    return sorted(changes, key=lambda c: float("inf") if isinstance(c.loss, NotMeasured) else -c.loss)
