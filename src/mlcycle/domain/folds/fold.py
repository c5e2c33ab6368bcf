"""What a fold is, and what a policy is told of the rows."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcycle.errors import InputError

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Positions of rows, ascending: ``train`` is learnt, ``test`` is predicted, no row is in both."""

    name: str
    train: Positions
    test: Positions


@dataclass(frozen=True)
class Facts:
    """What a policy may look at. ``labels`` (n,); ``times`` (n,) and ``groups`` (n,) where known."""

    labels: NDArray[np.float64]
    classes: bool  # the labels are classes, not numbers
    times: NDArray[np.datetime64] | None = None
    groups: NDArray[Any] | None = None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.labels)


class Folds(Protocol):
    """A policy."""

    def of(self, facts: Facts) -> list[Fold]:
        """The folds of these rows, two at the least. Raises InputError where the rows cannot be dealt so."""


def checked(folds: list[Fold], facts: Facts, policy: str) -> list[Fold]:
    """The folds, each of which can be learnt from. Raises InputError that names the one that cannot."""
    for fold in folds:
        if not len(fold.train) or not len(fold.test):
            what = "to learn from" if not len(fold.train) else "to predict"
            raise InputError(
                f"split.cross_validation: {policy} leaves fold {fold.name!r} no rows {what}: ask for fewer "
                "folds or a shorter embargo, or train on a longer history"
            )
        if facts.classes and len(np.unique(facts.labels[fold.train])) < 2:
            raise InputError(
                f"split.cross_validation: fold {fold.name!r} of {policy} learns from rows of one class only: "
                "ask for fewer folds or policy stratified"
            )
    return folds


def apart(count: int, parts: Positions, number: int) -> list[Fold]:
    """A fold for each of ``number`` parts: it is predicted, all other rows are learnt. ``parts`` is (n,)."""
    rows = np.arange(count)
    return [Fold(str(i + 1), rows[parts != i], rows[parts == i]) for i in range(number)]


def enough(count: int, folds: int, what: str) -> None:
    """Raise InputError where there is less of something than there are folds."""
    if count < folds:
        raise InputError(
            f"split.cross_validation asks for {folds} folds, the training rows have {count} {what}: "
            f"ask for {count} folds at the most"
            if count > 1
            else f"split.cross_validation needs two {what} at the least, the training rows have {count}"
        )
