"""Watch a window that ends with the last partition asked for: inputs, predictions, performance, value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.monitoring import registry
from mlcycle.adapters.monitoring.watch import watch
from mlcycle.adapters.monitoring.window import Window
from mlcycle.adapters.tracking import model_cache
from mlcycle.contract import Output
from mlcycle.domain import findings
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.why_worse import walk
from mlcycle.errors import InputError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import monitoring
from mlcycle.ledger.models import ModelFiles, ModelVersion
from mlcycle.steps.context import Outcome, StepContext

if TYPE_CHECKING:
    from mlcycle.models.base import Model

#: A link's name -> the monitor that drew it.
PAGES = {
    "drift": "report",
    "why": "why",
    "earnings": "earnings",
    "recommendations": "recommendations",
}
ASKED = "why"  # the parameter by which a person asks for the page of reasons alone
TOLD = ("performance", "value")  # whose words the step repeats


def run(context: StepContext) -> Outcome:
    """Measure, store, and hand over alerts and the wish for a retrain."""
    project, last = context.project, context.partitions[-1]
    first = last.shift(1 - -(-project.monitors.window // project.unit.length))
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
        moment = monitoring.moment(cursor, project.name, last.key)

    loaded: dict[str, Model] = {}

    def load(one: champions.Champion | ModelVersion | ModelFiles) -> "Model":
        from mlcycle import models

        told = (one.model_uri, one.manifest, one.manifest_digest)
        if one.manifest_digest not in loaded:  # several monitors ask for the champion
            loaded[one.manifest_digest] = models.load(
                model_cache.fetch(context.settings, context.artifacts, *told)
            )
        return loaded[one.manifest_digest]

    window = Window(
        *(
            context.settings,
            project,
            context.warehouse,
            context.artifacts,
            first,
            last,
            moment,
            champion,
            load,
        ),
        asked=bool(context.param(ASKED)),
    )
    watchers = registry.watching(project)
    left_out = watch(window, watchers)
    found = window.found
    if window.asked:
        return _answered(context, found, left_out)
    pages = {
        name: item.details
        for name, monitor in PAGES.items()
        for item in found
        if item.monitor == monitor and "link" in item.details
    }
    link = pages["drift"]["link"] if "drift" in pages else ""
    titles = {watcher.name: watcher.monitor.title for watcher in watchers}
    picture = pages["drift"].get("picture", "") if "drift" in pages else ""
    alerts = findings.alerts(project.name, last.key, found, link, titles, picture)
    why = next((item for item in found if item.monitor == "why" and "link" in item.details), None)
    outcome = Outcome(
        message=_message(window, left_out),
        outputs={
            "report" if name == "drift" else name: Output.model_validate(details["output"])
            for name, details in pages.items()
        },
        values={
            "alerts": _quoted(alerts, why) if why else alerts,
            "ok": findings.settled(found),
            "held": findings.held(found),
            "retrain": findings.retrain(found, {watcher.name for watcher in watchers if watcher.retrain}),
        },
        metrics=_metrics(found),
        links={name: details["link"] for name, details in pages.items()},
    )
    with context.publication() as publication:
        monitoring.replace(publication.cursor, project.name, last, found)
        monitoring.note_moment(publication.cursor, project.name, last.key, moment)
        publication.outcome = outcome
    return outcome


def _answered(context: StepContext, found: Sequence[Measurement], left_out: Sequence[str]) -> Outcome:
    """The page of reasons, and nothing else: no measurement is stored, nobody is told.

    Raises InputError where there is none.
    """
    why = next((item for item in found if item.monitor == "why"), None)
    if why is None or "link" not in why.details:
        reasons = [why.message] if why else [each for each in left_out if "why" in each.partition(" (")[0]]
        raise InputError(f"the page of reasons could not be made: {'; '.join(reasons) or 'no champion yet'}")
    with context.publication() as publication:
        publication.outcome = Outcome(
            message=why.message,
            outputs={"why": Output.model_validate(why.details["output"])},
            values={"hypotheses": why.details["hypotheses"]},
            links={"why": why.details["link"]},
        )
    return publication.outcome


def _quoted(alerts: list[dict[str, Any]], why: Measurement) -> list[dict[str, Any]]:
    return walk.quoted(alerts, why.message, why.details["link"], why.details["picture"])


def _metrics(found: Sequence[Measurement]) -> dict[str, float]:
    """Each monitor's value; of the columns the largest."""
    values: dict[str, float] = {}
    for item in found:
        if item.value is not None:
            values[item.monitor] = max(item.value, values.get(item.monitor, item.value))
        if item.monitor == "performance" and "now" in item.details:
            values[item.details["metric"]] = item.details["now"]
            values.update(item.details.get("coverage", {}))
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
