"""Watch a window that ends with the last partition asked for: inputs, predictions, performance, value."""

from typing import Any

from mlcycle.adapters.monitoring.watch import Watch, gaps, volume
from mlcycle.contract import Output
from mlcycle.domain import findings
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import champion as champions
from mlcycle.ledger import monitoring
from mlcycle.steps.context import Outcome, StepContext

KEY = "monitor"


def run(context: StepContext) -> Outcome:
    """Measure, store, and hand over alerts and the wish for a retrain."""
    before = context.published(KEY)
    if before is not None:
        return _outcome(before, replayed=True)
    project, last = context.project, context.partitions[-1]
    first = Partition.containing(last.end - project.monitors.window, project.unit)
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
    watch = Watch(context.settings, project, context.warehouse, context.artifacts, first, last)
    watch.add("volume", lambda: volume(watch))
    watch.add("gaps", lambda: gaps(watch))
    report, link = None, ""
    if champion is None:
        watch.left_out.append("all but volume and gaps (no champion yet)")
    else:
        from mlcycle.adapters.monitoring import watch_predictions
        from mlcycle.adapters.monitoring.watch_inputs import watch_inputs

        report, link = watch_inputs(watch, champion.dataset_digest)
        watch.add("prediction_drift", lambda: watch_predictions.prediction_drift(watch, champion))
        watch.add("performance", lambda: watch_predictions.performance(watch, champion))
        watch.add("estimate", lambda: watch_predictions.estimate(watch, champion))
        watch.add("value", lambda: watch_predictions.value(watch))
    with context.publication(KEY) as publication:
        monitoring.replace(publication.cursor, project.name, last, watch.found)
        publication.outputs.update(
            message=_message(watch),
            alerts=findings.alerts(project.name, last.key, watch.found, link),
            ok=findings.settled(watch.found),
            retrain=findings.retrain(watch.found),
            metrics=_metrics(watch),
            link=link,
            report=report.model_dump() if report else None,
        )
    return _outcome(publication.outputs)


def _metrics(watch: Watch) -> dict[str, float]:
    """Each monitor's value; of the columns the largest."""
    values: dict[str, float] = {}
    for item in watch.found:
        if item.value is not None:
            values[item.monitor] = max(item.value, values.get(item.monitor, item.value))
        if item.monitor == "performance" and "now" in item.details:
            values[item.details["metric"]] = item.details["now"]
    return values


def _message(watch: Watch) -> str:
    counts = dict.fromkeys(("page", "warn", "error", "ok"), 0)
    for item in watch.found:
        counts[item.status] += 1
    parts = [f"{count} {level}" for level, count in counts.items() if count]
    parts += [item.message for item in watch.found if item.monitor in ("performance", "value")]
    if watch.left_out:
        parts.append(f"not measured yet: {', '.join(watch.left_out)}")
    return f"{watch.first.key} to {watch.last.key}: {'; '.join(parts)}"


def _outcome(published: dict[str, Any], *, replayed: bool = False) -> Outcome:
    report = published["report"]
    return Outcome(
        message=published["message"],
        outputs={"report": Output.model_validate(report)} if report else {},
        values={name: published[name] for name in ("alerts", "ok", "retrain")},
        metrics=published["metrics"],
        links={"drift": published["link"]} if published["link"] else {},
        replayed=replayed,
    )
