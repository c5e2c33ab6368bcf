"""How far predictions are from what came true, where they say the same.

The expected calibration error of ten groups by prediction is above nought by chance alone: each group's gap
counts with its own sign. Here a group's sign comes from other days than the gap that it is put to, so that
luck cancels and the error is understated if anything (cross-fitting; what binning does otherwise: J.
Broecker, "Estimating reliability and resolution of probability forecasts", Climate Dynamics 39, 2012; M.
Roelofs et al., "Mitigating bias in calibration error estimation", 2022). How sure it is follows from whole
blocks of time.
"""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.guardrails.finding import SURE, Finding
from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import Array

GROUPS = 10
NEAR = 1  # blocks on either side that do not tell a block's signs either: neighbours resemble each other


def error(labels: Array, predictions: Array, blocks: NDArray[np.int64]) -> Spread | None:
    """The mean distance between prediction and outcome over groups of like predictions, with its spread.

    Args:
        labels: (n,).
        predictions: (n,).
        blocks: (n,) block of time of each row.

    Returns:
        None where there are fewer than ``MIN_BLOCKS`` blocks.
    """
    _, at = np.unique(blocks, return_inverse=True)
    count = int(at.max()) + 1
    if count < MIN_BLOCKS:
        return None
    edges = np.quantile(predictions, np.arange(1, GROUPS) / GROUPS)
    group = np.searchsorted(edges, predictions, side="right")
    cell = group * count + at
    gaps = np.bincount(cell, labels - predictions, GROUPS * count).reshape(GROUPS, count)
    near = np.zeros((GROUPS, count))
    for step in range(-NEAR, NEAR + 1):
        low, high = max(0, -step), min(count, count - step)
        near[:, low:high] += gaps[:, low + step : high + step]
    signed = (np.sign(gaps.sum(axis=1, keepdims=True) - near) * gaps).sum(axis=0)
    rows = np.bincount(at, minlength=count)
    found = float(signed.sum() / len(labels))
    return Spread.of(found, (signed - rows * found) / len(labels))


def judged(
    labels: Array,
    new: Array,
    old: Array | None,
    blocks: NDArray[np.int64],
    *,
    unit: float | None,
    max_error: float,
) -> Finding:
    """Refuses where the error is surely above the limit, and above the champion's on the same rows.

    Days on which everything is late make every model look wrong; that the champion is no nearer is no reason
    to keep it. Of a number the error is a share of ``unit``.

    Args:
        labels: (n,).
        new: (n,) predictions of the challenger.
        old: (n,) those of the champion, or None.
        blocks: (n,).
        unit: standard deviation of the training's labels; None of classes.
        max_error: the limit.
    """
    limit = f"{max_error:g}" + ("" if unit is None else f" standard deviations of the label ({unit:.3g})")
    unit = max(1.0 if unit is None else unit, 1e-12)
    found = error(labels / unit, new / unit, blocks)
    if found is None:
        return Finding("calibration", "not measured", limit, True, "too few blocks of time")
    low, high = found.interval(2 * SURE - 1)
    before = error(labels / unit, old / unit, blocks) if old is not None else None
    above, nearer = low > max_error, before is not None and before.gain >= found.gain
    why = f"between {max(low, 0):.4f} and {max(high, 0):.4f} with {2 * SURE - 1:.0%}"
    if above and nearer:
        why += ", but no further off than the champion on these rows"
    return Finding(
        "calibration",
        f"off by {max(found.gain, 0):.4f}",
        limit,
        not above or nearer,
        why,
        "" if before is None else f"{max(before.gain, 0):.4f}",
        *(max(each, 0.0) for each in (found.gain, low, high)),
    )
