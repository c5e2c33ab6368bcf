"""A number; a prediction is its expected value."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcycle.domain.tasks.base import Task

if TYPE_CHECKING:
    from mlcycle.domain.metrics import Array, Payoff


class Regression(Task):
    """``regression`` in project files."""

    name = "regression"
    metrics = ("rmse", "mae")
    loss = "rmse"
    loss_words = "squared error"
    mean_loss_words = "RMSE"
    probabilities = False
    classifies = False
    label_types = ("double", "integer")
    constant_words = "one value"
    fit_title = "Fit"

    def value(
        self, payoff: "Payoff", labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> float:
        """So much for each unit of absolute error; ``weights`` do not count, labels depend on no decision."""
        import numpy as np

        return float(payoff.per_unit_error * np.abs(predictions - labels).sum())

    def constants(self, learnt: "Array") -> Mapping[str, float]:
        """Answering with the training labels' median, and their mean."""
        import numpy as np

        return {"median": float(np.median(learnt)), "mean": float(np.mean(learnt))}

    def outcomes(self, payoff: "Payoff", labels: "Array", predictions: "Array") -> dict[str, int]:
        """None: nothing is decided."""
        return {}

    def shown(self, mean: float) -> str:
        """The mean, in the label's unit."""
        return f"{mean:.4g}"
