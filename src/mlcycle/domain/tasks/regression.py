"""A number; predictions are its expected values (n,), or its quantiles (n, q, 2).

The latter as ``domain.quantiles`` has them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlcycle.domain.tasks.base import Task
from mlcycle.errors import ConfigError

if TYPE_CHECKING:
    from mlcycle.domain.metrics import Array, Payoff, Reading


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

    def check_metric(self, metric: str, quantiles: Sequence[float] = ()) -> None:
        """Raise ConfigError where the metric does not measure the task, or not without such quantiles."""
        from mlcycle.domain.quantile_metrics import CHOICES
        from mlcycle.domain.quantiles import intervals

        if metric not in CHOICES:
            super().check_metric(metric)
        elif not quantiles:
            raise ConfigError(
                f"evaluation.metric {metric!r} is of quantiles: say label.quantiles, or choose one of "
                f"{', '.join(self.metrics)}"
            )
        elif metric == "interval_score" and not intervals(quantiles):
            raise ConfigError(
                "evaluation.metric 'interval_score' is of central intervals, and no two levels of "
                "label.quantiles make one: name 0.1 beside 0.9, say, or choose pinball"
            )

    def readings(
        self, labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> "dict[str, Reading]":
        """Every metric; of said quantiles their own too, each level's and each central interval's."""
        import numpy as np

        from mlcycle.domain import quantile_metrics, quantiles
        from mlcycle.domain.metrics import METRICS

        found = super().readings(labels, predictions, weights)
        if quantiles.are(predictions):
            found["pinball"] = METRICS["pinball"](labels, predictions, weights)
            if quantiles.intervals(quantiles.levels_of(predictions)):
                found["interval_score"] = METRICS["interval_score"](labels, predictions, weights)
            for name, rows in quantile_metrics.row_figures(labels, predictions).items():
                found[name] = float(np.average(rows, weights=weights))
        return found

    def row_loss(self, labels: "Array", predictions: "Array") -> "Array":
        """(n,) squared error; of said quantiles the pinball loss."""
        from mlcycle.domain import quantile_metrics, quantiles

        if quantiles.are(predictions):
            return quantile_metrics.row_pinball(labels, predictions)
        return super().row_loss(labels, predictions)

    def without_model(
        self,
        learnt: "Array",
        rows: int,
        weights: "Array | None" = None,
        quantiles: Sequence[float] = (),
    ) -> "Array":
        """The zero rule: the mean of the training's labels, or (rows, q, 2) their quantiles."""
        import numpy as np

        from mlcycle.domain.quantiles import of_labels, paired

        if not quantiles:
            return super().without_model(learnt, rows, weights)
        return paired(quantiles, np.tile(of_labels(learnt, quantiles, weights), (rows, 1)))

    def pictured(self, labels: "Array", predictions: "Array") -> "tuple[Array, Array]":
        """Labels and point forecasts."""
        from mlcycle.domain.quantiles import point

        return labels, point(predictions)

    def value(
        self, payoff: "Payoff", labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> float:
        """So much for each unit of absolute error; ``weights`` do not count, labels depend on no decision."""
        import numpy as np

        from mlcycle.domain.quantiles import point

        return float(payoff.per_unit_error * np.abs(point(predictions) - labels).sum())

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
