"""The page on which people see the columns that were compared."""

import hashlib
from collections.abc import Iterable
from typing import Any

from mlcycle.adapters.monitoring import drift_page, reports, samples
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.adapters.pages import plots
from mlcycle.domain.monitors import Measurement
from mlcycle.errors import Unavailable
from mlcycle.project import Project

SMALL = 12  # columns of the picture that alerts show, the worst ones
DRAWN = 40  # columns that Evidently draws, the worst: each costs 0.04 s and 14 kB; nobody scrolls through 200


class Report(Monitor):
    """Tells where the page could not be shown; its details say where it is."""

    title = "the drift report could not be shown"
    order = 40  # after drift, whose verdicts it shows
    failure = "info"  # that a page could not be drawn wakes nobody

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if window.too_few:
            return window.too_few
        project, last = window.project, window.last
        numeric, names = {*project.inputs.numeric}, _shown(window, reference)
        judged = {
            item.subject: (item.value, item.threshold)
            for item in window.found
            if item.monitor == "drift" and item.value is not None and item.threshold is not None
        }
        names.sort(key=lambda name: -judged[name][0] / judged[name][1] if name in judged else 0.0)
        if not names:
            return "no column has values on both sides"
        there, names = len(names), names[:DRAWN]
        snapshot = reports.build(
            samples.frame(reference.sample, names, numeric, reports.ROWS),
            samples.frame(window.sample, names, numeric, reports.ROWS),
            numeric=[name for name in names if name in numeric],
            categorical=[name for name in names if name not in numeric],
            judged=judged,
            name=f"{project.name} {last.key}",
            moment=last.end,
        )
        title = f"{project.name}: inputs of {window.first.key} to {last.key}"
        html = reports.page(
            snapshot,
            title,
            drift_page.above(
                title, window.found, _against(window, reference) + _left_out(there) + _unread(project)
            ),
        )
        reports.store_shared_script(window.artifacts)
        digest = hashlib.sha256(html).hexdigest()[:12]
        path = f"reports/{project.name}/drift/{last.key}-{digest}.html"
        output = window.artifacts.put(path, html)
        details: dict[str, Any] = {"link": path, "output": output.model_dump(mode="json")}
        told = any(item.status != "ok" for item in window.found)
        if told and (measured := drift_page.columns(window.found)):  # an alert shows it
            details["picture"] = f"{path}.png"
            window.artifacts.put(details["picture"], plots.effects(measured, SMALL))
        if not window.settings.evidently_url:
            return [Measurement("report", "ok", "stored", details=details)]
        try:
            details["link"] = reports.show(window.settings, project.name, snapshot, names)
        except Unavailable as error:
            return [Measurement("report", "info", error.message, details=details)]
        return [Measurement("report", "ok", "stored and shown", details=details)]


def _shown(window: Window, reference: Reference) -> list[str]:
    """Inputs that have values on both sides: Evidently raises on others."""
    sides = (reference.sample, window.sample)
    texts = window.project.inputs.text
    absent = [samples.missing(side, reference.columns) for side in sides]
    return [
        name for name in reference.columns if name not in texts and max(side[name] for side in absent) < 1
    ]


def _left_out(columns: int) -> str:
    return f" Of {columns} columns the {DRAWN} nearest to their limits are drawn." if columns > DRAWN else ""


def _unread(project: Project) -> str:
    """What the page says of texts."""
    texts = ", ".join(project.inputs.text)
    return f" Texts are not compared, only how many are missing: {texts}." if texts else ""


def _against(window: Window, reference: Reference) -> str:
    """What the verdicts compare with, or why there are none."""
    if why := reference.silent:
        return f"Not judged: {why}."
    found, kind = reference.nulls, window.project.monitors.reference
    with_what = {
        "trailing": "the four windows before it",
        "training": "all the champion was trained on",
        "season": "the same weeks of the year before",
        "calendar": "the same weeks of other years",
    }[kind]
    return (
        f"Each column is compared with {with_what}, and judged by how far the champion's own training "
        f"windows were from theirs: {len(found.starts)} windows, worth {found.independent:.0f} side by side. "
        "The pictures below compare with a sample of all training rows."
    )
