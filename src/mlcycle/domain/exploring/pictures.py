"""What a page draws of columns: their spread by label, their way through time. Bounded whatever the rows."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, Ints, grouped

BINS: Final = 24
WORDS: Final = 12
CLASSES: Final = 4  # the commonest are drawn apart
NAMES: Final = ("lowest third", "middle third", "highest third")


def by_label(columns: Sequence[Column], label: Column) -> list[dict[str, Any]]:
    """Of each column how its values are spread in each class, or in thirds of a number.

    ``edges`` of numbers or ``names`` of words; ``shares`` by class, each summing to 1 over bins.
    """
    groups = _groups(label)
    found = []
    for column in columns:
        said: dict[str, Any] = {"name": column.name}
        if column.is_number:
            there = column.values[column.here]
            if not len(there):
                continue
            low, high = np.quantile(there, [0.005, 0.995])
            edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
            said["edges"] = edges.tolist()
            counts = {
                name: np.histogram(np.clip(column.values[rows & column.here], edges[0], edges[-1]), edges)[0]
                for name, rows in groups.items()
            }
        else:
            few = grouped(column, WORDS)
            assert few.words is not None
            said["names"] = list(few.words)
            counts = {
                name: np.bincount(few.values[rows & few.here], minlength=len(few.words))
                for name, rows in groups.items()
            }
        said["shares"] = {
            name: (each / max(each.sum(), 1)).round(5).tolist() for name, each in counts.items()
        }
        found.append(said)
    return found


def over_time(
    columns: Sequence[Column],
    target: Floats,
    partition: Ints,
    partitions: int,
    cut: int,
    drawn: Sequence[str],
) -> dict[str, Any]:
    """By partition: rows, the label's mean before ``cut``, and of each drawn column the mean, or the share
    of its commonest word.
    """
    rows = np.bincount(partition, minlength=partitions)
    known = np.where(np.arange(partitions) < cut, rows, 0)  # the labels of the others are not looked at
    said: dict[str, Any] = {"rows": rows.tolist(), "label": _means(target, partition, known), "columns": {}}
    for column in columns:
        if column.name not in drawn or not column.here.any():
            continue
        here = column.here
        if column.is_number:
            name, values = column.name, column.values[here]
        else:
            assert column.words is not None
            code = int(np.argmax(column.counts()))
            name, values = (
                f"{column.name} = {column.words[code]}",
                (column.values[here] == code).astype(float),
            )
        there = np.bincount(partition[here], minlength=partitions)
        said["columns"][name] = _means(values, partition[here], there)
    return said


def _means(values: Floats, partition: Ints, rows: Ints) -> list[float | None]:
    sums = np.bincount(partition, weights=values, minlength=len(rows))
    return [float(total / count) if count else None for total, count in zip(sums, rows, strict=True)]


def _groups(label: Column) -> dict[str, Any]:
    if label.words is not None:
        few = grouped(label, CLASSES)
        assert few.words is not None
        return {str(word): few.values == at for at, word in enumerate(few.words) if (few.values == at).any()}
    low, high = np.quantile(label.values, [1 / 3, 2 / 3])
    if low == high:
        return {"all rows": np.ones(len(label.values), dtype=bool)}
    parts = (label.values <= low, (label.values > low) & (label.values <= high), label.values > high)
    return {name: rows for name, rows in zip(NAMES, parts, strict=True) if rows.any()}
