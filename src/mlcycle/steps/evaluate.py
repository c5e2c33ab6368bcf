"""Measure every candidate on the temporal holdout, beside the zero rule and the heuristic; pick the best."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.datasets.training_data import labels_of, read_manifest, read_split
from mlcycle.adapters.pages import evaluation_page, plots
from mlcycle.adapters.pages.evaluation_page import Measured
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.contract import Handover, Output
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.metrics import (
    METRICS,
    Array,
    NotMeasured,
    business_value,
    check_metric,
    check_rows,
    gain,
    measure,
)
from mlcycle.domain.slices import Slice, measure_slices
from mlcycle.domain.value import Constants, constants, worth
from mlcycle.errors import InputError
from mlcycle.ledger import models as ledger
from mlcycle.steps.context import Outcome, StepContext

if TYPE_CHECKING:
    import pandas as pd

ZERO_RULE = "zero_rule"
MIN_SLICE_ROWS = 30


def run(context: StepContext) -> Outcome:
    """Evaluate the candidates of one training."""
    project = context.project
    metric, task = project.evaluation.metric, project.label.task
    check_metric(metric, task)
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    manifest = read_manifest(context.artifacts, output)
    columns = [*project.inputs.all, *project.evaluation.slices, "label"]
    holdout = read_split(context.artifacts, manifest, "holdout", columns, context.scratch)
    labels = labels_of(holdout, "holdout", task)
    train = read_split(context.artifacts, manifest, "train", ["label"], context.scratch)
    learnt = labels_of(train, "train", task)
    zero = np.full(len(labels), learnt.mean())
    measured = [
        Measured(ZERO_RULE, {}, zero, *_measure(context, holdout, labels, zero)),
        *(_candidate(context, entry, holdout, labels) for entry in _trained(context)),
    ]
    for one in measured:
        if isinstance(found := METRICS[metric](labels, one.predictions, None), NotMeasured):
            raise InputError(f"{metric} of {one.name} on this holdout is {found}: choose a longer holdout")
    _value(context, measured, labels, constants(project.value, task, learnt))
    best = max(measured[1:], key=lambda one: gain(metric, 0.0, one.metrics[metric]))
    report = context.artifacts.put(
        _report_path(context, best), evaluation_page.render(project, manifest, measured, best, labels)
    )
    links = _log(context, measured, best)
    outcome = _outcome(metric, measured, best, manifest, report, links)
    with context.publication() as publication:
        for one in measured[1:]:
            ledger.record_evaluation(
                publication.cursor,
                project.name,
                run_id=one.train["run_id"],
                candidate=one.name,
                dataset_digest=manifest.digest,
                metrics=_recorded(one),
                best=one is best,
            )
        publication.outcome = outcome
    return outcome


def _outcome(
    metric: str,
    measured: list[Measured],
    best: Measured,
    manifest: DatasetManifest,
    report: Output,
    links: dict[str, str],
) -> Outcome:
    others = ", ".join(f"{one.name} {one.all[metric]:.4f}" for one in measured if one is not best)
    rows = len(best.predictions)
    return Outcome(
        message=f"best is {best.name} with {metric} {best.all[metric]:.4f} on {rows} rows ({others})",
        values={
            "best": best.train,
            "dataset_digest": manifest.digest,
            "metrics": best.all,
            "rows": rows,
        },
        metrics={f"{one.name}_{key}": value for one in measured for key, value in one.all.items()},
        outputs={"report": report},
        links=links,
    )


def _trained(context: StepContext) -> list[Handover]:
    entries = context.request.inputs.get("train", [])
    if not entries:
        raise InputError("step 'evaluate' expects the results of 'train', got none")
    trained = {str(entry.values.get("candidate")) for entry in entries}
    if missing := [name for name in context.project.candidates if name not in trained]:
        raise InputError(
            f"candidate {missing[0]!r} of the project was not trained in this run: the project file changed "
            "after the run began, so start train again"
        )
    return entries


def _candidate(context: StepContext, entry: Handover, holdout: "pd.DataFrame", labels: Array) -> Measured:
    from mlcycle import models

    values: dict[str, Any] = dict(entry.values)
    name = str(values["candidate"])
    context.progress(f"{name} on {len(labels)} rows")
    folder = context.scratch / f"evaluate-{values['run_id']}"
    fetch_model(context.settings, values["model_uri"], values["manifest"], folder)
    predictions = models.load(folder).predict(holdout)
    return Measured(name, values, predictions, *_measure(context, holdout, labels, predictions))


def _measure(
    context: StepContext, holdout: "pd.DataFrame", labels: Array, predictions: Array
) -> tuple[dict[str, float], list[Slice]]:
    project = context.project
    check_rows(labels, predictions)
    columns = {name: holdout[name].astype(str).tolist() for name in project.evaluation.slices}
    return (
        measure(project.label.task, labels, predictions),
        measure_slices(project.evaluation.metric, labels, predictions, columns, MIN_SLICE_ROWS),
    )


def _value(context: StepContext, measured: list[Measured], labels: Array, known: Constants) -> None:
    """What acting on each is worth, beside acting on none, on all, and on the heuristic."""
    project = context.project
    payoff, task = project.value, project.label.task
    others = {}
    for one in measured:
        if one.name == project.evaluation.heuristic:
            others["heuristic"] = business_value(payoff, task, labels, one.predictions)
    for one in measured:
        one.worth = worth(payoff, task, labels, one.predictions, known, others)


def _recorded(one: Measured) -> dict[str, Any]:
    """What the ledger keeps of a candidate."""
    return {
        **one.all,
        "value_total": one.worth.total,
        "slices": [_slice(part) for part in one.slices],
    }


def _slice(part: Slice) -> dict[str, Any]:
    if isinstance(part.metric, NotMeasured):
        return {"name": part.name, "rows": part.rows, "not_measured": part.metric.reason}
    return {"name": part.name, "rows": part.rows, "metric": part.metric}


def _log(context: StepContext, measured: list[Measured], best: Measured) -> dict[str, str]:
    """Holdout metrics to each candidate's run, and the comparison to the best one's."""
    tracking = Tracking(context.settings, context.project.name)
    metric = context.project.evaluation.metric
    bars = plots.bars({one.name: one.metrics[metric] for one in measured}, "Holdout", metric, best.name)
    for one in measured[1:]:
        tracking.log(
            one.train["run_id"],
            metrics=[(f"holdout_{key}", value, 0) for key, value in one.all.items()],
            tags={"mlcycle.best": str(one is best).lower()},
        )
        tracking.log_file(one.train["run_id"], "plots/holdout_comparison.png", bars)
    return {
        "mlflow": tracking.run_url(best.train["run_id"]),
        "evaluation": _report_path(context, best),
    }


def _report_path(context: StepContext, best: Measured) -> str:
    return f"reports/{context.project.name}/evaluation/{best.train['run_id']}.html"
