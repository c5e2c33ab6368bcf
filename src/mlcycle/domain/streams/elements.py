"""What of a row goes into a stream: its error, whether it was a mistake, what was and what was said."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.tasks import task_of

Array = NDArray[np.float64]
Fed = Literal["error", "mistakes", "classes"]

MISTAKEN = 0.25  # standard deviations of the label by which a number is off


def of(fed: Fed, task: str, labels: Array, predictions: Array, trained: Array) -> Array:
    """(n,) elements of rows: what ``error``, ``mistakes`` and ``classes`` are is said below.

    Args:
        fed: which of them.
        task: classification or regression.
        labels: (n,), none of them NaN.
        predictions: (n,).
        trained: labels of training rows, which say what is usual.
    """
    usual, spread = float(trained.mean()), max(float(trained.std()), 1e-12)
    if fed == "classes":
        return classes(labels, predictions, usual)
    if task_of(task).probabilities:
        if fed == "error":
            return excess(labels, predictions)
        return (classes(labels, predictions, usual) % 3 > 0).astype(np.float64)  # 1 and 2 are mistakes
    off = np.abs(predictions - labels) / spread
    return (off > MISTAKEN).astype(np.float64) if fed == "mistakes" else off


def excess(labels: Array, predictions: Array) -> Array:
    """The squared error of a probability (Brier) less what it expects of itself: days differ in how hard they
    are.
    """
    found: Array = (predictions - labels) ** 2 - predictions * (1 - predictions)
    return found


def classes(labels: Array, predictions: Array, usual: float) -> Array:
    """``2 * was + said``: 1 is said where the probability is above the share of ones that is usual."""
    was, said = (labels > 0.5).astype(np.float64), (predictions > usual).astype(np.float64)
    return 2 * was + said
