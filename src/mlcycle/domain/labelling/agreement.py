"""How far labellers agree beyond chance.

J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educ. Psychol. Meas. 20, 1960; J. Fleiss,
"Measuring Nominal Scale Agreement Among Many Raters", Psychol. Bulletin 76, 1971; K. Krippendorff, "Content
Analysis", 2004.
"""

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cohen(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Kappa of two labellers of the same rows; None for no rows, or where both always say the same one thing.

    1 is full agreement, 0 what two who answer at random by their own shares have.
    """
    if not first:
        return None
    kinds = list(dict.fromkeys([*first, *second]))
    one, two = (np.array([kinds.index(each) for each in said]) for said in (first, second))
    observed = float((one == two).mean())
    shares = [np.bincount(said, minlength=len(kinds)) / len(said) for said in (one, two)]
    expected = float(shares[0] @ shares[1])
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss(counts: NDArray[np.int64]) -> float | None:
    """Kappa of rows that were each labelled as often.

    Args:
        counts: (n, k), how often each row was given each class; every row sums to the same, two or more.

    Returns None for no rows, or where all say one thing.
    """
    if not len(counts):
        return None
    raters = int(counts[0].sum())
    if raters < 2 or (counts.sum(axis=1) != raters).any():
        raise ValueError("each row must be labelled by the same number of people, two or more")
    agreed = ((counts**2).sum(axis=1) - raters) / (raters * (raters - 1))
    shares = counts.sum(axis=0) / counts.sum()
    expected = float((shares**2).sum())
    return None if expected == 1 else float((agreed.mean() - expected) / (1 - expected))


def krippendorff(answers: Array, metric: Literal["nominal", "interval"] = "nominal") -> float | None:
    """Alpha of any number of labellers, of whom any may have left rows out.

    Args:
        answers: (labellers, rows), NaN where there is none; of classes their numbers.
        metric: how far two answers differ: at all, or by the square of their difference.

    Returns None where no row has two answers, or all answers are the same.
    """
    values = np.unique(answers[np.isfinite(answers)])
    found = np.zeros((len(values), len(values)))
    for column in answers.T:
        given = column[np.isfinite(column)]
        if len(given) < 2:
            continue
        counts = np.array([(given == value).sum() for value in values], dtype=np.float64)
        found += (np.outer(counts, counts) - np.diag(counts)) / (len(given) - 1)
    totals = found.sum(axis=1)
    every = totals.sum()
    if every < 2:
        return None
    differ = (values[:, None] - values[None, :]) ** 2 if metric == "interval" else 1.0 - np.eye(len(values))
    observed = (found * differ).sum() / every
    expected = (np.outer(totals, totals) - np.diag(totals)).ravel() @ differ.ravel() / (every * (every - 1))
    return None if expected == 0 else float(1 - observed / expected)
