"""How declared groups of rows fare: the rates that fairness is spoken of in, each beside all rows'.

Not all of them can be equal at once (J. Kleinberg, S. Mullainathan and M. Raghavan, "Inherent trade-offs in
the fair determination of risk scores", 2017): which one must be is for the gate's guardrail to say.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.metrics import Array, NotMeasured, roc_auc

MOST = 20  # groups of a column that are told of, the largest
THRESHOLDS = tuple(round(step / 10, 1) for step in range(1, 10))
MISSING = "(missing)"


def texts_of(column: Any) -> NDArray[np.str_]:
    """(n,) a column as text; missing values are a group of their own."""
    found: NDArray[np.str_] = (
        column.astype(object).where(column.notna(), MISSING).map(str).to_numpy(dtype=str)
    )
    return found


def largest(texts: NDArray[np.str_], most: int) -> list[str]:
    """The most frequent values, by name where they are as frequent."""
    names, counts = np.unique(texts, return_counts=True)
    return [str(name) for name in names[np.lexsort((names, -counts))][:most]]


def rates(labels: Array, predictions: Array, threshold: float) -> dict[str, float | None]:
    """Rates of some rows at a threshold; None where no row is of the kind that a rate is a share of."""
    positive, acted = labels > 0.5, predictions >= threshold
    hit, false = _share(acted, positive), _share(acted, ~positive)
    auc = roc_auc(labels, predictions)
    return {
        "selection_rate": float(acted.mean()),
        "true_positive_rate": hit,
        "false_negative_rate": None if hit is None else 1 - hit,
        "true_negative_rate": None if false is None else 1 - false,
        "false_positive_rate": false,
        "accuracy": float((acted == positive).mean()),
        "roc_auc": None if isinstance(auc, NotMeasured) else auc,
    }


def _share(acted: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(acted[among].mean()) if among.any() else None


def errors(labels: Array, predictions: Array) -> dict[str, float | None]:
    """The same of numbers."""
    off = predictions - labels
    return {
        "mean_error": float(off.mean()),
        "rmse": float(np.sqrt((off**2).mean())),
        "mae": float(np.abs(off).mean()),
    }


def run(subject: Subject) -> dict[str, Any]:
    """Each group of each declared column, and the rates over thresholds."""
    threshold, classes = subject.payoff.threshold, subject.task.probabilities
    found = {}
    for column in subject.wishes.groups:
        texts = texts_of(subject.holdout.frame[column])
        parts = {}
        for name in largest(texts, MOST):
            rows = texts == name
            sides = subject.labels[rows], subject.predictions[rows]
            parts[name] = {
                "rows": int(rows.sum()),
                **(rates(*sides, threshold) if classes else errors(*sides)),
                "over_thresholds": {
                    rate: [_at(sides, step)[rate] for step in THRESHOLDS]
                    for rate in ("selection_rate", "true_positive_rate", "true_negative_rate")
                }
                if classes
                else {},
            }
        found[column] = {"groups": parts, "left_out": max(0, len(np.unique(texts)) - MOST)}
    return plain({"thresholds": THRESHOLDS if classes else (), "columns": found})  # type: ignore[no-any-return]


def _at(sides: tuple[Array, Array], threshold: float) -> dict[str, float | None]:
    labels, predictions = sides
    positive, acted = labels > 0.5, predictions >= threshold
    false = _share(acted, ~positive)
    return {
        "selection_rate": float(acted.mean()),
        "true_positive_rate": _share(acted, positive),
        "true_negative_rate": None if false is None else 1 - false,
    }
