"""Two inputs that tell the label together and neither alone: a code and its key, a sum and its part."""

import itertools
import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.leakage import limits, strength
from mlcycle.domain.leakage.strength import FOLDS, Floats, Ints, Reading
from mlcycle.domain.tasks import task_of
from mlcycle.errors import LeakageError

CELLS = 9  # of one input: eight neighbourhoods or values, and the absent
MOST_PAIRS = 3000  # looked at; every pair of 77 inputs
ROWS = 5000  # of the differences of two numbers; their cells are of all rows


def check(
    inputs: Mapping[str, npt.NDArray[Any]], alone: Mapping[str, Reading | None], label: Floats, task: str
) -> list[str]:
    """Raise LeakageError for two inputs that give the label away together; returns which were not looked at.

    Args:
        inputs: numbers or objects, in order of time, each (n,).
        alone: what each tells by itself.
        label: shape (n,).
        task: ``classification`` or ``regression``.
    """
    names = [name for name in inputs if alone.get(name) is not None]
    wanted = list(itertools.combinations(names, 2))
    if len(wanted) > MOST_PAIRS:
        drawn = np.random.default_rng(0).choice(len(wanted), MOST_PAIRS, replace=False)
        chosen = [wanted[at] for at in sorted(drawn)]
    else:
        chosen = wanted
    cells = {name: _cells(inputs[name]) for name in names}
    fold = strength.folds(len(label))
    step = max(1, len(label) // ROWS)
    few = {name: _few(inputs[name], step) for name in names}
    for a, b in chosen:
        first, second = alone[a], alone[b]
        assert first is not None
        assert second is not None
        least = _apart(first, second, task)
        for reading in itertools.chain(
            _wherever(_by_cells(cells[a] * CELLS + cells[b], label, fold, task)),
            _by_difference(few[a], few[b], label[::step], task),
        ):
            if limits.told_all(reading, task) and limits.far_less(reading, least, task):
                raise LeakageError(_refusal(a, b, reading, least, task))
    left_out = len(wanted) - len(chosen)
    return [f"{left_out} of {len(wanted)} pairs of inputs were not looked at"] if left_out else []


def _apart(first: Reading, second: Reading, task: str) -> float:
    """What two inputs would leave that have nothing to do with each other.

    Of two normal scores the squared distances between the classes add up; of two numbers the better counts.
    """
    least = min(first.wrong, second.wrong)
    if not task_of(task).probabilities:
        return least
    normal = NormalDist()
    distances = [
        normal.inv_cdf(max(reading.wrong, 1e-9)) for reading in (first, second) if reading.wrong < 0.5
    ]
    return normal.cdf(-math.hypot(*distances))


def _refusal(a: str, b: str, reading: Reading, least: float, task: str) -> str:
    if task_of(task).probabilities:
        figures = f"AUC {1 - reading.wrong:.3f}, where each for itself makes {1 - least:.3f}"
    else:
        figures = (
            f"{100 * reading.wrong:.2g} % of its variance left, neither alone less than {100 * least:.2g} %"
        )
    return (
        f"inputs {a!r} and {b!r} give the label away together by {reading.how}: {figures}; remove one of "
        "them from inputs, or list one under inputs.known where both are known when a prediction is due"
    )


def _cells(values: npt.NDArray[Any]) -> Ints:
    """Each row's cell in one input, below CELLS; the last is of the absent ones and of rare words."""
    last = CELLS - 1
    if values.dtype == object:
        here = ~strength.is_absent(values)
        names, codes, counts = np.unique(values[here].astype(str), return_inverse=True, return_counts=True)
        place = np.full(len(names), last)
        place[np.argsort(-counts, kind="stable")[:last]] = np.arange(min(last, len(names)))
        found = np.full(len(values), last)
        found[here] = place[codes]
        return found
    here = np.isfinite(values)
    names = np.unique(values[here])
    if len(names) <= last:
        return np.where(here, np.searchsorted(names, values), last)
    codes = strength.bins(values, last)
    return np.where(codes < 0, last, codes)


def _by_cells(cells: Ints, label: Floats, fold: Ints, task: str) -> Reading | None:
    """By the label's mean of the same cell in other folds."""
    size = CELLS * CELLS
    at = fold * size + cells
    counts = np.bincount(at, minlength=size * FOLDS).reshape(FOLDS, size)
    sums = np.bincount(at, weights=label, minlength=size * FOLDS).reshape(FOLDS, size)
    other, mean = counts.sum(axis=0) - counts, label.mean()
    score = np.where(other > 0, (sums.sum(axis=0) - sums) / np.maximum(other, 1), mean)
    if not task_of(task).probabilities:
        return strength.told("the mean of their cell", score.reshape(-1)[at], label, task)
    up, down = sums.reshape(-1), (counts - sums).reshape(-1)
    rare = int(min(up.sum(), down.sum()))
    if len(label) < strength.MIN_ROWS or rare < strength.MIN_ROWS / 5:
        return None
    _, places = np.unique(score.reshape(-1), return_inverse=True)
    up, down = np.bincount(places, weights=up), np.bincount(places, weights=down)
    auc = float((up * (np.cumsum(down) - down / 2)).sum() / (up.sum() * down.sum()))
    return Reading("the mean of their cell", 1 - auc, len(label), rare)


def _few(values: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
    return values[::step]


def _by_difference(a: npt.NDArray[Any], b: npt.NDArray[Any], label: Floats, task: str) -> Iterator[Reading]:
    """By what one number is above the other, or above what is usual for a word."""
    if a.dtype != object and b.dtype != object:
        if task_of(task).probabilities:
            yield from _wherever(strength.told("their difference", a - b, label, task, either_way=True))
        else:
            yield from _wherever(_by_plane(a, b, label, task))
    elif a.dtype != b.dtype:
        number, word = (b, a) if a.dtype == object else (a, b)
        names, codes = np.unique(np.array(word, dtype=str), return_inverse=True)
        here = np.isfinite(number)
        counts = np.bincount(codes[here], minlength=len(names))
        sums = np.bincount(codes[here], weights=number[here], minlength=len(names))
        above = number - (sums / np.maximum(counts, 1))[codes]
        how = "what the one is above its mean of the other"
        yield from _wherever(strength.told(how, above, label, task, either_way=True))


def _by_plane(a: Floats, b: Floats, label: Floats, task: str) -> Reading | None:
    """By the best sum of multiples of the two (least squares)."""
    here = np.isfinite(a) & np.isfinite(b)
    a, b, label = a[here], b[here], label[here]
    if len(label) < strength.MIN_ROWS:
        return None
    x = np.column_stack([a - a.mean(), b - b.mean()])
    weights = np.linalg.lstsq(x, label - label.mean(), rcond=None)[0]
    return strength.told("a sum of multiples", x @ weights, label, task)


def _wherever(reading: Reading | None) -> Iterator[Reading]:
    if reading is not None:
        yield reading
