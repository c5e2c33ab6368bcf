"""Metrics of predictions, and what the predictions are worth.

Labels and predictions are float64 arrays of one length; a classification label is 0 or 1 and its
prediction the probability of 1. Of many classes a label is the class's number and predictions are
(n, classes); said quantiles are (n, q, 2), and what measures a number measures their median. Of a ranking
labels carry each row's list (``domain.listed``). Every metric takes optional row weights, and none of them
looks at time or at the model. A metric that is not defined on some rows is :class:`NotMeasured` with the
reason, never NaN: JSON and the ledger know no NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain import ranking_metrics
from mlcycle.domain.class_metrics import f1_influence, macro_f1, of_label, present, row_error
from mlcycle.domain.own_metrics import own_metric
from mlcycle.domain.quantile_metrics import row_interval_score, row_pinball
from mlcycle.domain.quantiles import are, point
from mlcycle.domain.ranking_names import PARTS as OF_LISTS
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NotMeasured:
    """A metric that is not defined on the rows it was asked of, and why."""

    reason: str

    def __str__(self) -> str:
        return f"not measured: {self.reason}"


Reading = float | NotMeasured
Metric = Callable[[Array, Array, Array | None], Reading]

ONE_CLASS: Final = NotMeasured("the rows hold one class only")

#: Probabilities are kept this far from 0 and 1, so that one sure mistake does not cost infinity.
CLIP: Final = 1e-7


def row_log_loss(labels: Array, predictions: Array) -> Array:
    """Log loss of each row, in nats."""
    if predictions.ndim == 2:
        lost: Array = -np.log(np.clip(of_label(labels, predictions), CLIP, 1 - CLIP))
        return lost
    p = np.clip(predictions, CLIP, 1 - CLIP)
    loss: Array = -(labels * np.log(p) + (1 - labels) * np.log1p(-p))
    return loss


def row_squared_error(labels: Array, predictions: Array) -> Array:
    """Squared error of each row."""
    error: Array = (point(predictions) - labels) ** 2
    return error


def row_absolute_error(labels: Array, predictions: Array) -> Array:
    """Absolute error of each row."""
    error: Array = np.abs(point(predictions) - labels)
    return error


def log_loss(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Mean log loss, in nats."""
    return float(np.average(row_log_loss(labels, predictions), weights=weights))


