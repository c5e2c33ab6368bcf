"""Rows dealt out by group: all rows of a patient, a household, an aircraft are on one side of every fold."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.folds.fold import Facts, Fold, Positions, apart, checked, enough
from mlcycle.errors import InputError

MOST: Final = 100  # fits of leave one group out; more groups are for policy group


@dataclass(frozen=True)
class Grouped:
    """Whole groups to ``folds`` parts of about equal size: the largest group first, to the smallest part."""

    folds: int

    def of(self, facts: Facts) -> list[Fold]:
        """The folds."""
        names, codes = _groups(facts)
        enough(len(names), self.folds, "groups")
        sizes = np.bincount(codes)
        part_of, held = np.zeros(len(names), dtype=np.int64), np.zeros(self.folds, dtype=np.int64)
        for group in np.argsort(-sizes, kind="stable"):
            part_of[group] = smallest = int(np.argmin(held))
            held[smallest] += sizes[group]
        return checked(apart(facts.count, part_of[codes], self.folds), facts, "group")


@dataclass(frozen=True)
class LeaveOneGroupOut:
    """A fold for each group, named as it is: how a model does where it has seen nothing of the group."""

    def of(self, facts: Facts) -> list[Fold]:
        """The folds."""
        names, codes = _groups(facts)
        enough(len(names), 2, "groups")
        if len(names) > MOST:
            raise InputError(
                f"split.cross_validation: leave_one_group_out would train {len(names)} times, once for each "
                f"group; the most is {MOST}: choose policy group with folds"
            )
        found = apart(facts.count, codes, len(names))
        named = [Fold(str(name), fold.train, fold.test) for name, fold in zip(names, found, strict=True)]
        return checked(named, facts, "leave_one_group_out")


def _groups(facts: Facts) -> tuple[NDArray[Any], Positions]:
    """The distinct groups as text, and the number of each row's. A missing one is a group of its own."""
    if facts.groups is None:
        raise InputError("split.cross_validation: the rows have no group column: take the snapshot again")
    texts = np.array(["" if _missing(value) else str(value) for value in facts.groups])
    names, codes = np.unique(texts, return_inverse=True)
    return names, np.asarray(codes, dtype=np.int64).reshape(-1)


def _missing(value: Any) -> bool:
    return value is None or value != value  # NaN and NaT are not themselves
