"""Means of the labels that are to be predicted, delivered as an input: a target encoding, a day's own share.

A group's label mean from *other* rows differs from that of its own rows by at least their sampling error.
So for an input that is constant within groups, the weighted squares of what is left of the groups' means,
once the input has explained what it can, are no less than a chi-square of as many degrees of freedom as there
are groups (less the parameters). A mean of the very rows leaves nothing, also where it was drawn towards a
prior: with the group's size n, such a mean x gives the rows' own as a + b x + c x/n + d/n. In a
classification their log odds are tried, too.

Which column made the groups need not be known: rows with the same value of the input are groups themselves.
For the label means of later partitions they are a category and a partition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.leakage.limits import DECLARE
from mlcycle.domain.tasks import task_of
from mlcycle.errors import LeakageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL = 1e-7  # of each test
ROUNDING = 1e-9  # of the sampling variance
NEAR = 0.03  # of the sampling variance may be left, whatever the level
MOST_VALUES = 20_000  # of one input: beyond, a part of the values is followed, all rows of each
MOST_CELLS = 4_000_000  # numbers kept for categories and partitions, all in all
GROUPS = 12
MEANS = 6  # of them that differ: the four columns of a fit explain fewer by themselves
MEAN_ROWS = 20  # of a group in a regression, for its mean to be about normal
EVENTS = 5.0  # n p (1 - p) of a group in a classification, for the same
AHEAD = 3  # partitions whose labels an input may not tell


@dataclass
class _Sums:
    """Groups by their key: rows, sum and squares of the label, each for training rows and for all."""

    keys: npt.NDArray[Any]
    sums: Floats  # (groups, 6)

    @classmethod
    def of(cls, keys: npt.NDArray[Any], label: Floats, train: bool) -> "_Sums":
        names, at = np.unique(keys, return_inverse=True)
        sums = np.column_stack(
            [
                np.bincount(at, weights=weights, minlength=len(names))
                for weights in (np.ones(len(at)), label, label**2)
            ]
        )
        return cls(names, np.hstack([sums if train else np.zeros_like(sums), sums]))

    def plus(self, other: "_Sums") -> "_Sums":
        names, at = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        both = np.concatenate([self.sums, other.sums])
        return _Sums(
            names,
            np.column_stack([np.bincount(at, weights=column, minlength=len(names)) for column in both.T]),
        )


class LabelMeans:
    """Sums of the label by each input's values, and by category and partition, over all rows.

    Bounded: of an input with more than MOST_VALUES values, and of a category with too many, those are
    followed whose hash is small, with all of their rows.
    """

    def __init__(self, task: str) -> None:
        self._task = task
        self._values: dict[str, _Sums] = {}
        self._limit: dict[str, int] = {}
        self._later: dict[str, list[_Partition]] = {}
        self._words: dict[str, int] = {}
        self._spread = np.zeros(
            3
        )  # rows with a past, squares of the label and of its change within partitions

    def add(
        self,
        numbers: Mapping[str, Floats],
        words: Mapping[str, Ints],
        partition: Ints,
        label: Floats,
        past: Floats,
        *,
        train: bool,
    ) -> None:
        """Take in rows of whole partitions, in order of time.

        Args:
            numbers: inputs, NaN is absent, each (n,).
            words: hashes of the categories, not below 0, each (n,).
            partition: a number of each row's partition, (n,).
            label: (n,).
            past: the newest label of the row's entity that was known, NaN for none, (n,).
            train: whether the rows are training rows.
        """
        if not len(label):
            return
        self._spread += _spread(partition, label, past)
        for name, values in numbers.items():
            here = np.isfinite(values)
            kept = values[here] + 0.0  # one zero
            inside = _hash(kept) <= self._limit.get(name, _ALL)
            found = _Sums.of(kept[inside], label[here][inside], train)
            held = self._values.get(name)
            self._values[name] = self._bounded(name, held.plus(found) if held else found)
        every = np.zeros(len(label), dtype=np.int64)
        budget = MOST_CELLS // ((len(words) + 1) * (len(numbers) + 4))
        for name, codes in {"": every, **words}.items():
            self._add_partitions(name, codes, partition, numbers, label, budget)

    def check(self) -> None:
        """Raise LeakageError for the first input that holds means of the rows' own or of later labels."""
        share = self._own_share()
        for name, found in self._values.items():
            for where, sums in (("the training rows", found.sums[:, :3]), ("all rows", found.sums[:, 3:])):
                left = unexplained(found.keys, sums, self._task, share)
                if left is not None:
                    raise LeakageError(
                        f"input {name!r} holds label means of the very rows it stands in: by its values the "
                        f"means of {where} keep {100 * left:.2g} % of their sampling error, those of earlier "
                        f"rows would keep it all; compute it from labels that were known before, or {DECLARE}"
                    )
        for group, parts in self._later.items():
            table = _Partition.all(parts)
            for number, name in enumerate(self._values):
                for ahead in range(AHEAD + 1):
                    x, sums = table.ahead(number, ahead)
                    left = unexplained(x, sums, self._task, share)
                    if left is None:
                        continue
                    of = f"each {group!r} in " if group else ""
                    which = "its own partition" if ahead == 0 else f"the partition {ahead} later"
                    raise LeakageError(
                        f"input {name!r} holds the label means of {of}{which}: they keep {100 * left:.2g} % "
                        "of their sampling error, those of earlier rows would keep it all; date it when the "
                        f"last label it uses became known, or {DECLARE}"
                    )

    def _bounded(self, name: str, found: _Sums) -> _Sums:
        while len(found.keys) > MOST_VALUES:
            self._limit[name] = self._limit.get(name, _ALL) // 2
            inside = _hash(found.keys) <= self._limit[name]
            found = _Sums(found.keys[inside], found.sums[inside])
        return found

    def _add_partitions(
        self,
        name: str,
        codes: Ints,
        partition: Ints,
        numbers: Mapping[str, Floats],
        label: Floats,
        budget: int,
    ) -> None:
        inside = _hash(codes) <= self._words.get(name, _ALL)
        parts = self._later.setdefault(name, [])
        parts.append(_Partition.of(codes[inside], partition[inside], _taken(numbers, inside), label[inside]))
        while sum(len(part.word) for part in parts) > budget and self._words.get(name, _ALL) > 1:
            self._words[name] = self._words.get(name, _ALL) // 2
            parts[:] = [part.only(_hash(part.word) <= self._words[name]) for part in parts]

    def _own_share(self) -> float:
        """How much of the labels' variance is each row's own, and not of the entity that comes again."""
        rows, squares, changes = self._spread
        return float(min(1.0, changes / 2 / squares)) if rows >= MEAN_ROWS and squares > 0 else 1.0


