"""How far two sets of rows (n, k) and (m, k) are from each other in all columns together; 0 is not at all."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CENTRES = 100
RIDGE = 0.1
KEPT = 0.9  # of the variance, by principal components


def mmd(now: Array, before: Array) -> float:
    """Maximum mean discrepancy, a Gaussian kernel of the median distance (Gretton et al. 2012, JMLR 13).

    Of all pairs but each row with itself: quadratic in the rows, so give it some hundreds.
    """
    width = _median_square(before)
    own, its, both = (_kernel(a, b, width) for a, b in ((now, now), (before, before), (now, before)))
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (own, its))
    return float(np.sqrt(max(within - 2 * both.mean(), 0.0)))


def lsdd(now: Array, before: Array) -> float:
    """Least-squares density difference (Sugiyama et al. 2012, NIPS 25): the root of its squared length.

    Up to a factor that depends on the kernel's width alone.
    """
    width = _median_square(before)
    pooled = np.concatenate([now, before])
    centres = pooled[np.linspace(0, len(pooled) - 1, min(CENTRES, len(pooled))).astype(int)]
    overlaps = _kernel(centres, centres, 2 * width)
    difference = (_kernel(rows, centres, width).mean(axis=0) for rows in (now, before))
    h = next(difference) - next(difference)
    theta = np.linalg.solve(overlaps + RIDGE * np.eye(len(centres)), h)
    return float(np.sqrt(max(2 * theta @ h - theta @ overlaps @ theta, 0.0)))


def novelty(now: Array, before: Array) -> float:
    """By which share rows are worse rebuilt out of the principal components of half of ``before`` than its
    other half is (reconstruction error: Jackson & Mudholkar 1979, Technometrics 21(3)).
    """
    fitted, other = before[::2], before[1::2]
    mean = fitted.mean(axis=0)
    _, sizes, axes = np.linalg.svd(fitted - mean, full_matrices=False)
    shares = np.cumsum(sizes**2) / max(float((sizes**2).sum()), 1e-12)
    axes = axes[: int(np.searchsorted(shares, KEPT)) + 1]

    def error(rows: Array) -> float:
        rest = rows - mean
        return float(((rest - rest @ axes.T @ axes) ** 2).sum(axis=1).mean())

    return max(error(now) / max(error(other), 1e-12) - 1, 0.0)


def _kernel(a: Array, b: Array, width: float) -> Array:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    found: Array = np.exp(-np.maximum(squares, 0.0) / (2 * width))
    return found


def _median_square(rows: Array) -> float:
    """Of distances; of neighbours in the rows' order, which is as good and linear."""
    half = len(rows) // 2
    squares = ((rows[:half] - rows[half : 2 * half]) ** 2).sum(axis=1)
    return max(float(np.median(squares)), 1e-12)
