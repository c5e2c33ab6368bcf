"""The mean of the label by the value of columns, drawn to the mean of all rows where there are few.

D. Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes", SIGKDD Explorations 3,
2001. A training row's own label must not be in what it learns from: training rows lie in blocks along their
order, each block's means are of the other blocks.
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

BLOCKS: Final = 5
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
    """Sums of labels and of rows by value, each block of the training rows apart."""

    columns: tuple[str, ...]
    smoothing: float
    classes: int  # of many; 0: the label is one number
    rows: int  # of all parts
    known: dict[str, int] = field(default_factory=dict)
    _parts: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]] = field(default_factory=list)

    @classmethod
    def of(cls, columns: tuple[str, ...], smoothing: float, classes: int, train: Examples) -> "Counts":
        """Count all training rows, a part at a time."""
        found = cls(columns, smoothing, classes, train.count)
        at = 0
        for part in train.parts():
            found._add(part, at)
            at += part.count
        return found

    def _add(self, part: Rows, begin: int) -> None:
        codes, texts = keys(part.frame, self.columns)
        places = np.array([self.known.setdefault(text, len(self.known)) for text in texts])[codes]
        blocks = block_of(begin, part.count, self.rows)
        weights = np.ones(part.count) if part.weights is None else part.weights
        labels = part.labels
        goals = np.eye(self.classes)[labels.astype(np.int64)] if self.classes else np.asarray(labels)[:, None]
        goals = goals * weights[:, None]
        cells, inverse = np.unique(places * BLOCKS + blocks, return_inverse=True)
        sums = np.stack([np.bincount(inverse, goal) for goal in goals.T], axis=1).astype(np.float64)
        counts = np.bincount(inverse, weights).astype(np.float64)
        self._parts.append((cells // BLOCKS, cells % BLOCKS, sums, counts))

    @cached_property
    def _tables(self) -> tuple[Floats, Floats]:
        """Sums (blocks, known, width) and weights (blocks, known)."""
        width = self._parts[0][2].shape[1]
        sums, counts = np.zeros((BLOCKS, len(self.known), width)), np.zeros((BLOCKS, len(self.known)))
        for places, blocks, part, rows in self._parts:
            np.add.at(sums, (blocks, places), part)
            np.add.at(counts, (blocks, places), rows)
        return sums, counts

    def feature(self, without: int | None = None) -> TargetMean:
        """Of all blocks, or of all but one."""
        sums, counts = self._tables
        own = np.array([block for block in range(BLOCKS) if block != without])
        total, rows = sums[own].sum(axis=0), counts[own].sum(axis=0)
        # In the first rows of a history there may be no other block at all: nothing is known of any value.
        rest = total.sum(axis=0) / max(float(rows.sum()), 1e-12)
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
        """Block by block what its rows may know: of the other blocks."""
        for block in range(BLOCKS):
            yield self.feature(block)


def block_of(begin: int, count: int, rows: int) -> NDArray[np.int64]:
    """Which block each of ``count`` training rows is in, from number ``begin`` on, of ``rows`` in all."""
    return np.arange(begin, begin + count) * BLOCKS // max(rows, 1)
