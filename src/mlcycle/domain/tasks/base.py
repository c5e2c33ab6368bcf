"""What every task answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from mlcycle.errors import ConfigError, InputError

if TYPE_CHECKING:
    from mlcycle.domain.metrics import Array, Payoff, Reading


class Task(ABC):
    """A kind of label. Objects hold no state; arrays are float64 of one length.

    Predictions are (n,), but of many classes, where they are (n, classes), and of quantiles, (n, q, 2).
    """

    name: ClassVar[str]  # in project files
    metrics: ClassVar[tuple[str, ...]]  # what a candidate may be chosen by: names of metrics.METRICS
    loss: ClassVar[str]  # what fits make small, a row at a time: a name of metrics.ROW_LOSSES
    loss_words: ClassVar[str]  # the same for people, as learning curves name it
    mean_loss_words: ClassVar[str]  # of the loss over rows, where it has the label's unit
    #: Predictions are probabilities of class 1, and rows are acted on from a threshold up.
    probabilities: ClassVar[bool]
    classifies: ClassVar[bool]  # labels are numbers of classes: trees split by them, folds spread them
    many: ClassVar[bool] = False  # predictions are (n, classes), not (n,)
    lists: ClassVar[bool] = False  # rows are ordered within lists, which labels carry (``domain.listed``)
    label_types: ClassVar[tuple[str, ...]]  # columns that can be the label
    constant_words: ClassVar[str]  # what labels have where there is nothing to learn
    fit_title: ClassVar[str]  # of the plot that shows predictions beside labels

    def check_metric(self, metric: str, quantiles: Sequence[float] = ()) -> None:
        """Raise ConfigError where the metric does not measure the task; ``quantiles``: the label's levels."""
        from mlcycle.domain import own_metrics
        from mlcycle.domain.metrics import METRICS

        if metric in self.metrics:
            return
        known = [*self.metrics, *(each.name for each in own_metrics.of_task(self.name))]
        if metric in METRICS or metric not in known:
            raise ConfigError(
                f"evaluation.metric {metric!r} does not measure a {self.name}: choose one of "
                f"{', '.join(known)} (or install who brings it: entry points {own_metrics.GROUP})"
            )

    def check_labels(self, labels: "Array", split: str) -> None:
        """Raise InputError for a label (n,) that is none of the task's; ``split`` says where it is."""
        import numpy as np

        if bad := int(np.count_nonzero(~np.isfinite(labels))):
            raise InputError(f"{bad} of {len(labels)} labels in the {split} split are missing or not finite")

    def row_loss(self, labels: "Array", predictions: "Array") -> "Array":
        """(n,) the loss of each row."""
        from mlcycle.domain.metrics import ROW_LOSSES

        return ROW_LOSSES[self.loss](labels, predictions)

    def readings(
        self, labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> "dict[str, Reading]":
        """Every metric of the task, those of other packages too.

        Raises InputError for no rows, or values that are not finite.
        """
        from mlcycle.domain import own_metrics
        from mlcycle.domain.metrics import METRICS, check_rows

        check_rows(labels, predictions)
        others = [each.name for each in own_metrics.of_task(self.name) if each.name not in METRICS]
        return {name: METRICS[name](labels, predictions, weights) for name in (*self.metrics, *others)}

    def curve_loss(self, labels: "Array", predictions: "Array") -> float:
        """Mean loss over rows, as learning curves show it: of a number squared, in the label's unit."""
        return float(self.row_loss(labels, predictions).mean())

    @abstractmethod
    def value(
        self, payoff: "Payoff", labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> float:
        """What acting on these predictions is worth in all, in the payoff's currency."""

    @abstractmethod
    def constants(self, learnt: "Array") -> Mapping[str, float]:
        """The ways of acting without a model, by name: one answer for every row.

        ``learnt`` (n,), n > 0, are the training's labels.
        """

    def without_model(
        self,
        learnt: "Array",
        rows: int,
        weights: "Array | None" = None,
        quantiles: Sequence[float] = (),
    ) -> "Array":
        """The zero rule, ``rows`` predictions: the mean of the training's labels (m,), m > 0.

        ``quantiles`` are the levels that a number's project asks for, of which it says those instead.
        """
        import numpy as np

        return np.full(rows, np.average(learnt, weights=weights))

    def at_random(self, learnt: "Array", rows: int, seed: int) -> "Array":
        """``rows`` predictions of who knows nothing but the training's labels (m,)."""
        import numpy as np

        found: Array = np.random.default_rng(seed).choice(learnt, rows)
        return found

    def pictured(self, labels: "Array", predictions: "Array") -> "tuple[Array, Array]":
        """Labels and predictions (n,) each, as a plot sets one against the other."""
        return labels, predictions

    @abstractmethod
    def outcomes(self, payoff: "Payoff", labels: "Array", predictions: "Array") -> dict[str, int]:
        """How many rows ended in which way, where decisions have outcomes; else nothing."""

    @property
    def watched(self) -> str:
        """The task that what was served is watched as: by ``pictured``, its own but of many classes."""
        return self.name

    @abstractmethod
    def shown(self, mean: float) -> str:
        """A mean label for people."""