def brier(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Mean squared error of the probability."""
    return float(np.average(row_squared_error(labels, predictions), weights=weights))


def accuracy(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Share of rows whose likeliest class is their label."""
    return 1 - float(np.average(row_error(labels, predictions), weights=weights))


def rmse(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Root of the mean squared error, in the label's unit."""
    return float(np.sqrt(np.average(row_squared_error(labels, predictions), weights=weights)))


def mae(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Mean absolute error, in the label's unit."""
    return float(np.average(row_absolute_error(labels, predictions), weights=weights))


def pinball(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Mean pinball loss over rows and quantiles, in the label's unit."""
    return float(np.average(row_pinball(labels, predictions), weights=weights))


def interval_score(labels: Array, predictions: Array, weights: Array | None = None) -> float:
    """Mean interval score over rows and central intervals, in the label's unit."""
    return float(np.average(row_interval_score(labels, predictions), weights=weights))


def roc_auc(labels: Array, predictions: Array, weights: Array | None = None) -> Reading:
    """Area under the ROC curve: how often a positive row ranks above a negative one, ties half.

    Not measured where the (weighted) rows hold one class only.
    """
    found = ranked_auc(labels, predictions)(np.ones(len(labels)) if weights is None else weights)
    return ONE_CLASS if found is None else found


def macro_roc_auc(labels: Array, predictions: Array, weights: Array | None = None) -> Reading:
    """The mean over the rows' classes of the AUC of each against all others.

    Not measured where the (weighted) rows hold one class only.
    """
    classes = present(labels, weights)
    if len(classes) < 2:
        return ONE_CLASS
    found = [roc_auc((labels == each).astype(np.float64), predictions[:, each], weights) for each in classes]
    return float(np.mean([each for each in found if not isinstance(each, NotMeasured)]))


def ranked_auc(labels: Array, predictions: Array) -> Callable[[Array], float | None]:
    """The AUC as a function of the rows' weights, None for one class; the rows are ranked once."""
    order = np.argsort(predictions, kind="stable")
    ranked, positive = predictions[order], labels[order] > 0.5
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(order) else None

    def auc(weights: Array) -> float | None:
        if starts is None:
            return None
        w = weights[order]
        up = np.add.reduceat(np.where(positive, w, 0.0), starts)
        down = np.add.reduceat(np.where(positive, 0.0, w), starts)
        pairs = up.sum() * down.sum()
        return float((up * (np.cumsum(down) - down / 2)).sum() / pairs) if pairs > 0 else None

    return auc


def _wherever_defined(metric: Metric) -> Metric:
    """The metric, not measured where there is no row or the rows' numbers overflow it."""

    def read(labels: Array, predictions: Array, weights: Array | None = None) -> Reading:
        if len(labels) == 0:
            return NotMeasured("there are no rows")
        with np.errstate(over="ignore", invalid="ignore"):
            value = metric(labels, predictions, weights)
        if isinstance(value, NotMeasured) or np.isfinite(value):
            return value
        return NotMeasured("the rows' numbers are too large for it, or not finite")

    return read


def _of_lists(measure: str, k: int) -> Metric:
    """A metric of a ranking, not measured where no list has a relevant row."""

    def read(labels: Array, predictions: Array, weights: Array | None = None) -> Reading:
        value = ranking_metrics.measure(measure, k, labels, predictions, weights)
        return NotMeasured(ranking_metrics.NOTHING_RELEVANT) if value is None else value

    return read


class _Metrics(dict[str, Metric]):
    """Ours, and whatever an installed package brings; ConfigError for a name that nobody does."""

    def __missing__(self, name: str) -> Metric:
        own = own_metric(name)
        return _wherever_defined(
            lambda labels, said, weights: float(np.average(own.rows(labels, point(said)), weights=weights))
        )


class _RowLosses(dict[str, Callable[[Array, Array], Array]]):
    """The same; a score of which more is better is a loss with its sign turned."""

    def __missing__(self, name: str) -> Callable[[Array, Array], Array]:
        own = own_metric(name)
        sign = -1.0 if own.higher_is_better else 1.0
        return lambda labels, said: sign * own.rows(labels, point(said))


METRICS: Final = _Metrics(
    (name, _wherever_defined(metric))
    for name, metric in {
        "log_loss": log_loss,
        "roc_auc": roc_auc,
        "brier": brier,
        "rmse": rmse,
        "mae": mae,
        "pinball": pinball,
        "interval_score": interval_score,
        "accuracy": accuracy,
        "macro_f1": macro_f1,
        "macro_roc_auc": macro_roc_auc,
        **{name: _of_lists(*part) for name, part in OF_LISTS.items()},
    }.items()
)
#: The loss of a row, for the metrics that are means over rows (``rmse``: the root of one).
ROW_LOSSES: Final = _RowLosses(
    {
        "log_loss": row_log_loss,
        "brier": row_squared_error,
        "rmse": row_squared_error,
        "mae": row_absolute_error,
        "pinball": row_pinball,
        "interval_score": row_interval_score,
        "accuracy": row_error,
    }
)
HIGHER: Final = frozenset({"roc_auc", "accuracy", "macro_f1", "macro_roc_auc", *OF_LISTS})


def more_is_better(metric: str) -> bool:
    """Whether it is a score; else it is a loss. Raises ConfigError for a metric that there is not."""
    return metric in HIGHER or (metric not in METRICS and own_metric(metric).higher_is_better)


def influence(metric: str, labels: Array, predictions: Array) -> Array | NotMeasured:
    """(n,) how far each row moves the metric from what the others say, to the first order; the mean is 0.

    The metric on rows drawn again is about its value plus the mean of their influences. For a mean that is
    the row's loss less the mean loss; the square root is linearised, and so is the area under the curve: how
    many rows of the other class this one is ranked rightly against (E. DeLong, D. DeLong and D.
    Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves", Biometrics 44, 1988).
    """
    if metric == "roc_auc":
        return _auc_influence(labels, predictions)
    if metric == "macro_f1":
        return f1_influence(labels, predictions)
    if metric == "macro_roc_auc":
        return _macro_auc_influence(labels, predictions)
    if metric in OF_LISTS:
        moved = ranking_metrics.influence(*OF_LISTS[metric], labels, predictions)
        return NotMeasured(ranking_metrics.NOTHING_RELEVANT) if moved is None else moved
    losses = ROW_LOSSES[metric](labels, predictions)
    mean = losses.mean()
    found: Array = mean - losses if more_is_better(metric) else losses - mean
    if metric == "rmse" and mean > 0:
        found = found / (2 * np.sqrt(mean))
    return found


def _auc_influence(labels: Array, predictions: Array) -> Array | NotMeasured:
    positive = labels > 0.5
    up, down = np.sort(predictions[positive]), np.sort(predictions[~positive])
    if not len(up) or not len(down):
        return ONE_CLASS
    right = np.empty(len(labels))
    right[positive] = _below(down, predictions[positive]) / len(down)
    right[~positive] = 1 - _below(up, predictions[~positive]) / len(up)
    area = right[positive].mean()
    share = np.where(positive, len(up), len(down)) / len(labels)
    found: Array = (right - area) / share
    return found


def _macro_auc_influence(labels: Array, predictions: Array) -> Array | NotMeasured:
    classes, total = present(labels), np.zeros(len(labels))
    for each in classes:
        found = _auc_influence((labels == each).astype(np.float64), predictions[:, each])
        if isinstance(found, NotMeasured):
            return found
        total += found / len(classes)
    return total


def _below(ranked: Array, values: Array) -> Array:
    """How many of ``ranked``, sorted, are below each value, ties half."""
    found: Array = (np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")) / 2
    return found


@overload
def gain(metric: str, old: float, new: float) -> float: ...
@overload
def gain(metric: str, old: Reading, new: Reading) -> Reading: ...
def gain(metric: str, old: Reading, new: Reading) -> Reading:
    """How much better ``new`` is, in the metric's unit; positive is better."""
    for reading in (old, new):
        if isinstance(reading, NotMeasured):
            return reading
    return float(new - old if more_is_better(metric) else old - new)  # type: ignore[operator]


def check_metric(metric: str, task: str, quantiles: Sequence[float] = ()) -> None:
    """Raise ConfigError where the metric does not measure the task; ``quantiles`` are the label's levels."""
    task_of(task).check_metric(metric, quantiles)


def readings(
    task: str, labels: Array, predictions: Array, weights: Array | None = None
) -> dict[str, Reading]:
    """Every metric of the task on these rows."""
    return task_of(task).readings(labels, predictions, weights)


def measure(task: str, labels: Array, predictions: Array, weights: Array | None = None) -> dict[str, float]:
    """The metrics of the task that are defined on these rows."""
    return measured(readings(task, labels, predictions, weights))


def measured(found: dict[str, Reading]) -> dict[str, float]:
    """Those that were measured."""
    return {name: value for name, value in found.items() if not isinstance(value, NotMeasured)}


def shown(value: Reading) -> str:
    """A reading for people: four digits, or that there is none."""
    return "not measured" if isinstance(value, NotMeasured) else f"{value:.4f}"


def check_rows(labels: Array, predictions: Array) -> None:
    """Raise InputError where rows are missing, or a label or a prediction is not a finite number."""
    if len(labels) == 0:
        raise InputError("there are no rows to measure on")
    if labels.shape != predictions.shape[:1]:
        raise InputError(f"{len(predictions)} predictions for {len(labels)} labels")
    for name, values in (("label", labels), ("prediction", predictions)):
        shown = values[:, :, 0] if are(values) else values
        bad = int(np.count_nonzero(~np.isfinite(shown)))
        if bad:
            raise InputError(f"{bad} of {shown.size} {name}s are not finite numbers")
    if predictions.ndim == 2 and labels.max() >= predictions.shape[1]:
        raise InputError(
            f"a label is class number {labels.max():g}, the predictions have {predictions.shape[1]} classes"
        )


def calibration(labels: Array, predictions: Array, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean prediction, mean label and rows of each of ``bins`` equally filled groups, by prediction."""
    groups = np.array_split(np.argsort(predictions, kind="stable"), bins)
    return [(float(predictions[g].mean()), float(labels[g].mean()), len(g)) for g in groups if len(g)]


class Payoff(Protocol):
    """What one prediction is worth; :class:`mlcycle.project.Value` is one."""

    @property
    def true_positive(self) -> float: ...  # noqa: D102
    @property
    def false_positive(self) -> float: ...  # noqa: D102
    @property
    def true_negative(self) -> float: ...  # noqa: D102
    @property
    def false_negative(self) -> float: ...  # noqa: D102
    @property
    def threshold(self) -> float: ...  # noqa: D102
    @property
    def per_unit_error(self) -> float: ...  # noqa: D102
    @property
    def right_class(self) -> float: ...  # noqa: D102
    @property
    def wrong_class(self) -> float: ...  # noqa: D102


def business_value(
    payoff: Payoff, task: str, labels: Array, predictions: Array, weights: Array | None = None
) -> float:
    """What acting on these predictions is worth in all, in the payoff's currency, as the task has it."""
    return task_of(task).value(payoff, labels, predictions, weights)
