"""Metrics of many classes: labels (n,) are class numbers from 0 on, predictions (n, classes) probabilities.

None where a metric is not defined on the rows. Weights (n,) are for how many rows each stands.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def chosen(predictions: Array) -> NDArray[np.int64]:
    """(n,) the likeliest class of each row; the first of several that are as likely."""
    found: NDArray[np.int64] = np.argmax(predictions, axis=1).astype(np.int64)
    return found


def of_label(labels: Array, predictions: Array) -> Array:
    """(n,) the probability that was given to the class that came true."""
    found: Array = predictions[np.arange(len(labels)), labels.astype(np.int64)]
    return found


def row_error(labels: Array, predictions: Array) -> Array:
    """(n,) 1 where the likeliest class is another than the label, else 0."""
    found: Array = (chosen(predictions) != labels).astype(np.float64)
    return found


def confusion(labels: Array, predictions: Array, weights: Array | None = None) -> Array:
    """(classes, classes) rows by their label, then by the likeliest class."""
    count = predictions.shape[1]
    cells = labels.astype(np.int64) * count + chosen(predictions)
    found: Array = np.bincount(cells, weights, count * count).reshape(count, count).astype(np.float64)
    return found


def macro_f1(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """The mean of the classes' F1: 2 true positives over labels and choices of the class together.

    Over classes that are a row's label or choice; one that is never chosen counts as 0.
    """
    right, either = _hits(confusion(labels, predictions, weights))
    there = either > 0
    return float(np.mean(2 * right[there] / either[there]))


def _hits(table: Array) -> tuple[Array, Array]:
    """(classes,) rows of a class that were found, and its labels and choices together."""
    return np.diag(table), table.sum(axis=0) + table.sum(axis=1)


def f1_influence(labels: Array, predictions: Array) -> Array:
    """(n,) how far each row moves the macro F1, to the first order: the derivative of each class's ratio."""
    table = confusion(labels, predictions)
    right, either = _hits(table)
    there = np.flatnonzero(either > 0)
    true, said = labels.astype(np.int64), chosen(predictions)
    found = np.zeros(len(labels))
    for each in there:
        own, picked = (true == each).astype(np.float64), (said == each).astype(np.float64)
        ratio = 2 * right[each] / either[each]
        found += (2 * own * picked - ratio * (own + picked)) / (either[each] / len(labels))
    influence: Array = found / len(there)
    return influence


def present(labels: Array, weights: Array | None = None) -> list[int]:
    """The classes of the rows that count, ascending."""
    counted = labels if weights is None else labels[weights > 0]
    return [int(each) for each in np.unique(counted)]
