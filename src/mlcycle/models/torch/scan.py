"""One pass over training rows, a part at a time: the encoder, and what the labels are like."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.models.encoder import Encoder
from mlcycle.models.text_column import TextColumn


@dataclass(frozen=True)
class Scan:
    """What must be known before the first batch. Labels are counted by their weights."""

    encoder: Encoder
    rows: int
    mean: float  # of the labels
    scale: float  # their standard deviation; one where they are all the same


def scan(
    parts: Iterable[Rows],
    categorical: list[str],
    numeric: list[str],
    text: Sequence[str] = (),
    *,
    limit: int,
    rare: int,
) -> Scan:
    """What ``Encoder.fit`` finds on all rows at once, without holding them.

    Memory grows with the number of distinct categories, not with the rows.
    """
    counts: dict[str, Counter[str]] = {column: Counter() for column in categorical}
    numbers, labels, rows = _Moments(len(numeric)), _Moments(1), 0
    flagged = np.zeros(len(numeric), dtype=bool)
    for part in parts:
        local = Encoder.fit(part.frame, categorical, [], limit=part.count + 1, rare=1)
        codes = local.codes(part.frame)
        for i, (column, texts) in enumerate(local.categories.items()):
            seen = np.bincount(codes[:, i], minlength=len(texts) + 1)[1:]
            counts[column].update(dict(zip(texts, seen.tolist(), strict=True)))
        values = Encoder(categories={}, numeric=numeric).numbers(part.frame)
        present = np.isfinite(values)
        flagged |= (~present).any(axis=0)
        numbers.add(values, present.astype(np.float64))
        weights = np.ones(part.count) if part.weights is None else part.weights
        labels.add(part.labels[:, None], weights[:, None])
        rows += part.count
    encoder = Encoder(
        categories={
            column: sorted(text for text, count in _frequent(found, limit) if count >= rare)
            for column, found in counts.items()
        },
        numeric=list(numeric),
        means=numbers.mean.tolist(),
        scales=_scales(numbers).tolist(),
        flagged=flagged.tolist(),
        texts={column: TextColumn() for column in text},  # of words a network learns all by itself
    )
    return Scan(encoder, rows, float(labels.mean[0]), float(_scales(labels)[0]))


def _frequent(counts: Counter[str], limit: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]


class _Moments:
    """Weighted mean and squared deviations by column, merged as in Chan, Golub and LeVeque (1979)."""

    def __init__(self, columns: int) -> None:
        self.weight, self.mean, self.squares = np.zeros(columns), np.zeros(columns), np.zeros(columns)

    def add(self, values: Array, weights: Array) -> None:
        """Take in a part: values (n, columns), of which those of weight 0 may be NaN."""
        known = np.where(weights > 0, values, 0.0)
        weight = weights.sum(axis=0)
        mean = (known * weights).sum(axis=0) / np.where(weight > 0, weight, 1.0)
        squares = (weights * (known - mean) ** 2).sum(axis=0)
        both = np.where(self.weight + weight > 0, self.weight + weight, 1.0)
        away = mean - self.mean
        self.squares = self.squares + squares + away**2 * self.weight * weight / both
        self.mean = self.mean + away * (weight / both)
        self.weight = self.weight + weight


def _scales(moments: _Moments) -> Any:
    variances = moments.squares / np.where(moments.weight > 0, moments.weight, 1.0)
    return np.where(variances > 0, np.sqrt(variances), 1.0)
