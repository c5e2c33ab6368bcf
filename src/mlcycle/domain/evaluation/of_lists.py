"""Figures of scores that order rows within lists, each with its interval over blocks of time."""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.bootstrap import codes_of, figures, ratio, sums
from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.metrics import Array, NotMeasured, Reading, check_rows
from mlcycle.domain.ranking_metrics import NOTHING_RELEVANT, Ranked, mean_of
from mlcycle.domain.ranking_names import AT, MEASURES


def of_rows(
    labels: Array,
    predictions: Array,
    blocks: NDArray[np.int64],
    k: int,
    weights: Array | None = None,
) -> dict[str, Figure]:
    """All figures of these rows, at the metrics' cut-offs and at ``k``; and how many lists they are of.

    A list whose rows lie in several blocks is shared among them by its rows.

    Args:
        labels: (n,) grades with their lists.
        predictions: (n,) scores.
        blocks: (n,) of time.
        k: a further cut-off, the project's.
        weights: (n,) for how many rows each stands.
    """
    check_rows(labels, predictions)
    ranked = Ranked.of(labels, predictions)
    codes, count = codes_of(blocks)
    stands = np.ones(len(labels)) if weights is None else weights
    share = (ranked.means(stands) / np.bincount(ranked.codes))[ranked.codes]  # (n,) of its list
    there = sums(np.where(ranked.totals[ranked.codes] > 0, share, 0.0), codes, count)
    values: dict[str, Reading] = {}
    statistics = {}
    for measure in MEASURES:
        for at in sorted({*AT, k}):
            found = ranked.values(measure, at)
            mean, name = mean_of(ranked, found, weights), f"{measure}_at_{at}"
            values[name] = NotMeasured(NOTHING_RELEVANT) if mean is None else mean
            of_rows = np.nan_to_num(found)[ranked.codes]
            statistics[name] = ratio(sums(of_rows * share, codes, count), there)
    told = figures(values, statistics, count, dict.fromkeys(values, (0.0, 1.0)))
    known = int(np.count_nonzero(ranked.totals))
    for name, number in (("lists", known), ("lists_without_relevant", len(ranked.totals) - known)):
        told[name] = Figure(float(number), why="it is counted")
    return told
