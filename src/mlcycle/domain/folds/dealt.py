"""Rows dealt out by chance: k folds of equal size, or with the same share of every class in each.

For rows that are exchangeable. Rows near each other in time seldom are: folds by chance then learn from the
neighbours of what they predict, and flatter (``ordered`` does not).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.folds.fold import Facts, Fold, Positions, apart, checked, enough

BINS: Final = 10  # of equally many rows, by which numbers are stratified


@dataclass(frozen=True)
class KFold:
    """``folds`` parts of equal size, up to a row; dealt by chance from the seed."""

    folds: int
    seed: int = 17

    def of(self, facts: Facts) -> list[Fold]:
        """The folds."""
        enough(facts.count, self.folds, "rows")
        parts = np.arange(facts.count) % self.folds
        np.random.default_rng(self.seed).shuffle(parts)
        return checked(apart(facts.count, parts, self.folds), facts, "k_fold")


@dataclass(frozen=True)
class Stratified:
    """As :class:`KFold`, with every class, or every tenth of a number's values, spread evenly over the folds.

    R. Kohavi, "A Study of Cross-Validation and Bootstrap for Accuracy Estimation and Model Selection",
    IJCAI 1995.
    """

    folds: int
    seed: int = 17

    def of(self, facts: Facts) -> list[Fold]:
        """The folds."""
        enough(facts.count, self.folds, "rows")
        strata = _strata(facts)
        counts = np.bincount(strata)
        if facts.classes:
            enough(int(counts.min()), self.folds, "rows of the rarest class")
        random = np.random.default_rng(self.seed)
        order = random.permutation(facts.count)
        order = order[np.argsort(strata[order], kind="stable")]  # by stratum, by chance within it
        parts = np.empty(facts.count, dtype=np.int64)
        # One deal goes on through all strata: sizes of folds differ by a row at the most.
        parts[order] = np.arange(facts.count) % self.folds
        return checked(apart(facts.count, parts, self.folds), facts, "stratified")


def _strata(facts: Facts) -> Positions:
    """A number for each row from 0 on: of its class, or of its bin; values that are equal share a bin."""
    if facts.classes:
        return np.asarray(np.unique(facts.labels, return_inverse=True)[1], dtype=np.int64).reshape(-1)
    edges = np.unique(np.quantile(facts.labels, np.linspace(0, 1, BINS + 1)[1:-1]))
    found = np.searchsorted(edges, facts.labels, side="left")
    return np.asarray(np.unique(found, return_inverse=True)[1], dtype=np.int64).reshape(-1)
