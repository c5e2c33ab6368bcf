"""Figures of probabilities of many classes, each with its interval over blocks of time."""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.class_metrics import chosen, row_error
from mlcycle.domain.evaluation.bootstrap import Statistic, codes_of, figures, ratio, sums
from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.metrics import METRICS, Array, Reading, check_rows, row_log_loss
from mlcycle.domain.tasks import task_of

UNIT = (0.0, 1.0)
LIMITS = {
    **dict.fromkeys(("accuracy", "macro_f1", "macro_roc_auc"), UNIT),
    "log_loss": (0.0, float("inf")),
}


def of_rows(
    labels: Array, predictions: Array, blocks: NDArray[np.int64], weights: Array | None = None
) -> dict[str, Figure]:
    """All figures of these rows.

    ``macro_roc_auc`` has no interval: it would be sorted again for every draw of blocks and every class.

    Args:
        labels: (n,) class numbers.
        predictions: (n, classes).
        blocks: (n,) of time.
        weights: (n,) for how many rows each stands.
    """
    check_rows(labels, predictions)
    stands = np.ones(len(labels)) if weights is None else weights
    codes, count = codes_of(blocks)
    rows = sums(stands, codes, count)
    right = sums(stands * (1 - row_error(labels, predictions)), codes, count)
    statistics: dict[str, Statistic] = {
        "log_loss": ratio(sums(stands * row_log_loss(labels, predictions), codes, count), rows),
        "accuracy": ratio(right, rows),
        "macro_f1": _macro_f1(labels, predictions, stands, codes, count),
    }
    values: dict[str, Reading] = {
        name: METRICS[name](labels, predictions, weights) for name in task_of("multiclass").metrics
    }
    return figures(values, statistics, count, LIMITS)


def _macro_f1(
    labels: Array, predictions: Array, stands: Array, codes: NDArray[np.int64], count: int
) -> Statistic:
    """By each block's counts of a class's labels, choices, and both."""
    classes, true, said = predictions.shape[1], labels.astype(np.int64), chosen(predictions)

    def by_block(of: NDArray[np.int64], stands: Array) -> Array:
        cells = np.bincount(codes * classes + of, stands, count * classes)
        found: Array = cells.reshape(count, classes).astype(np.float64)
        return found

    right = by_block(true, stands * (true == said))
    either = by_block(true, stands) + by_block(said, stands)

    def statistic(weights: Array) -> Array:
        hits, all_ = 2 * (weights @ right), weights @ either
        there = all_ > 1e-9
        shares = np.where(there, hits / np.maximum(all_, 1e-9), 0.0).sum(axis=1)
        found: Array = np.where(there.any(axis=1), shares / np.maximum(there.sum(axis=1), 1), np.nan)
        return found

    return statistic
