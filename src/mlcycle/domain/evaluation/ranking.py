"""How well predictions rank: the precision-recall curve's area, and the precision of the first k rows.

Rows are taken in falling order of prediction. Ties count as one step of the curve, as scikit-learn has it; of
the rows that tie at the k-th place each stands for its share.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import ONE_CLASS, Array, NotMeasured, Reading

MOST_DRAWN: Final = 20_000  # first rows whose average precision is drawn again for an interval
CELLS_HELD: Final = 1 << 22  # of draws by rows, at a time
NO_POSITIVE = NotMeasured("the rows hold no positive")


def steps(labels: Array, predictions: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Positives and negatives of each distinct prediction, the highest first."""
    stands = np.ones(len(labels)) if weights is None else weights
    _, at = np.unique(-predictions, return_inverse=True)
    up = np.bincount(at, np.where(labels > 0.5, stands, 0.0))
    down = np.bincount(at, np.where(labels > 0.5, 0.0, stands))
    return up.astype(np.float64), down.astype(np.float64)


def area(up: Array, down: Array) -> Array:
    """(...) average precision of (..., steps): the mean precision over the positives; NaN without one."""
    right = np.cumsum(up, axis=-1)
    named = right + np.cumsum(down, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(named > 0, right / named, 0.0)
        found: Array = (up * precision).sum(axis=-1) / right[..., -1]
    return found


def ranked(up: Array, down: Array) -> Array:
    """(...) area under the ROC curve of (..., steps); NaN for one class."""
    pairs = up.sum(axis=-1) * down.sum(axis=-1)
    beaten = down.sum(axis=-1, keepdims=True) - np.cumsum(down, axis=-1) + down / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = np.where(pairs > 0, (up * beaten).sum(axis=-1) / pairs, np.nan)
    return found


def first(up: Array, down: Array, share: float) -> Array:
    """(...) precision of the first ``share`` of rows of (..., steps)."""
    rows = up + down
    wanted = share * rows.sum(axis=-1, keepdims=True)
    before = np.cumsum(rows, axis=-1) - rows
    with np.errstate(divide="ignore", invalid="ignore"):
        taken = np.where(rows > 0, np.clip((wanted - before) / rows, 0.0, 1.0), 0.0)
        found: Array = (up * taken).sum(axis=-1) / wanted[..., 0]
    return found


def pr_auc(labels: Array, predictions: Array, weights: Array | None = None) -> Reading:
    """Area under the precision-recall curve as average precision; not measured without a positive."""
    found = float(area(*steps(labels, predictions, weights))) if len(labels) else float("nan")
    return found if np.isfinite(found) else NO_POSITIVE


def precision_at(labels: Array, predictions: Array, k: int, weights: Array | None = None) -> Reading:
    """Share of positives among the ``k`` rows ranked first; of all rows where there are fewer."""
    if not len(labels):
        return NotMeasured("there are no rows")
    return float(first(*steps(labels, predictions, weights), min(1.0, k / len(labels))))


def average_precision_at(labels: Array, predictions: Array, k: int) -> Reading:
    """AP@k: the mean precision at the places of the positives among the first ``k`` rows, of as many as there
    could be. Ties are taken in order of rows. Source: C. Manning, P. Raghavan and H. Schuetze, "Introduction
    to information retrieval", 2008, ch. 8.4.
    """
    positive = labels > 0.5
    if not positive.any():
        return NO_POSITIVE if len(labels) else ONE_CLASS
    found = positive[np.argsort(-predictions, kind="stable")[:k]].astype(np.float64)
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    return float((precision * found).sum() / min(k, int(positive.sum())))


def average_precision_drawn(
    labels: Array, predictions: Array, k: int, codes: NDArray[np.int64], blocks: int
) -> Callable[[Array], Array]:
    """AP@k as a function of how often each block counts, (draws, blocks) -> (draws,).

    The first rows are the same share of those that count. A row that counts several times stands at as many
    places, of which all have the precision of the middle one. NaN where no positive counts.
    """
    positive = (labels > 0.5).astype(np.float64)
    order = np.argsort(-predictions, kind="stable")
    hit, block = positive[order], codes[order]
    there, share = np.bincount(codes, positive, blocks), k / len(hit)
    size = np.bincount(codes, minlength=blocks) * min(share, 1.0)

    def some(weights: Array) -> Array:
        rows = min(2 * k, len(hit))
        first = (weights @ size)[:, None]
        while rows < len(hit) and (weights[:, block[:rows]].sum(axis=1) < first[:, 0]).any():
            rows = min(2 * rows, len(hit))
        drawn = weights[:, block[:rows]]
        before = np.cumsum(drawn, axis=1) - drawn
        drawn = np.clip(first - before, 0.0, drawn)
        found = drawn * hit[:rows]
        right, middle = np.cumsum(found, axis=1) - found, (drawn + 1) / 2
        most = np.minimum(weights @ there, first[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            area: Array = (found * (right + middle) / (before + middle)).sum(axis=1) / most
        return area

    def statistic(weights: Array) -> Array:
        step = max(1, CELLS_HELD // min(len(hit), 8 * k))
        return np.concatenate([some(weights[at : at + step]) for at in range(0, len(weights), step)])

    return statistic
