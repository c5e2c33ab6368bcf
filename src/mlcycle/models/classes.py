"""What a model of many classes says, in the order of the project's classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlcycle.domain.metrics import Array


def of_estimator(task_many: bool, said: Any, seen: Sequence[Any], count: int) -> Array:
    """What scikit-learn's ``predict_proba`` (n, seen) says, as a model predicts.

    Args:
        task_many: whether the task has many classes; of two it is the probability of the second, (n,).
        said: (n, seen).
        seen: the class numbers of its columns; a class that no row had is given nought.
        count: of all classes.

    Returns:
        (n,), or (n, count).
    """
    if not task_many:
        return np.asarray(said[:, 1], dtype=np.float64)
    found = np.zeros((len(said), count))
    found[:, np.asarray(seen, dtype=np.int64)] = said
    return found


def softmax(scores: Array) -> Array:
    """(n, classes) probabilities of scores (n, classes); overflows nowhere."""
    found = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = found / found.sum(axis=1, keepdims=True)
    return shares


def one_hot(labels: Array, count: int) -> Array:
    """(n, count) ones at the labels' class numbers (n,)."""
    found = np.zeros((len(labels), count))
    found[np.arange(len(labels)), labels.astype(np.int64)] = 1.0
    return found
