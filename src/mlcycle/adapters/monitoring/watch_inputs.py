"""A window's inputs against what the champion was trained on: missing values, drift, and a page."""

import hashlib
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.monitoring import reports, samples
from mlcycle.adapters.monitoring.watch import Watch
from mlcycle.contract import Output
from mlcycle.domain import monitors
from mlcycle.domain.drift import MIN_VALUES
from mlcycle.domain.monitors import Measurement
from mlcycle.errors import Unavailable
from mlcycle.ledger import monitoring

if TYPE_CHECKING:
    import pyarrow as pa

MIN_PARTITION_ROWS = 200  # a partition with fewer is watched with its window for missing values


def watch_inputs(watch: Watch, dataset_digest: str) -> tuple[Output | None, str]:
    """Missing values and drift of the inputs, and the report people look at."""
    seen: dict[str, Any] = {}

    def measure() -> list[Measurement] | str:
        project = watch.project
        columns, rule = project.inputs.all, project.monitors
        current = samples.window(watch.warehouse, project, watch.first.start, watch.last.end, rule.sample)
        if current.num_rows < MIN_VALUES:
            return f"inputs ({current.num_rows} rows in the window)"
        reference = samples.training(
            watch.warehouse, watch.artifacts, project.name, dataset_digest, columns, rule.sample
        )
        columns = [column for column in columns if column in reference.column_names]
        seen.update(reference=reference, current=current)
        newest = samples.of_partition(current, watch.last.key)
        newest = newest if newest.num_rows >= MIN_PARTITION_ROWS else current
        found = monitors.missing(
            samples.usual_missing(reference, columns), samples.missing(newest, columns), rule.missing_increase
        )
        with watch.warehouse.transaction() as cursor:
            earlier = watch.first.shift(-2 * rule.drift_persistence).to(watch.last.shift(-1))
            history = monitoring.drifted_before(cursor, project.name, (item.key for item in earlier))
        numeric = set(project.inputs.numeric)
        found += monitors.drift(
            {name: samples.column(reference, name, name in numeric) for name in columns},
            {name: samples.column(current, name, name in numeric) for name in columns},
            history,
            effect=rule.drift_effect,
            rate=rule.drift_fdr,
            persistence=rule.drift_persistence,
        )
        return found

    watch.add("drift", measure)
    if not seen:
        return None, ""
    output: Output | None = None
    link = ""

    def report() -> list[Measurement]:
        nonlocal output, link
        if all(item.value is None for item in watch.found if item.monitor == "drift"):
            return [monitors.failed("report", "no column could be compared")]
        output, link, problem = _report(watch, seen["reference"], seen["current"])
        if problem:
            return [Measurement("report", "warn", problem)]
        return [Measurement("report", "ok", "stored and shown" if link.startswith("http") else "stored")]

    watch.add("report", report)
    return output, link


def _report(watch: Watch, reference: "pa.Table", current: "pa.Table") -> tuple[Output, str, str]:
    """Store the page and show it in the UI: the page, the best link, and why it is not in the UI."""
    project, last = watch.project, watch.last
    compared = [item for item in watch.found if item.monitor == "drift" and item.value is not None]
    names = [item.subject for item in sorted(compared, key=lambda item: item.value or 0, reverse=True)]
    numeric = {*project.inputs.numeric}
    title = f"{project.name}: inputs of {watch.first.key} to {last.key}"
    snapshot = reports.build(
        samples.frame(reference, names, numeric, reports.ROWS),
        samples.frame(current, names, numeric, reports.ROWS),
        numeric=[name for name in names if name in numeric],
        categorical=[name for name in names if name not in numeric],
        effect=project.monitors.drift_effect,
        name=f"{project.name} {last.key}",
        moment=last.end,
    )
    html = reports.page(snapshot, title)
    reports.store_shared_script(watch.artifacts)
    digest = hashlib.sha256(html).hexdigest()[:12]
    path = f"reports/{project.name}/drift/{last.key}-{digest}.html"
    output = watch.artifacts.put(path, html)
    if not watch.settings.evidently_url:
        return output, path, ""
    try:
        return output, reports.show(watch.settings, project.name, snapshot, names), ""
    except Unavailable as error:
        return output, path, error.message
