"""Two classes, 1 and 0; a prediction is the probability of 1."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcycle.domain.tasks.base import Task
from mlcycle.errors import InputError

if TYPE_CHECKING:
    from mlcycle.domain.metrics import Array, Payoff


class Binary(Task):
    """``classification`` in project files."""

    name = "classification"
    metrics = ("log_loss", "roc_auc", "brier")
    loss = "log_loss"
    loss_words = "log loss"
    mean_loss_words = "log loss"
    probabilities = True
    classifies = True
    label_types = ("double", "integer", "boolean", "text")
    constant_words = "one class"
    fit_title = "Calibration"

    def check_labels(self, labels: "Array", split: str) -> None:
        """Raise InputError for a label that is missing, or neither 0 nor 1."""
        import numpy as np

        super().check_labels(labels, split)
        if not set(np.unique(labels)) <= {0.0, 1.0}:
            raise InputError(
                f"labels in the {split} split are not 0 and 1: set label.at_least in the project"
            )

    def value(
        self, payoff: "Payoff", labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> float:
        """An outcome each: rows are acted on from ``threshold`` up."""
        import numpy as np

        acted, positive = predictions >= payoff.threshold, labels > 0.5
        stands = np.ones(len(labels)) if weights is None else weights
        return float(
            payoff.true_positive * stands[acted & positive].sum()
            + payoff.false_positive * stands[acted & ~positive].sum()
            + payoff.true_negative * stands[~acted & ~positive].sum()
            + payoff.false_negative * stands[~acted & positive].sum()
        )

    def at_random(self, learnt: "Array", rows: int, seed: int) -> "Array":
        """Any probability alike."""
        import numpy as np

        return np.random.default_rng(seed).random(rows)

    def constants(self, learnt: "Array") -> Mapping[str, float]:
        """Acting on no row, and on every row."""
        return {"never": float("-inf"), "always": float("inf")}

    def outcomes(self, payoff: "Payoff", labels: "Array", predictions: "Array") -> dict[str, int]:
        """The confusion matrix at the payoff's threshold."""
        import numpy as np

        positive, acted = labels > 0.5, predictions >= payoff.threshold
        return {
            "true_positive": int(np.count_nonzero(positive & acted)),
            "false_positive": int(np.count_nonzero(~positive & acted)),
            "true_negative": int(np.count_nonzero(~positive & ~acted)),
            "false_negative": int(np.count_nonzero(positive & ~acted)),
        }

    def shown(self, mean: float) -> str:
        """The share of ones."""
        return f"{mean:.1%}"
