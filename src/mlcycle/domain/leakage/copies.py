"""Training rows that stand in a later split under another key: the same inputs, the same label.

Few columns of few values coincide honestly. There, rows that agree in all inputs but one mostly differ in
that one, whichever it is, and rows that agree in one differ in the others; copies of a row have no such
neighbours. And coincidences share the label by chance, copies always.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.tasks import task_of
from mlcycle.errors import LeakageError

Hashes = npt.NDArray[np.uint64]

MOST_ROWS = 200_000  # kept for each column left out: beyond, those whose hash is small
COLUMNS = 8  # left out one at a time, those with most values
ALIKE = 0.9  # of the rows that agree in all inputs but any one, or in some one, agree in all
LIKELY = 3  # training rows at most that a copy is like, on average, to speak of agreeing in some one
SAME_LABEL = 0.98
MIN_COPIES = 10
MIN_SHARE = 0.001
LEVEL = 1e-6


class Copies:
    """Rows as hashes, a bounded number of them; what lies in one hash range is kept whole."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._left_out: list[str] | None = None
        self._rows: list[npt.NDArray[Any]] = []  # none left out, each column left out, each alone; (n, 5)
        self._limit: list[int] = []
        self._later = 0  # rows of later splits

    def add(
        self, columns: dict[str, Hashes], keys: Hashes, label: npt.NDArray[np.float64], *, train: bool
    ) -> None:
        """Take in rows.

        Args:
            columns: each input's values as well-mixed numbers, equal for equal values, (n,).
            keys: the same of the entity keys, (n,).
            label: (n,).
            train: whether they are training rows.
        """
        if not len(label) or not columns:
            return
        if self._left_out is None:
            by_values = sorted(columns, key=lambda name: -len(np.unique(columns[name])))
            self._left_out = by_values[:COLUMNS]
            self._rows = [np.empty((0, 5), dtype=np.uint64) for _ in range(2 * len(self._left_out) + 1)]
            self._limit = [(1 << 64) - 1] * len(self._rows)
        self._later += 0 if train else len(label)
        own = {name: _mixed(values, place) for place, (name, values) in enumerate(columns.items())}
        whole: Hashes = np.asarray(np.sum(list(own.values()), axis=0, dtype=np.uint64))
        value = (label + 0.0).view(np.uint64)
        split = np.full(len(label), train, dtype=np.uint64)
        kept = [
            whole,
            *(whole - own[name] for name in self._left_out),
            *(own[name] for name in self._left_out),
        ]
        for place, near in enumerate(kept):
            hashed = _mixed(near, 0)
            here = hashed <= np.uint64(self._limit[place])
            self._keep(place, np.column_stack([each[here] for each in (hashed, whole, keys, value, split)]))

    def check(self) -> None:
        """Raise LeakageError where rows of a later split are training rows under another key."""
        if self._left_out is None or not self._later:
            return
        rows, same = self._agreement()
        share = (self._limit[0] + 1) / (1 << 64)
        if rows < max(MIN_COPIES, MIN_SHARE * self._later * share) or not same:
            return
        columns = len(self._left_out)
        but_one, alone = self._rows[1 : columns + 1], self._rows[columns + 1 :]
        few = _pairs(self._rows[0], [0]) <= LIKELY * rows
        if not all(map(_alike, but_one)) and not (few and any(map(_alike, alone))):
            return
        raise LeakageError(
            f"{round(rows / share)} rows of validation and holdout are training rows under another key "
            "(entity_key), with the same inputs and label; take the copies out of the source, or name the "
            "column that they share under split.groups"
        )

    def _keep(self, place: int, rows: npt.NDArray[Any]) -> None:
        rows = np.concatenate([self._rows[place], rows])
        while len(rows) > MOST_ROWS:
            self._limit[place] //= 2
            rows = rows[rows[:, 0] <= np.uint64(self._limit[place])]
        self._rows[place] = rows

    def _agreement(self) -> tuple[int, bool]:
        """Later rows with all inputs of a training row, and whether their labels agree beyond chance."""
        kept = self._rows[0]
        train = kept[:, 4] == 1
        matched = np.isin(kept[:, 0], kept[train, 0]) & ~train
        rows = int(matched.sum())
        if not rows:
            return 0, False
        label = kept[:, 3].copy().view(np.float64)
        if task_of(self._task).probabilities:
            # Of pairs with the rarer class in them, those that have it twice: by chance as few as it is rare.
            rarer = float(label.mean() < 0.5)
            twice = _pairs(kept[label == rarer], [0])
            both, other = _pairs(kept, [0]), _pairs(kept[label != rarer], [0])
            enough = int((matched & (label == rarer)).sum()) >= MIN_COPIES / 2
            return rows, enough and twice >= SAME_LABEL * (both - other)
        _, counts = np.unique(label[train], return_counts=True)
        chance = float(np.sum((counts / counts.sum()) ** 2))
        surprising = rows * -math.log(max(chance, 1e-300)) >= -math.log(LEVEL) if chance < 1 else False
        return rows, surprising and _pairs(kept, [0, 3]) >= SAME_LABEL * _pairs(kept, [0])


def _alike(rows: npt.NDArray[Any]) -> bool:
    """Whether rows that agree in their first hash agree in all."""
    near = _pairs(rows, [0])
    return near > 0 and _pairs(rows, [0, 1]) >= ALIKE * near


def _pairs(rows: npt.NDArray[Any], columns: list[int]) -> int:
    """Pairs of a training row and a later one under another key that agree in these columns."""
    return _agreeing(rows, columns) - _agreeing(rows, [*columns, 2])


def _agreeing(rows: npt.NDArray[Any], columns: list[int]) -> int:
    if not len(rows):
        return 0
    key = np.sum([_mixed(rows[:, column], column) for column in columns], axis=0, dtype=np.uint64)
    train = rows[:, 4] == 1
    names, at = np.unique(key, return_inverse=True)
    first = np.bincount(at[train], minlength=len(names))
    return int(np.sum(first * np.bincount(at[~train], minlength=len(names))))


def _mixed(values: Hashes, place: int) -> Hashes:
    """The numbers mixed anew, in another way at each place."""
    with np.errstate(over="ignore"):
        mixed = (values ^ (values >> np.uint64(31))) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(place + 1)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    found: Hashes = mixed ^ (mixed >> np.uint64(31))
    return found
