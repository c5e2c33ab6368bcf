"""Rows in two dimensions: the first two principal components of standardised numbers and common words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, grouped

WORDS: Final = 8
REACH: Final = 4.0  # standard deviations beyond which a value counts as that far: one outlier is no direction


@dataclass(frozen=True)
class Projection:
    """Places (n, 2), the share of the variance that each axis holds, and what each axis is made of."""

    places: Floats
    shares: tuple[float, float]
    made_of: tuple[list[tuple[str, float]], list[tuple[str, float]]]


def projected(columns: Sequence[Column]) -> Projection | None:
    """Of n rows; None where there are not two directions. A missing number counts as the mean."""
    parts, names = [], []
    for column in columns:
        told = [(name, values) for name, values in _numbers(column) if values.std() > 1e-12]
        for name, values in told:
            standard = np.clip((values - values.mean()) / values.std(), -REACH, REACH)
            parts.append(standard / np.sqrt(len(told)))  # a column of many words counts as one
            names.append(name)
    if len(parts) < 2:
        return None
    rows = np.column_stack(parts)
    rows -= rows.mean(axis=0)
    left, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    if sizes[1] <= 1e-9 * sizes[0]:
        return None
    # A direction has no sign of its own: the largest weight is positive, so that a page looks the same again.
    signs = np.sign([axis[np.argmax(np.abs(axis))] for axis in axes[:2]])
    total = float((sizes**2).sum())
    made = [
        sorted(zip(names, (sign * axis).tolist(), strict=True), key=lambda item: -abs(item[1]))[:5]
        for sign, axis in zip(signs, axes[:2], strict=True)
    ]
    return Projection(
        left[:, :2] * sizes[:2] * signs,
        (float(sizes[0] ** 2 / total), float(sizes[1] ** 2 / total)),
        (made[0], made[1]),
    )


def _numbers(column: Column) -> list[tuple[str, Floats]]:
    if column.is_number:
        there = column.values[column.here]
        return [(column.name, np.where(column.here, column.values, there.mean()))] if len(there) else []
    few = grouped(column, WORDS)
    assert few.words is not None
    words = few.words[:1] if len(few.words) == 2 else few.words
    return [(f"{column.name}={word}", (few.values == at).astype(np.float64)) for at, word in enumerate(words)]
