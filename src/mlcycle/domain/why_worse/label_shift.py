"""Label shift: one class came more often, and rows of each class look as before.

What predictions alone say of the classes' shares is black-box shift estimation (Z. Lipton, Y.-X. Wang and A.
Smola, "Detecting and correcting for label shift with black box predictors", ICML 2018): the mean prediction
lies between what it was of class 0 and of class 1. Under label shift the log odds rise by as much for every
row: bias moves, slope does not, and predictions move with the shares.
"""

import numpy as np

from mlcycle.domain.tasks import task_of
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import PENALTY, Hypothesis

TITLE, TODO = (
    "label shift",
    "correct the prior (an offset to the log odds) until a retrain on labels of these days",
)


def share_by_predictions(mean: float, classes: tuple[float, float]) -> float:
    """The share of class 1 that a mean prediction tells of, by the mean prediction of either class."""
    low, high = classes
    return float(np.clip((mean - low) / max(high - low, 1e-9), 0, 1))


def judged(evidence: Evidence) -> Hypothesis:
    """The model in which one number, the log odds ratio of the classes, moves predictions and bias."""
    if task_of(evidence.task).probabilities and evidence.classes is None:
        why = "what it predicts of either class on the gate's days is not known"
        return Hypothesis("label_shift", TITLE, why, "not known", TODO)
    if evidence.classes is None:
        return Hypothesis("label_shift", TITLE, "a number has no classes", "does not apply", TODO)
    moved = evidence.moved
    if moved is None:
        return Hypothesis("label_shift", TITLE, "too few days", "not known", TODO)
    change, errors = moved
    now, basis = evidence.now, evidence.basis
    before, seen = (float(np.average(days.seen, weights=days.rows)) for days in (basis, now))
    due = [float(np.average(days.due, weights=days.rows)) for days in (basis, now)]
    steps = np.linspace(-2.5, 2.5, 501)
    odds = before / (1 - before) * np.exp(steps)
    gap = evidence.classes[1] - evidence.classes[0]
    mean = np.clip(due[0] + (odds / (1 + odds) - before) * gap, 1e-6, 1 - 1e-6)
    said = np.log(mean / (1 - mean)) - np.log(due[0] / (1 - due[0]))
    misfits = ((change[0] - said) / errors[0]) ** 2 + ((change[1] - steps + said) / errors[1]) ** 2
    least = int(misfits.argmin())
    guess = share_by_predictions(due[1], evidence.classes) - share_by_predictions(due[0], evidence.classes)
    z = change / errors
    follows = abs(z[1]) > 2 and misfits[least] < 4 and abs(z[2]) < 2
    return Hypothesis(
        "label_shift",
        TITLE,
        f"class 1 is {seen:.1%} of labels ({before:.1%} before); predictions alone say {before + guess:.1%}",
        "labels moved, rows of each class look as before"
        if follows
        else "labels and predictions do not agree on it",
        TODO,
        misfit=float(misfits[least] + z[2] ** 2) + PENALTY,
    )