@dataclass(frozen=True)
class _Partition:
    """Groups of a category's word and a partition: label sums, and the inputs that are constant in each."""

    word: Ints
    partition: Ints
    sums: Floats  # (groups, 3)
    inputs: Floats  # (groups, inputs), NaN where it is not constant

    @classmethod
    def of(cls, word: Ints, partition: Ints, numbers: Mapping[str, Floats], label: Floats) -> "_Partition":
        order = np.lexsort((word, partition))
        word, partition, label = word[order], partition[order], label[order]
        if not len(word):
            return cls(word, partition, np.empty((0, 3)), np.empty((0, len(numbers))))
        change = (word[1:] != word[:-1]) | (partition[1:] != partition[:-1])
        starts = np.flatnonzero(np.append(True, change))
        rows = np.diff(np.append(starts, len(word)))
        sums = np.column_stack([rows, np.add.reduceat(label, starts), np.add.reduceat(label**2, starts)])
        inputs = np.full((len(starts), len(numbers)), np.nan)
        for number, values in enumerate(numbers.values()):
            low, high = (each.reduceat(values[order], starts) for each in (np.minimum, np.maximum))
            inputs[:, number] = np.where((low == high) & (rows > 1), low, np.nan)
        return cls(word[starts], partition[starts], sums, inputs)

    @classmethod
    def all(cls, parts: "list[_Partition]") -> "_Partition":
        return cls(
            *(np.concatenate([vars(part)[name] for part in parts]) for name in cls.__dataclass_fields__)
        )

    def only(self, rows: npt.NDArray[np.bool_]) -> "_Partition":
        return _Partition(self.word[rows], self.partition[rows], self.sums[rows], self.inputs[rows])

    def ahead(self, number: int, partitions: int) -> tuple[Floats, Floats]:
        """An input's values, and the label sums of the same word so many partitions later."""
        _, place = np.unique(self.partition, return_inverse=True)
        _, word = np.unique(self.word, return_inverse=True)
        last = int(place.max(initial=0)) + 1
        keys = word * last + place
        order = np.argsort(keys)
        here = np.isfinite(self.inputs[:, number]) & (place + partitions < last)
        at = np.searchsorted(keys, keys[here] + partitions, sorter=order)
        found = order[np.minimum(at, len(order) - 1)]
        hit = keys[found] == keys[here] + partitions
        return self.inputs[here, number][hit], self.sums[found[hit]]


