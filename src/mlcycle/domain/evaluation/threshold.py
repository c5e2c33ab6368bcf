"""From which probability on acting pays: chosen on validation by the project's payoff, judged on the holdout.

Where probabilities are true the payoff alone says it (C. Elkan, "The foundations of cost-sensitive
learning", 2001); where they are not, the threshold that earned most on validation corrects for it, as far as
validation's rows tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.earnings import paying_threshold
from mlcycle.domain.evaluation.bootstrap import codes_of, sums
from mlcycle.domain.evaluation.figure import SURE, Figure, plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import Array, Payoff

STEPS = 101


@dataclass(frozen=True)
class At:
    """The payoff with another threshold."""

    true_positive: float
    false_positive: float
    true_negative: float
    false_negative: float
    threshold: float
    per_unit_error: float = 0.0
    right_class: float = 0.0
    wrong_class: float = 0.0


def row_value(payoff: Payoff, labels: Array, predictions: Array, threshold: float) -> Array:
    """(n,) what each row earns where rows are acted on from ``threshold`` up."""
    acted, positive = predictions >= threshold, labels > 0.5
    found: Array = np.where(
        acted,
        np.where(positive, payoff.true_positive, payoff.false_positive),
        np.where(positive, payoff.false_negative, payoff.true_negative),
    )
    return found


def curve(
    payoff: Payoff, labels: Array, predictions: Array, weights: Array | None, thresholds: Array
) -> Array:
    """(thresholds,) what all rows together earn at each, in one pass over the sorted rows."""
    stands = np.ones(len(labels)) if weights is None else weights
    order = np.argsort(predictions, kind="stable")
    ranked, positive = predictions[order], labels[order] > 0.5
    up = np.append(0.0, np.cumsum(np.where(positive, stands[order], 0.0)))
    down = np.append(0.0, np.cumsum(np.where(positive, 0.0, stands[order])))
    left = np.searchsorted(ranked, thresholds, side="left")  # rows below are not acted on
    found: Array = (
        payoff.false_negative * up[left]
        + payoff.true_negative * down[left]
        + payoff.true_positive * (up[-1] - up[left])
        + payoff.false_positive * (down[-1] - down[left])
    )
    return found


def run(subject: Subject) -> dict[str, object]:
    """The curve of money on validation, the threshold it chooses, and what that earns on the holdout."""
    payoff = subject.payoff
    grid = np.unique(np.append(np.quantile(subject.before, np.linspace(0, 1, STEPS)), payoff.threshold))
    money = curve(payoff, subject.validation.labels, subject.before, subject.validation.weights, grid)
    most = np.flatnonzero(money >= money.max() - 1e-9 * max(1.0, abs(float(money.max()))))
    chosen = float(grid[most[len(most) // 2]])  # of thresholds that earn the same, the middle one
    said = row_value(payoff, subject.labels, subject.predictions, payoff.threshold)
    other = row_value(payoff, subject.labels, subject.predictions, chosen)
    stands = np.ones(len(said)) if subject.holdout.weights is None else subject.holdout.weights
    return {
        "threshold": payoff.threshold,
        "chosen": chosen,
        "if_calibrated": paying_threshold(payoff),
        "curve": plain({"thresholds": grid, "validation": money, "holdout": _on_holdout(subject, grid)}),
        "value": float((stands * said).sum()),
        "value_if_chosen": float((stands * other).sum()),
        "gain": plain(earned(stands * (other - said), subject.blocks)),
        "outcomes": subject.task.outcomes(payoff, subject.labels, subject.predictions),
        "outcomes_if_chosen": subject.task.outcomes(
            At(
                *(payoff.true_positive, payoff.false_positive, payoff.true_negative),
                *(payoff.false_negative, chosen),
            ),
            subject.labels,
            subject.predictions,
        ),
    }


def _on_holdout(subject: Subject, grid: Array) -> Array:
    return curve(subject.payoff, subject.labels, subject.predictions, subject.holdout.weights, grid)


def earned(values: Array, blocks: NDArray[np.int64]) -> Figure:
    """The sum of values (n,), judged by how blocks of time differ."""
    codes, count = codes_of(blocks)
    total = float(values.sum())
    if count < MIN_BLOCKS:
        return Figure(total, why=f"{count} blocks of time are too few for an interval")
    by_block = sums(values, codes, count)
    return Figure(total, *Spread.of(total, by_block - by_block.mean()).interval(SURE))
