"""Figures of numbers against numbers, each with its interval over blocks of time."""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.bootstrap import Statistic, codes_of, figures, ratio, sums
from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.metrics import METRICS, Array, NotMeasured, Reading, check_rows

CELLS = 512
#: Quantiles for which the pinball loss is told: what the prediction costs where too low costs more, or less.
QUANTILES = (0.1, 0.9)
NOUGHT = (0.0, float("inf"))
LIMITS = {**dict.fromkeys(("rmse", "mae", "median_absolute_error"), NOUGHT), "r2": (-np.inf, 1.0)}


def row_pinball(labels: Array, predictions: Array, quantile: float) -> Array:
    """(n,) pinball loss: R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978)."""
    short = labels - predictions
    found: Array = np.maximum(quantile * short, (quantile - 1) * short)
    return found


def median(values: Array, weights: Array) -> float:
    """The weighted median of values (n,), the middle of two where they share it; n > 0."""
    order = np.argsort(values, kind="stable")
    ranked, total = values[order], np.cumsum(weights[order])
    half = total[-1] / 2
    first = int(np.searchsorted(total, half * (1 - 1e-12)))
    last = int(np.searchsorted(total, half * (1 + 1e-12), side="right"))
    return float((ranked[first] + ranked[min(last, len(ranked) - 1)]) / 2)


def of_rows(
    labels: Array, predictions: Array, blocks: NDArray[np.int64], weights: Array | None = None
) -> dict[str, Figure]:
    """All figures of these rows: labels, predictions, blocks of time and weights, (n,) each."""
    check_rows(labels, predictions)
    stands = np.ones(len(labels)) if weights is None else weights
    codes, count = codes_of(blocks)
    statistics = of_blocks(labels, predictions, stands, codes, count)
    values: dict[str, Reading] = {
        name: METRICS[name](labels, predictions, weights) for name in ("rmse", "mae")
    }
    once = np.ones((1, count))
    for name in statistics:
        if name not in values:
            found = float(statistics[name](once)[0])
            values[name] = found if np.isfinite(found) else NotMeasured("all labels are the same")
    values["median_absolute_error"] = median(np.abs(predictions - labels), stands)
    return figures(values, statistics, count, LIMITS)


def of_blocks(
    labels: Array, predictions: Array, stands: Array, codes: NDArray[np.int64], count: int
) -> dict[str, Statistic]:
    """Every figure as a function of the blocks' weights; the median by ``CELLS`` quantiles."""
    off = predictions - labels
    rows, squares = sums(stands, codes, count), sums(stands * off**2, codes, count)
    return {
        "rmse": lambda w: np.sqrt(ratio(squares, rows)(w)),
        "mae": ratio(sums(stands * np.abs(off), codes, count), rows),
        "bias": ratio(sums(stands * off, codes, count), rows),
        **{
            f"pinball_{quantile:.0%}".replace("%", ""): ratio(
                sums(stands * row_pinball(labels, predictions, quantile), codes, count), rows
            )
            for quantile in QUANTILES
        },
        "r2": _explained(labels - np.average(labels, weights=stands), squares, stands, codes, count),
        "median_absolute_error": _median(np.abs(off), stands, codes, count),
    }


def _explained(
    centred: Array, squares: Array, stands: Array, codes: NDArray[np.int64], count: int
) -> Statistic:
    """R2, the share of the labels' variance that is explained."""
    rows, first = sums(stands, codes, count), sums(stands * centred, codes, count)
    second = sums(stands * centred**2, codes, count)

    def statistic(weights: Array) -> Array:
        mean = (weights @ first) / np.maximum(weights @ rows, 1e-300)
        total = weights @ second - (weights @ rows) * mean**2
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Array = np.where(total > 1e-12, 1 - (weights @ squares) / total, np.nan)
        return found

    return statistic


def _median(off: Array, stands: Array, codes: NDArray[np.int64], count: int) -> Statistic:
    """By cells: between which two of ``CELLS`` quantiles the middle lies."""
    edges = np.unique(np.quantile(off, np.linspace(0, 1, CELLS + 1)[1:], method="higher"))
    cell = np.minimum(np.searchsorted(edges, off), len(edges) - 1)
    cells = np.bincount(codes * len(edges) + cell, stands, count * len(edges)).reshape(count, len(edges))

    def statistic(weights: Array) -> Array:
        total = np.cumsum(weights @ cells, axis=1)
        reached = total >= total[:, -1:] / 2
        found: Array = edges[reached.argmax(axis=1)]
        return found

    return statistic
