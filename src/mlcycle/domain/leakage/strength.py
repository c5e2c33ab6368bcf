"""How well one input alone tells the label: by rank, by neighbourhood, by its exact values.

Means are taken from other stretches of time than the rows which they are read for. Twenty stretches are dealt
to five folds: a value that holds for a day or a week is in one of them, and a season is in all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.leakage import words
from mlcycle.domain.metrics import NotMeasured, roc_auc
from mlcycle.domain.tasks import task_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_ROWS = 50  # below, chance alone can look like a copy
STRETCHES, FOLDS = 20, 5
BINS = 100
BIN_ROWS = 20  # at least, on average


@dataclass(frozen=True)
class Reading:
    """One way to read the label off an input.

    ``wrong`` is what it does not tell: the share of pairs of rows, one of each class, that it ranks wrongly
    (1 - AUC), or the share of the label's variance that it leaves (1 - r^2).
    """

    how: str
    wrong: float
    rows: int
    rare: int = 0  # rows of the smaller class; 0 in a regression


def folds(rows: int) -> Ints:
    """The fold of each row, rows in order of time: (rows,)."""
    return np.arange(rows, dtype=np.int64) * STRETCHES // max(rows, 1) % FOLDS


def readings(values: npt.NDArray[Any], label: Floats, task: str) -> Iterator[Reading]:
    """Every way to read the label off one input, the cheap ones first.

    Args:
        values: numbers (NaN is absent) or objects (None is absent), in order of time, shape (n,).
        label: 0 or 1 for classification, else the value, shape (n,).
        task: ``classification`` or ``regression``.
    """
    fold = folds(len(label))
    absent = is_absent(values)
    if task_of(task).probabilities:
        yield from _wherever(told("is absent", absent.astype(np.float64), label, task, either_way=True))
    here = ~absent
    present, target, fold = values[here], label[here], fold[here]
    if len(target) < MIN_ROWS:
        return
    if present.dtype == object:
        for how, numbers in words.orders(present).items():
            yield from _of_numbers(f"the {how} of its texts", numbers, target, fold, task)
        codes = np.unique(present.astype(str), return_inverse=True)[1]
        means, known = means_elsewhere(codes, target, fold)
        yield from _wherever(told("its words", means[known], target[known], task))
        return
    yield from _of_numbers("", present.astype(np.float64), target, fold, task)


def is_absent(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where an input has no value."""
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=bool)
    absent: npt.NDArray[np.bool_] = np.isnan(values)
    return absent


def by_exact_value(
    values: Floats, label: Floats, task: str
) -> tuple[Reading, Reading, npt.NDArray[np.bool_]] | None:
    """What a number tells by its very value, and what by its neighbourhood, on the same rows.

    Rows whose value is found in no other stretch of time say nothing. None where these are too many, or where
    the neighbourhoods are the values themselves.

    Returns:
        The two readings, and which rows they are of.
    """
    fold = folds(len(label))
    here = np.isfinite(values)
    codes = np.full(len(values), -1)
    names, codes[here] = np.unique(values[here], return_inverse=True)
    if len(names) <= BINS:
        return None
    means, known = means_elsewhere(codes, label, fold)
    if known.sum() < max(10 * MIN_ROWS, len(label) // 10):
        return None
    near, _ = means_elsewhere(bins(values), label, fold)
    both = [
        told(how, means[known], label[known], task)
        for how, means in (("its exact values", means), ("near", near))
    ]
    return None if None in both else (both[0], both[1], known)  # type: ignore[return-value]


def told(how: str, score: Floats, label: Floats, task: str, *, either_way: bool = False) -> Reading | None:
    """How much a score tells of the label; None where there are too few rows, or nothing to tell.

    With ``either_way`` the wrong way round tells as much.
    """
    finite = np.isfinite(score)
    score, label = score[finite], label[finite]
    if len(label) < MIN_ROWS:
        return None
    if task_of(task).probabilities:
        rare = int(min(label.sum(), len(label) - label.sum()))
        found = roc_auc(label, score) if rare >= MIN_ROWS / 5 else None
        if found is None or isinstance(found, NotMeasured):
            return None
        return Reading(how, 1 - max(found, 1 - found) if either_way else 1 - found, len(label), rare)
    r = correlation(score, label)
    return Reading(how, 1 - r * r if either_way or r > 0 else 1.0, len(label))


def correlation(values: Floats, label: Floats) -> float:
    """Pearson's, 0 where one of the two is constant."""
    if np.ptp(values) == 0 or np.ptp(label) == 0:
        return 0.0
    return float(np.corrcoef(values, label)[0, 1])


def ranks(values: Floats) -> Floats:
    """Places in the order of size, those of equal values the same: (n,)."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean: Floats = (np.cumsum(counts) - (counts - 1) / 2)[at]
    return mean


def bins(values: Floats, most: int = BINS) -> Ints:
    """Neighbourhoods with about as many rows each, -1 where there is no value: (n,)."""
    here = np.isfinite(values)
    count = max(1, min(most, int(here.sum()) // BIN_ROWS))
    inside = values[here] if here.any() else np.zeros(1)
    edges = np.unique(np.quantile(inside, np.linspace(0, 1, count + 1)[1:-1]))
    return np.where(here, np.searchsorted(edges, values, side="right"), -1)


def means_elsewhere(codes: Ints, label: Floats, fold: Ints) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The label's mean over the rows of other folds with the same code: (n,), and where there is one.

    Where there is none it is the mean of all.
    """
    inside = codes >= 0
    count = int(codes.max(initial=-1)) + 1
    cell = np.where(inside, codes, 0) + count * fold
    counts = np.bincount(cell[inside], minlength=count * FOLDS).reshape(FOLDS, count)
    sums = np.bincount(cell[inside], weights=label[inside], minlength=count * FOLDS).reshape(FOLDS, count)
    counts, sums = counts.sum(axis=0) - counts, sums.sum(axis=0) - sums
    means = np.where(counts > 0, sums / np.maximum(counts, 1), label.mean())
    known = inside & (counts.reshape(-1)[np.minimum(cell, count * FOLDS - 1)] > 0) if count else inside
    found = (
        np.where(known, means.reshape(-1)[cell], label.mean()) if count else np.full(len(label), label.mean())
    )
    return found, known


def _of_numbers(how: str, values: Floats, label: Floats, fold: Ints, task: str) -> Iterator[Reading]:
    of = f"{how}" if how else "its value"
    yield from _wherever(told(of, values, label, task, either_way=True))
    if not task_of(task).probabilities:
        finite = np.isfinite(values)
        place = ranks(values[finite])
        yield from _wherever(told(f"{of}, by rank", place, ranks(label[finite]), task, either_way=True))
    near, _ = means_elsewhere(bins(values), label, fold)
    yield from _wherever(told(f"{of}, by the mean of its neighbourhood", near, label, task))


def _wherever(reading: Reading | None) -> Iterator[Reading]:
    if reading is not None:
        yield reading
