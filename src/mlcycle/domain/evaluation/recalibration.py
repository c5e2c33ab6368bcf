"""Whether predictions say how often they come true, and whether a curve fitted on other rows says it better.

Both curves are fitted on the validation rows, which no weight was learnt from, and judged on the holdout.
They are told of and not served.

Sources: J. Platt, "Probabilistic outputs for support vector machines", 1999 (a sigmoid of the log odds, with
his targets); B. Zadrozny and C. Elkan, "Transforming classifier scores into accurate multiclass probability
estimates", 2002 (isotonic regression).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlcycle.domain.evaluation.figure import SURE, Figure, plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.guardrails import calibration as guard
from mlcycle.domain.metrics import CLIP, Array, calibration, log_loss
from mlcycle.domain.paired import paired_blocks

BINS = 10
ROUNDS = 50
RIDGE = 1e-9

Curve = Callable[[Array], Array]


def expected_error(labels: Array, predictions: Array, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of mean prediction and mean label over equal bins.

    Above nought by chance alone; ``guardrails.calibration.error`` is the one that luck cancels from.
    """
    groups = calibration(labels, predictions, bins)
    return float(sum(rows * abs(said - seen) for said, seen, rows in groups) / len(labels))


def log_odds(predictions: Array) -> Array:
    """(n,), probabilities kept from 0 and 1."""
    p = np.clip(predictions, CLIP, 1 - CLIP)
    found: Array = np.log(p) - np.log1p(-p)
    return found


def platt(labels: Array, predictions: Array) -> Curve:
    """A sigmoid of the log odds, by Newton's method; the identity where there is one class only."""
    x, up = log_odds(predictions), labels > 0.5
    if up.all() or not up.any() or np.ptp(x) == 0:
        return lambda values: values
    targets = np.where(up, (up.sum() + 1) / (up.sum() + 2), 1 / ((~up).sum() + 2))
    columns = np.column_stack([x, np.ones_like(x)])
    slope = np.array([1.0, 0.0])
    loss = _cross_entropy(columns @ slope, targets)
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(columns @ slope, -50, 50)))
        gradient = columns.T @ (p - targets)
        hessian = (columns * (p * (1 - p))[:, None]).T @ columns + RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        while (reached := _cross_entropy(columns @ (slope - step), targets)) > loss and np.abs(
            step
        ).max() > 1e-9:
            step = step / 2
        slope, moved, loss = slope - step, loss - reached, reached
        if moved <= 1e-12 * max(1.0, abs(loss)):
            break
    a, b = slope
    return lambda values: 1 / (1 + np.exp(-np.clip(a * log_odds(values) + b, -50, 50)))


def _cross_entropy(scores: Array, targets: Array) -> float:
    return float((np.logaddexp(0, scores) - targets * scores).sum())


def isotonic(labels: Array, predictions: Array, weights: Array | None = None) -> Curve:
    """The monotone curve nearest to the labels, straight between its steps."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(predictions, kind="stable")
    values, starts = np.unique(predictions[order], return_index=True)
    stands = (np.ones(len(labels)) if weights is None else weights)[order]
    heavy = np.add.reduceat(stands, starts)
    means = np.add.reduceat(stands * labels[order], starts) / np.maximum(heavy, 1e-300)
    fitted = isotonic_regression(means, weights=np.maximum(heavy, 1e-12)).x
    return lambda new: np.interp(new, values, fitted)


def run(subject: Subject) -> dict[str, Any]:
    """Reliability as it is, and after either curve: with error, log loss, and whether it is surely better."""
    known, before = subject.validation.labels, subject.before
    curves = {
        "platt": platt(known, before),
        "isotonic": isotonic(known, before, subject.validation.weights),
    }
    found = {}
    for name, curve in curves.items():
        changed = np.clip(curve(subject.predictions), CLIP, 1 - CLIP)
        paired = paired_blocks("log_loss", subject.labels, subject.predictions, changed, subject.blocks)
        gain = (
            Figure(paired.gain, why="too few blocks of time for an interval")
            if paired.spread is None
            else Figure(paired.gain, *paired.spread.interval(SURE))
        )
        found[name] = {
            **_as_it_is(subject, changed),
            "gain": plain(gain),
            "better": gain.low is not None and gain.low > 0,
        }
    return {**_as_it_is(subject, subject.predictions), "curves": found}


def _as_it_is(subject: Subject, predictions: Array) -> dict[str, Any]:
    spread = guard.error(subject.labels, predictions, subject.blocks)
    if spread is None:
        why = "too few blocks of time for an interval"
        error = Figure(expected_error(subject.labels, predictions), why=why)
    else:
        low, high = spread.interval(SURE)
        error = Figure(max(spread.gain, 0.0), max(low, 0.0), max(high, 0.0))
    return {
        "ece": plain(error),
        "ece_plain": expected_error(subject.labels, predictions),
        "log_loss": log_loss(subject.labels, predictions, subject.holdout.weights),
        "reliability": plain(calibration(subject.labels, predictions, BINS)),
    }
