"""How far a project's labellers agree, and how often each is right by what all of them say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.labelling.agreement import cohen, krippendorff
from mlcycle.domain.labelling.weak import ABSTAINS, estimate

FEW: Final = 20  # rows that two have both answered, below which nothing is said of their agreement


@dataclass(frozen=True)
class Agreement:
    """``alpha``: Krippendorff's, None where too little was answered twice. ``kappas``: of each two labellers
    with enough rows in common. ``accuracies``: by labeller, of classes alone; ``both``: rows answered twice
    or more.
    """

    both: int
    alpha: float | None
    kappas: dict[tuple[str, str], float]
    accuracies: dict[str, float]
    answered: dict[str, int]


def agreement(answers: Sequence[tuple[int, str, str]], classes: Sequence[str]) -> Agreement:
    """Sum up.

    Args:
        answers: row, labeller, answer; one of each labeller for a row.
        classes: what there is to choose from; none: numbers, whose differences count by their squares.
    """
    people = sorted({who for _, who, _ in answers})
    rows = sorted({row for row, _, _ in answers})
    at = {row: number for number, row in enumerate(rows)}
    table = np.full((len(people), len(rows)), np.nan)
    for row, who, said in answers:
        value = (
            float(classes.index(said)) if classes and said in classes else np.nan if classes else float(said)
        )
        table[people.index(who), at[row]] = value
    given = np.isfinite(table)
    answered = {who: int(given[number].sum()) for number, who in enumerate(people)}
    twice = given.sum(axis=0) > 1
    both = int(twice.sum())
    if both < FEW:
        return Agreement(both, None, {}, {}, answered)
    alpha = krippendorff(table, "nominal" if classes else "interval")
    kappas, accuracies = {}, {}
    if classes:
        for one in range(len(people)):
            for two in range(one + 1, len(people)):
                common = given[one] & given[two]
                kappa = cohen(table[one, common].tolist(), table[two, common].tolist())
                if common.sum() >= FEW and kappa is not None:
                    kappas[people[one], people[two]] = kappa
        if len(people) > 2:  # of two who differ nobody can tell who errs
            numbers = np.where(given, table, ABSTAINS).astype(np.int64).T[twice]
            found = estimate(numbers, len(classes)).accuracies
            accuracies = dict(zip(people, found.tolist(), strict=True))
    return Agreement(both, alpha, kappas, accuracies, answered)
