"""Whether what a regression leaves is noise: no offset, no trend, no memory, the same spread everywhere."""

from typing import Any

import numpy as np

from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.subject import Subject

POINTS = 600  # shown in the plot
TENTHS = 10


def run(subject: Subject) -> dict[str, Any]:
    """Residuals (label less prediction): moments, memory, spread by prediction."""
    left = subject.labels - subject.predictions
    spread = float(left.std())
    tenths = np.array_split(np.argsort(subject.predictions, kind="stable"), TENTHS)
    shown = np.linspace(0, len(left) - 1, min(len(left), POINTS)).astype(int)
    return plain(  # type: ignore[no-any-return]
        {
            "mean": left.mean(),
            "standard_deviation": spread,
            "skewness": _moment(left, 3),
            "excess_kurtosis": _moment(left, 4) - 3,
            "autocorrelation": autocorrelation(left),
            "slope_on_prediction": _slope(subject.predictions, left),
            "spread_by_prediction": _rank_correlation(subject.predictions, np.abs(left)),
            "beyond_three": float(np.mean(np.abs(left - left.mean()) > 3 * spread)) if spread else 0.0,
            "tenths": [
                (subject.predictions[rows].mean(), left[rows].mean(), left[rows].std())
                for rows in tenths
                if len(rows)
            ],
            "points": {"predicted": subject.predictions[shown], "residual": left[shown]},
        }
    )


def autocorrelation(left: Any) -> float:
    """Of each row with the one before it, in the order of rows, which is that of time; 0 of a constant."""
    centred = left - left.mean()
    whole = float((centred**2).sum())
    return float((centred[1:] * centred[:-1]).sum() / whole) if whole > 0 else 0.0


def _moment(left: Any, power: int) -> float:
    spread = left.std()
    return float((((left - left.mean()) / spread) ** power).mean()) if spread > 0 else float("nan")


def _slope(predictions: Any, left: Any) -> float:
    variance = float(predictions.var())
    return float(np.cov(predictions, left, ddof=0)[0, 1] / variance) if variance > 0 else float("nan")


def _rank_correlation(first: Any, second: Any) -> float:
    from scipy.stats import rankdata

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
