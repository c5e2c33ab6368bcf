"""Rows that weigh more or less in a fit: by their class, by a column, or both.

What a fit learns by, and nothing else: metrics, the gate and what is served count rows as they are. A metric
of weighted classes would answer for shares of classes that do not occur, and two candidates that are weighted
otherwise could not be compared by it. Probabilities of a fit with weighted classes are those of the weighted
shares: they are not calibrated (C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mlcycle.domain.examples import Examples, Rows
from mlcycle.domain.metrics import Array
from mlcycle.domain.weighing import Weighing
from mlcycle.errors import InputError


def balanced(labels: Array, weights: Array | None = None) -> dict[int, float]:
    """By class number what makes all classes of these rows weigh the same; one on average over the rows.

    G. King and L. Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001.
    """
    counts = np.bincount(labels.astype(np.int64), weights)
    there = np.flatnonzero(counts)
    return {int(each): float(counts.sum() / (len(there) * counts[each])) for each in there}


@dataclass(frozen=True)
class Weighed:
    """Examples whose rows weigh otherwise: what they weigh anyway, times ``classes``, times ``column``.

    One on average over all rows. Reading raises InputError for a column that holds no weight.
    """

    examples: Examples
    classes: Mapping[int, float]
    column: str
    mean: float

    @classmethod
    def of(cls, examples: Examples, weighing: Weighing, like: "Weighed | None" = None) -> "Weighed":
        """Weigh rows; by the classes of ``like`` where given, as validation rows are by training's.

        Reads the rows once for what they weigh together, and once more where classes are to be balanced.
        """
        if like is not None:
            classes = like.classes
        elif not isinstance(weighing.classes, str):
            classes = weighing.classes
        else:  # balanced
            parts = [(part.labels, _own(part, weighing.column)) for part in examples.parts()]
            labels, own = (np.concatenate(side) for side in zip(*parts, strict=True))
            classes = balanced(labels, own)
        found = cls(examples, classes, weighing.column, 1.0)
        total = sum(float(found._weights(part).sum()) for part in examples.parts())
        if total <= 0:
            raise InputError(f"the weights of {examples.count} rows sum to nought: there is nothing to learn")
        return cls(examples, classes, weighing.column, total / examples.count)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.examples.count

    def whole(self) -> Rows:
        """All rows at once."""
        return self._rows(self.examples.whole())

    def parts(self) -> Iterator[Rows]:
        """The same rows in the same order, a part at a time."""
        for part in self.examples.parts():
            yield self._rows(part)

    def _rows(self, rows: Rows) -> Rows:
        return Rows(rows.frame, rows.labels, self._weights(rows) / self.mean)

    def _weights(self, rows: Rows) -> Array:
        weights = _own(rows, self.column)
        if self.classes:
            known = np.ones(max([int(rows.labels.max(initial=0)), *self.classes]) + 1)
            for each, weight in self.classes.items():
                known[each] = weight
            weights = weights * known[rows.labels.astype(np.int64)]
        return weights


def _own(rows: Rows, column: str) -> Array:
    """(n,) what rows weigh before their class counts."""
    weights = np.ones(rows.count) if rows.weights is None else rows.weights
    if not column:
        return weights
    import pandas as pd

    given = pd.to_numeric(rows.frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if bad := int(np.count_nonzero(~(np.isfinite(given) & (given >= 0)))):
        raise InputError(
            f"{bad} of {rows.count} rows have no weight in training.weight {column!r}, or one below nought: "
            "fill it in the source, or leave training.weight out"
        )
    found: Array = weights * given
    return found
