"""The mean of the label by the value of columns, drawn to the mean of all rows where there are few.

D. Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes", SIGKDD Explorations 3,
2001. A training row's own label must not be in what it learns from: rows are dealt out to folds by chance,
each fold's means are of the other folds. Not by stretches of time: the means of all others lie low where a
stretch lies high, and would tell its labels with the wrong sign. For the same reason what a mean is drawn to
is that of all rows, the fold's own among them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from mlcycle.domain.examples import Examples, Rows
from mlcycle.models.fitted.base import Feature, Floats, keys, packed, unpacked
from mlcycle.models.text import mixed

FOLDS: Final = 5
MOST: Final = 200_000  # values that are kept, the commonest; others are as never seen


class TargetMean(Feature):
    """``values`` by key, and ``rest`` for keys that were not seen: one number, or one a class."""

    kind: Literal["target_mean"] = "target_mean"
    known: list[str]
    values: str  # (known, width)
    rest: list[float]

    @model_validator(mode="after")
    def _are_numbers(self) -> Self:
        unpacked(self.values, len(self.known), len(self.rest))
        return self

    @property
    def width(self) -> int:
        """One, or one a class."""
        return len(self.rest)

    def of(self, frame: Any) -> Floats:
        """(n, width) the smoothed mean of each row's value."""
        codes, texts = keys(frame, self.columns)
        places = np.array([self._places.get(text, len(self.known)) for text in texts], dtype=np.int64)
        found: Floats = self._table[places[codes]]
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {text: at for at, text in enumerate(self.known)}

    @cached_property
    def _table(self) -> Floats:
        return np.vstack([unpacked(self.values, len(self.known), self.width), [self.rest]])


@dataclass
class Counts:
    """Sums of labels and of rows by value, each fold of the training rows apart."""

    columns: tuple[str, ...]
    smoothing: float
    classes: int  # of many; 0: the label is one number
    known: dict[str, int] = field(default_factory=dict)
    _parts: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]] = field(default_factory=list)

    @classmethod
    def of(cls, columns: tuple[str, ...], smoothing: float, classes: int, train: Examples) -> "Counts":
        """Count all training rows, a part at a time."""
        found = cls(columns, smoothing, classes)
        at = 0
        for part in train.parts():
            found._add(part, at)
            at += part.count
        return found

    def _add(self, part: Rows, begin: int) -> None:
        codes, texts = keys(part.frame, self.columns)
        places = np.array([self.known.setdefault(text, len(self.known)) for text in texts])[codes]
        folds = fold_of(part.frame, begin)
        weights = np.ones(part.count) if part.weights is None else part.weights
        labels = part.labels
        goals = np.eye(self.classes)[labels.astype(np.int64)] if self.classes else np.asarray(labels)[:, None]
        goals = goals * weights[:, None]
        cells, inverse = np.unique(places * FOLDS + folds, return_inverse=True)
        sums = np.stack([np.bincount(inverse, goal) for goal in goals.T], axis=1).astype(np.float64)
        counts = np.bincount(inverse, weights).astype(np.float64)
        self._parts.append((cells // FOLDS, cells % FOLDS, sums, counts))

    @cached_property
    def _tables(self) -> tuple[Floats, Floats]:
        """Sums (folds, known, width) and weights (folds, known)."""
        width = self._parts[0][2].shape[1]
        sums, counts = np.zeros((FOLDS, len(self.known), width)), np.zeros((FOLDS, len(self.known)))
        for places, folds, part, rows in self._parts:
            np.add.at(sums, (folds, places), part)
            np.add.at(counts, (folds, places), rows)
        return sums, counts

    def feature(self, without: int | None = None) -> TargetMean:
        """Of all folds, or of all but one."""
        sums, counts = self._tables
        rest = sums.sum(axis=(0, 1)) / max(float(counts.sum()), 1e-12)
        own = np.array([fold for fold in range(FOLDS) if fold != without])
        total, rows = sums[own].sum(axis=0), counts[own].sum(axis=0)
        seen = np.flatnonzero(rows > 0)
        seen = np.sort(seen[np.argsort(-rows[seen], kind="stable")[:MOST]])
        values = (total[seen] + self.smoothing * rest) / (rows[seen] + self.smoothing)[:, None]
        names = list(self.known)
        return TargetMean(
            columns=list(self.columns),
            known=[names[at] for at in seen.tolist()],
            values=packed(values),
            rest=rest.tolist(),
        )

    def of_training(self) -> Iterator[TargetMean]:
        """Fold by fold what its rows may know: of the other folds."""
        for fold in range(FOLDS):
            yield self.feature(fold)


def fold_of(frame: Any, begin: int) -> NDArray[np.int64]:
    """The fold of each training row (n,), by its number: of a row that was drawn twice the same.

    ``begin`` is the number of the frame's first row; the index numbers rows from there.
    """
    labels = frame.index.to_numpy()
    numbers = begin + (labels if labels.dtype.kind in "iu" else np.arange(len(labels)))
    return (mixed(numbers.astype(np.uint32)) % FOLDS).astype(np.int64)
