"""How good predictions are without labels, and how much worse than they were."""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import METRICS, OF_TASK, NotMeasured, Reading

Array = NDArray[np.float64]


def expected(metric: str, predictions: Array) -> Reading:
    """The metric to be expected of calibrated probabilities, before any label is known.

    Confidence-based performance estimation: each row counts as positive with weight p and as
    negative with weight 1 - p (Bialek et al. 2024, arXiv:2401.08348). It rests on calibration and
    does not see the label change for the same inputs. Not measured for a regression's metric: a
    point prediction tells nothing of its own error.
    """
    if metric not in OF_TASK["classification"]:
        return NotMeasured("a regression's error cannot be told without labels")
    labels = np.concatenate([np.ones_like(predictions), np.zeros_like(predictions)])
    weights = np.concatenate([predictions, 1 - predictions])
    return METRICS[metric](labels, np.concatenate([predictions, predictions]), weights)


def relative_increase(metric: str, value: float, reference: float) -> float:
    """By which share the loss is above the reference's: 0.1 is ten per cent worse, negative is better.

    The loss of an AUC is what it lacks of 1. A reference without loss is taken as 1e-9.
    """
    now, before = (1 - x if metric == "roc_auc" else x for x in (value, reference))
    return now / max(before, 1e-9) - 1
