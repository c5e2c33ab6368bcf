"""Many classes; a prediction is the probability of each, in the order of the project's ``label.classes``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlcycle.domain.tasks.base import Task
from mlcycle.errors import InputError

if TYPE_CHECKING:
    from mlcycle.domain.metrics import Array, Payoff


class Multiclass(Task):
    """``multiclass`` in project files. Labels (n,) are class numbers from 0 on, predictions (n, classes)."""

    name = "multiclass"
    metrics = ("log_loss", "accuracy", "macro_f1", "macro_roc_auc")
    loss = "log_loss"
    loss_words = "log loss"
    mean_loss_words = "log loss"
    probabilities = False
    classifies = True
    many = True
    label_types = ("text", "integer")
    constant_words = "one class"
    fit_title = "Calibration of the class that is chosen"

    def check_labels(self, labels: "Array", split: str) -> None:
        """Raise InputError for a label that is missing, or a class that the project does not name."""
        import numpy as np

        super().check_labels(labels, split)
        if bad := int(np.count_nonzero((labels < 0) | (labels != np.floor(labels)))):
            raise InputError(
                f"{bad} of {len(labels)} labels in the {split} split are of a class that label.classes does "
                "not name: add it at the end of the list"
            )

    def without_model(
        self,
        learnt: "Array",
        rows: int,
        weights: "Array | None" = None,
        quantiles: Sequence[float] = (),
    ) -> "Array":
        """(rows, classes) the training's shares."""
        import numpy as np

        counts = np.bincount(learnt.astype(np.int64), weights)
        return np.tile(counts / counts.sum(), (rows, 1))

    def at_random(self, learnt: "Array", rows: int, seed: int) -> "Array":
        """(rows, classes) any probabilities alike: uniform on the simplex."""
        import numpy as np

        return np.random.default_rng(seed).dirichlet(np.ones(int(learnt.max()) + 1), rows)

    def value(
        self, payoff: "Payoff", labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> float:
        """So much for a row whose class was found, so much for another; the likeliest class is acted on.

        ``predictions`` (n,) are class numbers that were chosen without a model.
        """
        import numpy as np

        picked = predictions.argmax(axis=1) if predictions.ndim == 2 else predictions
        stands = np.ones(len(labels)) if weights is None else weights
        right = picked == labels
        return float(payoff.right_class * stands[right].sum() + payoff.wrong_class * stands[~right].sum())

    def constants(self, learnt: "Array") -> Mapping[str, float]:
        """Answering with the training's commonest class."""
        import numpy as np

        return {"commonest": float(np.argmax(np.bincount(learnt.astype(np.int64))))}

    def outcomes(self, payoff: "Payoff", labels: "Array", predictions: "Array") -> dict[str, int]:
        """How many rows' classes were found."""
        import numpy as np

        right = int(np.count_nonzero(predictions.argmax(axis=1) == labels))
        return {"right_class": right, "wrong_class": len(labels) - right}

    def pictured(self, labels: "Array", predictions: "Array") -> "tuple[Array, Array]":
        """Whether the likeliest class came true, and its probability.

        What is called confidence: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
        """
        import numpy as np

        right = (predictions.argmax(axis=1) == labels).astype(np.float64)
        return right, predictions.max(axis=1)

    @property
    def watched(self) -> str:
        """Whether the chosen class came true, against its probability."""
        return "classification"

    def shown(self, mean: float) -> str:
        """The share of rows whose class was found."""
        return f"{mean:.1%}"
