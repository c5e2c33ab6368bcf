"""Which rows to ask people for.

D. Lewis and W. Gale, "A Sequential Algorithm for Training Text Classifiers" (uncertainty), SIGIR 1994; H.
Seung et al., "Query by Committee", COLT 1992; O. Sener and S. Savarese, "Active Learning for Convolutional
Neural Networks: A Core-Set Approach" (diversity by k-center), ICLR 2018.
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Strategy = Literal["uncertainty", "disagreement", "diversity", "random"]
LEAST: Final = 1e-12


def uncertainty(predictions: Array) -> Array:
    """(n,) how little a model's first choice leads its second, from 0 (sure) to 1.

    Args:
        predictions: (n,) probabilities of one of two classes, or (n, k) of each of many.
    """
    if predictions.ndim == 1:
        found: Array = 1 - np.abs(2 * predictions - 1)
        return found
    best = np.partition(predictions, predictions.shape[1] - 2, axis=1)[:, -2:]
    lead: Array = 1 - (best[:, 1] - best[:, 0])
    return lead


def spread(predictions: Sequence[Array]) -> Array:
    """(n,) how far several models differ: the divergence of what they say from their mean, in nats; of
    numbers their variance.

    Args:
        predictions: of each model, (n,) probabilities or numbers, or (n, k) probabilities.
    """
    said = np.stack(predictions)
    if said.ndim == 2 and (said.min() < 0 or said.max() > 1):
        return np.asarray(said.var(axis=0))
    if said.ndim == 2:
        said = np.stack([1 - said, said], axis=2)
    mean = said.mean(axis=0)
    found: Array = (said * (np.log(said + LEAST) - np.log(mean + LEAST))).sum(axis=2).mean(axis=0)
    return np.maximum(found, 0)


def apart(rows: Array, count: int, near: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows that lie far from each other and from those that have labels: greedy k-center.

    Args:
        rows: (n, d), standardised.
        count: how many to choose, at most n.
        near: (m, d) rows that have labels; none begins with a row drawn at random.
        rng: draws it.

    Returns:
        (count,) their numbers, the farthest first.
    """
    count = min(count, len(rows))
    if not count:
        return np.zeros(0, dtype=np.int64)
    distance = np.full(len(rows), np.inf)
    for known in near:
        distance = np.minimum(distance, ((rows - known) ** 2).sum(axis=1))
    chosen: list[int] = []
    while len(chosen) < count:
        at = int(distance.argmax()) if np.isfinite(distance).all() else int(rng.integers(len(rows)))
        chosen.append(at)
        distance = np.minimum(distance, ((rows - rows[at]) ** 2).sum(axis=1))
        distance[chosen] = -1.0  # nobody is asked twice
    return np.array(chosen, dtype=np.int64)


def best(scores: Array, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the rows with the highest scores, ties drawn; at most ``count``."""
    order = np.lexsort((rng.random(len(scores)), -scores))
    return order[:count].astype(np.int64)