def unexplained(x: Floats, sums: Floats, task: str, share: float = 1.0) -> float | None:
    """The part of their sampling variance that an input leaves of label means, where it is too little.

    Args:
        x: the input's value in each group, shape (k,).
        sums: rows, sum and squares of the label of each group, shape (k, 3).
        task: ``classification`` or ``regression``.
        share: of the labels' variance that is the rows' own; the rest comes again with the same entities.

    Returns:
        None where as much is left as means of other rows leave, or nothing can be said.
    """
    from scipy.special import gammaincinv  # of a chi-square; scipy.stats takes two seconds to load

    rows = np.maximum(sums[:, 0], 1)
    mean = sums[:, 1] / rows
    if task_of(task).probabilities:
        rate = (sums[:, 1] + 0.5) / (rows + 1)
        spread = rate * (1 - rate)
        enough = rows * spread >= EVENTS
    else:
        spread = (sums[:, 2] - rows * mean**2) / np.maximum(rows - 1, 1)
        enough = (rows >= MEAN_ROWS) & (
            spread > 1e-12 * max(1e-300, float(np.max(sums[:, 2] / rows, initial=0)))
        )
    x, rows, mean, spread = x[enough], rows[enough], mean[enough], spread[enough]
    if len(x) < GROUPS or np.ptp(x) == 0 or len(np.unique(mean)) < MEANS:
        return None
    x = (x - x.mean()) / x.std()
    one, inverse = np.ones(len(x)), rows.min() / rows
    # An input that is none explains as little as what the means are by themselves: quotas, one click a query.
    plain = _left(mean, [one, inverse], rows / (spread * share))
    if plain <= ROUNDING * len(x):  # the same mean in each, to the last digit: nothing is left to explain
        return None
    trials = [(mean, [one, x, x * inverse, inverse], rows / (spread * share))]
    if task_of(task).probabilities:
        odds = np.clip(mean, 0.5 / rows, 1 - 0.5 / rows)
        trials.append((np.log(odds / (1 - odds)), [one, x], rows * spread / share))
    for target, columns, weights in trials:
        free = len(x) - len(columns)
        left = _left(target, columns, weights) / free
        limit = min(NEAR, 2 * float(gammaincinv(free / 2, LEVEL)) / free)
        if left <= limit * min(1.0, plain / (len(x) - 2)):
            return left
    return None


def _left(target: Floats, columns: list[Floats], weights: Floats) -> float:
    """Weighted squares that a weighted fit of the columns leaves."""
    root = np.sqrt(weights)
    design = np.column_stack(columns) * root[:, None]
    solution = np.linalg.lstsq(design, target * root, rcond=None)[0]
    return float(np.sum((target * root - design @ solution) ** 2))


def _spread(partition: Ints, label: Floats, past: Floats) -> Floats:
    """Rows with a past; squares of their labels and of the labels' changes, about the partitions' means."""
    here = np.isfinite(past)
    if not here.any():
        return np.zeros(3)
    _, at = np.unique(partition[here], return_inverse=True)
    counts = np.bincount(at)
    change = label[here] - past[here]
    squares = [
        float(np.sum((values - (np.bincount(at, weights=values) / counts)[at]) ** 2))
        for values in (label[here], change)
    ]
    return np.array([np.count_nonzero(here), *squares])


_ALL = (1 << 32) - 1


def _hash(values: npt.NDArray[Any]) -> Ints:
    """A number below 2^32 for each value, the same for the same."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(32)).astype(np.int64)


def _taken(numbers: Mapping[str, Floats], rows: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    return {name: values[rows] for name, values in numbers.items()}
