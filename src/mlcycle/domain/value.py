"""What predictions are worth: not a sum by itself, but the gain over acting as before.

As before is what would be done without the model: acting on no row (never) or on every row (always);
for a number, answering with the training labels' mean or median; and the project's heuristic. Which
constant answer one would have given is decided on the training labels, never on the rows that are
measured: in hindsight there is always a better one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import Payoff, business_value
from mlcycle.domain.tasks import task_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Constants:
    """The constant answers to compare with, by name; ``usual`` earned most on the training labels."""

    answers: dict[str, float]
    usual: str


@dataclass(frozen=True)
class Worth:
    """In the payoff's currency, over ``rows`` rows; ``outcomes`` counts a classification's rows."""

    total: float
    before: dict[str, float]  # what each way of acting as before earned on the same rows
    usual: str
    rows: int
    outcomes: dict[str, int]

    @property
    def gains(self) -> dict[str, float]:
        """How much more than each way of acting as before."""
        return {name: self.total - other for name, other in self.before.items()}

    @property
    def gain(self) -> float:
        """How much more than the usual constant answer."""
        return self.gains[self.usual]

    @property
    def metrics(self) -> dict[str, float]:
        """The gains as metrics."""
        return {f"value_over_{name}": gain for name, gain in self.gains.items()}


def constants(payoff: Payoff, task: str, learnt: Array) -> Constants:
    """The constant answers of a task, and which of them was best on the training labels (n,), n > 0."""
    answers = dict(task_of(task).constants(learnt))
    earned = {name: _of_constant(payoff, task, learnt, answer) for name, answer in answers.items()}
    return Constants(answers, max(earned, key=earned.__getitem__))


def worth(
    payoff: Payoff,
    task: str,
    labels: Array,
    predictions: Array,
    known: Constants,
    totals: Mapping[str, float] | None = None,
    weights: Array | None = None,
) -> Worth:
    """What predictions (n,) with these labels (n,) earned, beside the constants and others' ``totals``.

    ``weights`` (n,), one on average, are for how many rows each stands.
    """
    before = {
        name: _of_constant(payoff, task, labels, answer, weights) for name, answer in known.answers.items()
    } | dict(totals or {})
    total = business_value(payoff, task, labels, predictions, weights)
    return Worth(total, before, known.usual, len(labels), task_of(task).outcomes(payoff, labels, predictions))


def answers(acted: NDArray[np.bool_]) -> Array:
    """Decisions (n,) as predictions that any threshold decides so."""
    found: Array = np.where(acted, np.inf, -np.inf)
    return found


def _of_constant(
    payoff: Payoff, task: str, labels: Array, answer: float, weights: Array | None = None
) -> float:
    return business_value(payoff, task, labels, np.full_like(labels, answer), weights)
