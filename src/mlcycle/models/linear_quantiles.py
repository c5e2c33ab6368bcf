"""Linear quantile regression that scales: the pinball loss smoothed by a logistic kernel, by L-BFGS.

M. Fernandes, E. Guerre and E. Horta, "Smoothing Quantile Regressions", J. Business and Economic Statistics
39, 2021; X. He, X. Pan, K. Tan and W.-X. Zhou, "Smoothed Quantile Regression with Large-scale Inference", J.
Econometrics 232, 2023, whose bandwidth is taken. The pinball loss itself is a linear programme, whose time
grows faster than the rows.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import of_labels

LEAST_BANDWIDTH: Final = 0.05  # in standard deviations of the labels


def fit(
    rows: Any, labels: Array, weights: Array | None, levels: Sequence[float], *, l2: float, max_iter: int
) -> tuple[Array, Array]:
    """Coefficients (q, p) and intercepts (q,).

    The intercept is set last, so that the residuals' own quantile is nought: what smoothing shifts is undone.

    Args:
        rows: sparse (n, p).
        labels: (n,).
        weights: (n,) for how many rows each stands.
        levels: (q,) ascending.
        l2: weight of half the squared coefficients, of labels in standard deviations, beside the sum of the
            rows' losses.
        max_iter: of L-BFGS, for each level.
    """
    from scipy.optimize import minimize

    stands = np.ones(len(labels)) if weights is None else weights
    mean = float(np.average(labels, weights=stands))
    scale = float(np.sqrt(np.average((labels - mean) ** 2, weights=stands))) or 1.0
    target, total, width = (labels - mean) / scale, float(stands.sum()), rows.shape[1]
    rate = ((width + np.log(len(labels))) / len(labels)) ** 0.4
    found, at = [], np.zeros(width + 1)
    for level in levels:
        h = max(LEAST_BANDWIDTH, np.sqrt(level * (1 - level)) * min(rate, 1.0))

        def loss(given: Array, level: float = level, h: float = h) -> tuple[float, Array]:
            """Mean smoothed loss and its gradient; convolved with a logistic density of width h."""
            left = target - rows @ given[:-1] - given[-1]
            smooth = level * left + h * np.logaddexp(0, -left / h)
            slope = stands * (0.5 * (1 - np.tanh(left / (2 * h))) - level)  # of the loss by what is said
            value = (stands @ smooth + l2 / 2 * (given[:-1] @ given[:-1])) / total
            return float(value), np.append(rows.T @ slope + l2 * given[:-1], slope.sum()) / total

        at[-1] = of_labels(target - rows @ at[:-1], [level], stands)[0]
        options = {"maxiter": max_iter, "maxcor": 20, "gtol": 1e-7, "ftol": 1e-12}
        at = np.asarray(minimize(loss, at, jac=True, method="L-BFGS-B", options=options).x, dtype=np.float64)
        at[-1] = of_labels(target - rows @ at[:-1], [level], stands)[0]
        found.append(at.copy())
    every = np.stack(found) * scale
    return every[:, :-1], every[:, -1] + mean
