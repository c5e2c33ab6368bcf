"""What predictions earned, beside what the best constant policy would have earned on the same rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import Payoff, business_value

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Earned:
    """``total`` and ``without`` in the payoff's currency; ``outcomes`` counts a classification's rows."""

    total: float
    without: float  # the better of acting on all rows and on none; a regression: predicting the median
    rows: int
    outcomes: dict[str, int]

    @property
    def gain(self) -> float:
        """What the model is worth on these rows."""
        return self.total - self.without


def earned(payoff: Payoff, task: str, labels: Array, predictions: Array) -> Earned:
    """Earnings of predictions whose labels are known; all zero where there are no rows."""
    if len(labels) == 0:
        return Earned(0.0, 0.0, 0, {})
    total = business_value(payoff, task, labels, predictions)
    if task == "regression":
        constants = [np.full_like(labels, np.median(labels))]
        outcomes = {}
    else:
        constants = [np.full_like(labels, np.inf), np.full_like(labels, -np.inf)]
        positive, acted = labels > 0.5, predictions >= payoff.threshold
        outcomes = {
            "true_positive": int(np.count_nonzero(positive & acted)),
            "false_positive": int(np.count_nonzero(~positive & acted)),
            "true_negative": int(np.count_nonzero(~positive & ~acted)),
            "false_negative": int(np.count_nonzero(positive & ~acted)),
        }
    without = max(business_value(payoff, task, labels, constant) for constant in constants)
    return Earned(total, without, len(labels), outcomes)
