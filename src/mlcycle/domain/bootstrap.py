"""Paired block bootstrap: how sure it is that one model beats another.

Rows of one day share their weather and their knock-on delays; resampling rows would take them as
independent and call luck significant. Whole blocks of time are drawn instead, with replacement, and
both models are measured on the same draw.

Sources: E. Carlstein, "The use of subseries values for estimating the variance of a general
statistic from a stationary sequence", Annals of Statistics 14 (1986), for non-overlapping blocks;
B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 13, for the percentile
interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import (
    METRICS,
    ROW_LOSSES,
    Array,
    NotMeasured,
    Reading,
    check_rows,
    gain,
    ranked_auc,
)
from mlcycle.errors import InputError


@dataclass(frozen=True)
class Paired:
    """What the bootstrap found; gains are in the metric's unit, positive where ``new`` is better."""

    metric: str
    old: float
    new: float
    gain: float
    blocks: int
    samples: Array  # (resamples,) gain of each draw
    block_gains: list[Reading]  # on each block alone, in order

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided percentile interval of the gain."""
        low, high = np.quantile(self.samples, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def probability(self, at_least: float) -> float:
        """Share of draws whose gain is no less than ``at_least``; at zero, of those that gain at all."""
        return float(np.mean(self.samples >= at_least if at_least else self.samples > 0))


def paired_blocks(
    metric: str,
    labels: Array,
    old: Array,
    new: Array,
    blocks: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> Paired:
    """Measure two models on the same draws of whole blocks.

    Args:
        metric: a name of ``metrics.METRICS``.
        labels: (n,).
        old: (n,) predictions of the model in place.
        new: (n,) predictions of the model that wants its place.
        blocks: (n,) block of each row, any integers.
        resamples: draws.
        seed: of the draws; the same seed gives the same answer.

    Raises InputError for no rows or values that are not finite, or where the metric is not
    defined on the rows or on no draw.
    """
    check_rows(labels, old)
    check_rows(labels, new)
    _, codes = np.unique(blocks, return_inverse=True)
    count = int(codes.max()) + 1
    random = np.random.default_rng(seed)
    draws = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    sampled_old = _sampled(metric, labels, old, codes, draws)
    sampled_new = _sampled(metric, labels, new, codes, draws)
    measure = METRICS[metric]
    before, after = measure(labels, old, None), measure(labels, new, None)
    for reading in (before, after):
        if isinstance(reading, NotMeasured):
            raise InputError(f"{metric} cannot be compared: {reading.reason}")
    assert not isinstance(before, NotMeasured)
    assert not isinstance(after, NotMeasured)
    # A draw of blocks of one class has no AUC: those draws say nothing and are left out.
    samples = np.array(
        [
            gain(metric, a, b)
            for a, b in zip(sampled_old, sampled_new, strict=True)
            if a is not None and b is not None
        ]
    )
    if not len(samples):
        raise InputError(f"{metric} cannot be compared: the rows of every draw hold one class only")
    by_block = [
        gain(metric, measure(labels[rows], old[rows], None), measure(labels[rows], new[rows], None))
        for rows in (codes == block for block in range(count))
    ]
    return Paired(metric, before, after, gain(metric, before, after), count, samples, by_block)


def _sampled(
    metric: str, labels: Array, predictions: Array, codes: NDArray[np.int64], draws: NDArray[np.int64]
) -> Sequence[float | None]:
    """The metric of each draw; ``draws`` (resamples, blocks) says how often each block was drawn."""
    if metric == "roc_auc":
        auc = ranked_auc(labels, predictions)
        return [auc(drawn[codes].astype(np.float64)) for drawn in draws]
    # The others are means over rows: sums by block are all that a draw needs.
    sums = np.bincount(codes, weights=ROW_LOSSES[metric](labels, predictions))
    means: Array = (draws @ sums) / (draws @ np.bincount(codes))
    found: list[float | None] = (np.sqrt(means) if metric == "rmse" else means).tolist()
    return found
