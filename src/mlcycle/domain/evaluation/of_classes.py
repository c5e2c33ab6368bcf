"""Figures of probabilities against classes, each with its interval over blocks of time.

Intervals come from counts by block and score (``CELLS`` quantiles at most), so that a million rows cost as
much as ten thousand; the values themselves are of every row.
"""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation import ranking
from mlcycle.domain.evaluation.bootstrap import Statistic, codes_of, figures, ratio, sums
from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.metrics import (
    METRICS,
    Array,
    NotMeasured,
    Reading,
    check_rows,
    row_log_loss,
    row_squared_error,
)

CELLS = 512
UNIT = (0.0, 1.0)
LIMITS = {
    **dict.fromkeys(("roc_auc", "pr_auc", "brier", "precision", "recall", "f1", "accuracy"), UNIT),
    **dict.fromkeys(("selection_rate", "precision_at_k", "average_precision_at_k"), UNIT),
    "log_loss": (0.0, float("inf")),
}


def of_rows(
    labels: Array,
    predictions: Array,
    blocks: NDArray[np.int64],
    *,
    threshold: float,
    k: int,
    weights: Array | None = None,
) -> dict[str, Figure]:
    """All figures of these rows.

    Args:
        labels: (n,) 0 or 1.
        predictions: (n,) probabilities of 1.
        blocks: (n,) block of time of each row.
        threshold: from which on a row is acted on.
        k: rows of precision and average precision at k.
        weights: (n,) for how many rows each stands.
    """
    check_rows(labels, predictions)
    stands = np.ones(len(labels)) if weights is None else weights
    codes, count = codes_of(blocks)
    statistics = {
        **of_scores(labels, predictions, stands, codes, count, min(1.0, k / len(labels))),
        **of_means(labels, predictions, stands, codes, count),
        **of_outcomes(confusion(labels, predictions, threshold, stands, codes, count)),
    }
    if k <= ranking.MOST_DRAWN:
        name = "average_precision_at_k"
        statistics[name] = ranking.average_precision_drawn(labels, predictions, k, codes, count)
    once = np.ones((1, count))
    values: dict[str, Reading] = {
        name: METRICS[name](labels, predictions, weights) for name in ("roc_auc", "log_loss", "brier")
    }
    values["pr_auc"] = ranking.pr_auc(labels, predictions, weights)
    values["precision_at_k"] = ranking.precision_at(labels, predictions, k, weights)
    values["average_precision_at_k"] = ranking.average_precision_at(labels, predictions, k)
    for name in [name for name in statistics if name not in values]:
        found = float(statistics[name](once)[0])
        values[name] = found if np.isfinite(found) else NotMeasured(WHY.get(name, "there are no such rows"))
    return figures(values, statistics, count, LIMITS)


WHY = {"precision": "no row is acted on", "recall": "the rows hold no positive", "f1": "no row is acted on"}


def confusion(
    labels: Array,
    predictions: Array,
    threshold: float,
    stands: Array,
    codes: NDArray[np.int64],
    count: int,
) -> dict[str, Array]:
    """(blocks,) how many rows ended in which way."""
    acted, positive = predictions >= threshold, labels > 0.5
    ways = {
        "true_positive": acted & positive,
        "false_positive": acted & ~positive,
        "true_negative": ~acted & ~positive,
        "false_negative": ~acted & positive,
    }
    return {name: sums(stands * rows, codes, count) for name, rows in ways.items()}


def of_scores(
    labels: Array, predictions: Array, stands: Array, codes: NDArray[np.int64], count: int, share: float
) -> dict[str, Statistic]:
    """Figures that look at the order of rows alone, as functions of the blocks' weights.

    Args:
        labels: (n,).
        predictions: (n,).
        stands: (n,) for how many rows each stands.
        codes: (n,) each row's block.
        count: how many blocks there are.
        share: of rows whose precision is told.
    """
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, CELLS + 1)[1:], method="higher"))
    cells = len(edges)
    cell = cells - 1 - np.minimum(np.searchsorted(edges, predictions), cells - 1)  # the highest first
    at = codes * cells + cell
    positive = labels > 0.5
    up, down = (
        np.bincount(at, np.where(side, stands, 0.0), count * cells).reshape(count, cells)
        for side in (positive, ~positive)
    )
    return {
        "roc_auc": lambda w: ranking.ranked(w @ up, w @ down),
        "pr_auc": lambda w: ranking.area(w @ up, w @ down),
        "precision_at_k": lambda w: ranking.first(w @ up, w @ down, share),
    }


def of_means(
    labels: Array, predictions: Array, stands: Array, codes: NDArray[np.int64], count: int
) -> dict[str, Statistic]:
    """Means of rows, as functions of the blocks' weights."""
    rows = sums(stands, codes, count)
    values = {
        "log_loss": row_log_loss(labels, predictions),
        "brier": row_squared_error(labels, predictions),
        "bias": predictions - labels,
    }
    return {name: ratio(sums(stands * each, codes, count), rows) for name, each in values.items()}


def of_outcomes(ways: dict[str, Array]) -> dict[str, Statistic]:
    """Shares of what :func:`confusion` counted, as functions of the blocks' weights."""
    right, wrong = ways["true_positive"], ways["false_positive"]
    missed, left = ways["false_negative"], ways["true_negative"]
    rows = right + wrong + missed + left
    return {
        "precision": ratio(right, right + wrong),
        "recall": ratio(right, right + missed),
        "f1": ratio(2 * right, 2 * right + wrong + missed),
        "accuracy": ratio(right + left, rows),
        "selection_rate": ratio(right + wrong, rows),
    }
