"""The page on which people see the columns that were compared."""

import hashlib
from collections.abc import Iterable
from typing import Any

from mlcycle.adapters.monitoring import reports, samples
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Measurement
from mlcycle.errors import Unavailable


class Report(Monitor):
    """Tells where the page could not be shown; its details say where it is."""

    title = "the drift report could not be shown"
    order = 40  # after drift, whose verdicts it shows
    failure = "info"  # that a page could not be drawn wakes nobody

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        compared = [item for item in window.found if item.monitor == "drift" and item.value is not None]
        if not compared:
            return "no column was compared"
        project, last = window.project, window.last
        names = [item.subject for item in sorted(compared, key=lambda item: item.value or 0, reverse=True)]
        numeric = {*project.inputs.numeric}
        snapshot = reports.build(
            samples.frame(reference.sample, names, numeric, reports.ROWS),
            samples.frame(window.sample, names, numeric, reports.ROWS),
            numeric=[name for name in names if name in numeric],
            categorical=[name for name in names if name not in numeric],
            effect=compared[0].threshold or 0.0,
            name=f"{project.name} {last.key}",
            moment=last.end,
        )
        html = reports.page(snapshot, f"{project.name}: inputs of {window.first.key} to {last.key}")
        reports.store_shared_script(window.artifacts)
        digest = hashlib.sha256(html).hexdigest()[:12]
        path = f"reports/{project.name}/drift/{last.key}-{digest}.html"
        output = window.artifacts.put(path, html)
        details: dict[str, Any] = {"link": path, "output": output.model_dump(mode="json")}
        if not window.settings.evidently_url:
            return [Measurement("report", "ok", "stored", details=details)]
        try:
            details["link"] = reports.show(window.settings, project.name, snapshot, names)
        except Unavailable as error:
            return [Measurement("report", "info", error.message, details=details)]
        return [Measurement("report", "ok", "stored and shown", details=details)]
