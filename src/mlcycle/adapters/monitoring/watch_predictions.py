"""A window's predictions: drift, performance where labels are known, an estimate where not, value."""

from typing import TYPE_CHECKING

from mlcycle.adapters.monitoring.watch import Watch
from mlcycle.adapters.warehouse.predictions import first_in_force, scored
from mlcycle.domain import monitors
from mlcycle.domain.drift import MIN_VALUES
from mlcycle.domain.metrics import METRICS, NotMeasured
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.domain.performance import expected
from mlcycle.domain.value import earned

if TYPE_CHECKING:
    from mlcycle.ledger.champion import Champion


def prediction_drift(watch: Watch, champion: "Champion") -> list[Measurement] | str:
    """The window's predictions against the first window the same version predicted."""
    project, version = watch.project, champion.version
    with watch.warehouse.transaction() as cursor:
        start = first_in_force(cursor, project.name, version, project.unit)
    if start is None:
        return "prediction_drift (no prediction of the champion)"
    span = int(project.monitors.window / project.unit.length) - 1
    if start.shift(span) >= watch.first:
        return "prediction_drift (the champion is too young)"
    with watch.warehouse.transaction() as cursor:
        before, now = (
            scored(cursor, project.name, first, last, as_of=watch.last.end, version=version).predictions
            for first, last in ((start, start.shift(span)), (watch.first, watch.last))
        )
    if min(len(before), len(now)) < MIN_VALUES:
        return f"prediction_drift ({len(now)} predictions)"
    return [monitors.prediction_drift(before, now)]


def labelled_window(watch: Watch) -> tuple[Partition, Partition]:
    """The last window whose labels can be known by the end of the last partition."""
    label, unit = watch.project.label, watch.project.unit
    back = -(-(label.delay + label.ahead) // unit.length)
    return watch.first.shift(-back), watch.last.shift(-back)


def performance(watch: Watch, champion: "Champion") -> list[Measurement] | str:
    """The project's metric over the last window with labels, against the champion's holdout."""
    project = watch.project
    metric, rule = project.evaluation.metric, project.monitors
    first, last = labelled_window(watch)
    with watch.warehouse.transaction() as cursor:
        rows = scored(cursor, project.name, first, last, as_of=watch.last.end, version=champion.version)
    known = int(rows.known.sum())
    if known < rule.performance_min_rows:
        return f"performance ({known} of {rule.performance_min_rows} labelled predictions)"
    now = METRICS[metric](rows.labels[rows.known], rows.predictions[rows.known], None)
    if isinstance(now, NotMeasured):
        return f"performance ({metric} of {known} rows: {now.reason})"
    if metric not in champion.metrics:
        return f"performance ({metric} was not measured on the champion's holdout)"
    return [monitors.performance(metric, now, champion.metrics[metric], rule.performance_increase, known)]


def estimate(watch: Watch, champion: "Champion") -> list[Measurement] | str:
    """The metric to be expected of the window's predictions, labelled or not."""
    project = watch.project
    metric, rule = project.evaluation.metric, project.monitors
    with watch.warehouse.transaction() as cursor:
        rows = scored(
            cursor, project.name, watch.first, watch.last, as_of=watch.last.end, version=champion.version
        )
    if len(rows) < MIN_VALUES:
        return f"estimate ({len(rows)} predictions)"
    now = expected(metric, rows.predictions)
    if isinstance(now, NotMeasured):
        return f"estimate ({now.reason})"
    if metric not in champion.metrics:
        return f"estimate ({metric} was not measured on the champion's holdout)"
    found = monitors.performance(
        metric, now, champion.metrics[metric], rule.performance_increase, len(rows), estimated=True
    )
    found.details["expected_positives"] = float(rows.predictions.sum())
    return [found]


def value(watch: Watch) -> list[Measurement] | str:
    """What the predictions of the last window with labels earned, whichever champion made them."""
    project = watch.project
    first, last = labelled_window(watch)
    with watch.warehouse.transaction() as cursor:
        rows = scored(cursor, project.name, first, last, as_of=watch.last.end)
    known = rows.known
    if not known.any():
        return "value (no labelled prediction)"
    result = earned(project.value, project.label.task, rows.labels[known], rows.predictions[known])
    message = (
        f"{result.total:,.0f} {project.value.currency} from {result.rows} predictions, "
        f"{result.gain:+,.0f} against the best constant answer"
    )
    details = {"rows": result.rows, "without": result.without, "gain": result.gain, **result.outcomes}
    return [Measurement("value", "ok", message, value=result.total, details=details)]
