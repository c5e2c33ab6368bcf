"""Watch a window that ends with the last partition asked for: inputs, predictions, performance, value."""

from collections.abc import Sequence

from mlcycle.adapters.monitoring import registry
from mlcycle.adapters.monitoring.watch import watch
from mlcycle.adapters.monitoring.window import Window
from mlcycle.contract import Output
from mlcycle.domain import findings
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import champion as champions
from mlcycle.ledger import monitoring
from mlcycle.steps.context import Outcome, StepContext

TOLD = ("performance", "value")  # whose words the step repeats


def run(context: StepContext) -> Outcome:
    """Measure, store, and hand over alerts and the wish for a retrain."""
    project, last = context.project, context.partitions[-1]
    first = Partition.containing(last.end - project.monitors.window, project.unit)
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
        moment = monitoring.moment(cursor, project.name, last.key)
    window = Window(
        *(context.settings, project, context.warehouse, context.artifacts, first, last, moment, champion)
    )
    watchers = registry.watching(project)
    left_out = watch(window, watchers)
    found = window.found
    report = next((item.details for item in found if item.details.get("output")), {})
    link = report.get("link", "")
    titles = {watcher.name: watcher.monitor.title for watcher in watchers}
    outcome = Outcome(
        message=_message(window, left_out),
        outputs={"report": Output.model_validate(report["output"])} if report else {},
        values={
            "alerts": findings.alerts(project.name, last.key, found, link, titles),
            "ok": findings.settled(found),
            "retrain": findings.retrain(found, {watcher.name for watcher in watchers if watcher.retrain}),
        },
        metrics=_metrics(found),
        links={"drift": link} if link else {},
    )
    with context.publication() as publication:
        monitoring.replace(publication.cursor, project.name, last, found)
        monitoring.note_moment(publication.cursor, project.name, last.key, moment)
        publication.outcome = outcome
    return outcome


def _metrics(found: Sequence[Measurement]) -> dict[str, float]:
    """Each monitor's value; of the columns the largest."""
    values: dict[str, float] = {}
    for item in found:
        if item.value is not None:
            values[item.monitor] = max(item.value, values.get(item.monitor, item.value))
        if item.monitor == "performance" and "now" in item.details:
            values[item.details["metric"]] = item.details["now"]
    return values


def _message(window: Window, left_out: Sequence[str]) -> str:
    counts = dict.fromkeys(("page", "warn", "info", "error", "ok"), 0)
    for item in window.found:
        counts[item.status] += 1
    parts = [f"{count} {level}" for level, count in counts.items() if count]
    parts += [item.message for item in window.found if item.monitor in TOLD]
    if left_out:
        parts.append(f"not measured yet: {', '.join(left_out)}")
    return f"{window.first.key} to {window.last.key}: {'; '.join(parts)}"
