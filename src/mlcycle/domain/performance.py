"""How good predictions are without labels, and how much worse than they were."""

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import METRICS, NotMeasured, Reading, more_is_better
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.prediction_limit import spread
from mlcycle.domain.tasks import TASKS

Array = NDArray[np.float64]

MIN_ERRORS = 14  # estimates whose labels came, to speak of how far they are off
BLIND = "a change of what the same inputs lead to (concept change) is not seen by it"


def expected(metric: str, predictions: Array) -> Reading:
    """The metric to be expected of calibrated probabilities, before any label is known.

    Confidence-based performance estimation: each row counts as positive with weight p and as
    negative with weight 1 - p (Bialek et al. 2024, arXiv:2401.08348). It rests on calibration and
    does not see the label change for the same inputs. Not measured for a regression's metric: a
    point prediction tells nothing of its own error.
    """
    if metric not in METRICS:
        return NotMeasured(f"{metric} is another package's: what is to be expected of it is not known")
    if metric not in TASKS["classification"].metrics:
        return NotMeasured("a regression's error cannot be told without labels")
    labels = np.concatenate([np.ones_like(predictions), np.zeros_like(predictions)])
    weights = np.concatenate([predictions, 1 - predictions])
    return METRICS[metric](labels, np.concatenate([predictions, predictions]), weights)


def relative_increase(metric: str, value: float, reference: float) -> float:
    """By which share the loss is above the reference's: 0.1 is ten per cent worse, negative is better.

    The loss of an AUC is what it lacks of 1. A reference without loss is taken as 1e-9.
    """
    now, before = (1 - x if more_is_better(metric) else x for x in (value, reference))
    return now / max(before, 1e-9) - 1


def estimate(
    metric: str,
    now: float,
    holdout: float,
    rows: int,
    numbers: NDArray[np.int64],
    off: Array,
    confidence: float,
) -> Measurement:
    """An expected metric with its interval; a warning where all of the interval is worse than the holdout.

    The interval is a prediction interval of how far earlier estimates were off, whose windows share days.

    Args:
        metric: its name.
        now: what is expected.
        holdout: what the champion showed.
        rows: predictions it is expected of.
        numbers: (n,) days on which earlier estimates were made.
        off: (n,) what was measured later, less what had been expected.
        confidence: of the interval.
    """
    from scipy import special

    details = {"metric": metric, "now": now, "holdout": holdout}
    value = relative_increase(metric, now, holdout)
    words = f"expected {metric} {now:.4g} on {rows} rows, {holdout:.4g} on the holdout"
    if len(off) < MIN_ERRORS:
        known = f"labels of {len(off)} of {MIN_ERRORS} estimates came: how far to trust it is not known yet"
        return Measurement("estimate", "ok", f"{words}; {known}; {BLIND}", "", value, details=details)
    usual = spread(numbers, off[:, None])
    half = float(special.stdtrit(usual.freedom[0], 0.5 + confidence / 2) * usual.errors(1)[0])
    middle = now + float(usual.mean[0])
    low, high = middle - half, middle + half
    better = high if more_is_better(metric) else low
    worse = relative_increase(metric, better, holdout) > 0
    typical = float(np.abs(off).mean())
    message = (
        f"{words}, by its error so far between {low:.4g} and {high:.4g} ({confidence:.0%}; off by "
        f"{typical:.2g} on average in {len(off)} windows); {BLIND}"
    )
    details |= {"low": low, "high": high, "error": typical, "bias": float(usual.mean[0]), "windows": len(off)}
    return Measurement("estimate", "warn" if worse else "ok", message, "", value, details=details)
