"""Pick the best candidate on the validation rows, and measure every one on the holdout after them.

The holdout is the gate's: the best of several on the rows that judge it would look better than it is (G.
Cawley and N. Talbot, "On over-fitting in model selection", JMLR 11, 2010).
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.datasets.training_data import (
    columns_of,
    label_columns,
    labels_of,
    read_manifest,
    read_split,
    weights_of,
)
from mlcycle.adapters.pages import evaluation_page, plots
from mlcycle.adapters.pages.evaluation import model_card, model_page
from mlcycle.adapters.pages.evaluation_page import Measured
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.contract import Handover, Output
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.evaluation.people import answers
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import (
    METRICS,
    Array,
    NotMeasured,
    business_value,
    check_metric,
    check_rows,
    gain,
    measure,
    shown,
)
from mlcycle.domain.slices import Slice, measure_slices
from mlcycle.domain.tasks import task_of
from mlcycle.domain.value import Constants, constants, worth
from mlcycle.errors import InputError
from mlcycle.ledger import models as ledger
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.evaluating import Bench, Candidate, champion_on

if TYPE_CHECKING:
    import pandas as pd

ZERO_RULE = "zero_rule"
MIN_SLICE_ROWS = 30


def run(context: StepContext) -> Outcome:
    """Evaluate the candidates of one training."""
    project = context.project
    metric, task = project.evaluation.metric, project.label.task
    check_metric(metric, task, project.label.quantiles)
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    manifest = read_manifest(context.artifacts, output)
    beside = [*project.evaluation.slices, *project.evaluation.groups, "entity_key", "event_time"]
    columns = [*columns_of(project), *beside]
    human = [project.evaluation.human] if project.evaluation.human else []
    read = list(dict.fromkeys([*columns, *human]))
    holdout = read_split(context.artifacts, manifest, "holdout", read, context.scratch)
    labels = labels_of(holdout, "holdout", task)
    train = read_split(context.artifacts, manifest, "train", label_columns(project), context.scratch)
    learnt = labels_of(train, "train", task)
    zero = _zero_rule(context, learnt, len(labels), train)
    earlier = read_split(context.artifacts, manifest, "validation", columns, context.scratch)
    known = labels_of(earlier, "validation", task)
    rows = Rows(holdout, labels, weights_of(holdout)), Rows(earlier, known, weights_of(earlier))
    candidates = [_candidate(context, entry, rows) for entry in _trained(context)]
    measured = [
        Measured(
            ZERO_RULE,
            {},
            zero,
            *_measure(context, holdout, labels, zero),
            METRICS[metric](known, _zero_rule(context, learnt, len(known), train), weights_of(earlier)),
        ),
        *(_measured(context, each, rows) for each in candidates),
    ]
    for one in measured:
        if isinstance(found := METRICS[metric](labels, one.predictions, weights_of(holdout)), NotMeasured):
            raise InputError(f"{metric} of {one.name} on this holdout is {found}: choose a longer holdout")
    _value(context, measured, labels, constants(project.value, task, learnt), weights_of(holdout))
    best = max(measured[1:], key=lambda one: _on_validation(metric, one))
    report = context.artifacts.put(
        _report_path(context, best), evaluation_page.render(project, manifest, measured, best, labels)
    )
    bench = Bench(context, manifest, *rows, learnt, _others(context, manifest, holdout, zero, measured))
    kept = _evaluations(context, bench, candidates, best)
    links = _log(context, measured, best)
    outcome = _outcome(metric, measured, best, manifest, report, {**links, **kept.links})
    outcome.outputs["evaluation"] = kept.documents[best.name]
    with context.publication() as publication:
        for one in measured[1:]:
            ledger.record_evaluation(
                publication.cursor,
                project.name,
                run_id=one.train["run_id"],
                candidate=one.name,
                dataset_digest=manifest.digest,
                metrics=_recorded(one),
                document=kept.documents[one.name].model_dump(mode="json"),
                best=one is best,
            )
        publication.outcome = outcome
    return outcome


def _zero_rule(context: StepContext, learnt: Array, rows: int, train: "pd.DataFrame") -> Array:
    label = context.project.label
    return task_of(label.task).without_model(learnt, rows, weights_of(train), label.quantiles)


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
        message=f"best on validation is {best.name} with {metric} {shown(best.validation)}; on the holdout's "
        f"{rows} rows it has {best.all[metric]:.4f} ({others})",
        values={
            "best": best.train,
            "dataset_digest": manifest.digest,
            "metrics": best.all,
            "rows": rows,
        },
        metrics={
            **{f"{one.name}_{key}": value for one in measured for key, value in one.all.items()},
            **{
                f"{one.name}_validation_{metric}": one.validation
                for one in measured
                if not isinstance(one.validation, NotMeasured)
            },
        },
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


def _on_validation(metric: str, one: Measured) -> float:
    """How good it is there; raises InputError where the metric is not defined."""
    if isinstance(one.validation, NotMeasured):
        raise InputError(
            f"{metric} of {one.name} on the validation rows is {one.validation}, and the best is chosen "
            "by it: choose a longer validation"
        )
    return gain(metric, 0.0, one.validation)


def _candidate(context: StepContext, entry: Handover, rows: tuple[Rows, Rows]) -> Candidate:
    """A candidate's answers on holdout and validation."""
    from mlcycle import models
    from mlcycle.models.quantile_models import said

    values: dict[str, Any] = dict(entry.values)
    name, (holdout, earlier) = str(values["candidate"]), rows
    context.progress(f"{name} on {holdout.count} rows")
    folder = context.scratch / f"evaluate-{values['run_id']}"
    fetch_model(context.settings, values["model_uri"], values["manifest"], folder)
    model = models.load(folder)
    began = time.perf_counter()
    levels = context.project.label.quantiles
    predictions = said(model, holdout.frame, levels)
    seconds, before = time.perf_counter() - began, said(model, earlier.frame, levels)
    check_rows(earlier.labels, before)
    return Candidate(name, values, model, folder, predictions, before, seconds)


def _measured(context: StepContext, one: Candidate, rows: tuple[Rows, Rows]) -> Measured:
    holdout, earlier = rows
    chosen_by = METRICS[context.project.evaluation.metric](earlier.labels, one.before, earlier.weights)
    found = _measure(context, holdout.frame, holdout.labels, one.predictions)
    return Measured(one.name, one.train, one.predictions, *found, chosen_by)


def _others(
    context: StepContext,
    manifest: DatasetManifest,
    holdout: "pd.DataFrame",
    zero: Array,
    measured: list[Measured],
) -> dict[str, tuple[str, Array]]:
    """Whom every candidate stands beside: the zero rule, the heuristic, and where there are any people's own
    answers and the champion.
    """
    heuristic = context.project.evaluation.heuristic
    found = {ZERO_RULE: ("the zero rule", zero)}
    for one in measured:
        if one.name == heuristic:
            found["heuristic"] = (f"the heuristic, {one.name}", one.predictions)
    if (column := context.project.evaluation.human) is not None:
        found["human"] = (f"people ({column})", answers(holdout[column], column, context.project.label.task))
    champion, missing = champion_on(context, manifest, holdout)
    if missing:
        context.progress(missing)
    return {**found, **champion}


@dataclass
class Kept:
    """Evaluations as they are kept: each candidate's document, and what people are shown of the best one."""

    documents: dict[str, Output] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def _evaluations(context: StepContext, bench: Bench, candidates: list[Candidate], best: Measured) -> Kept:
    """Every candidate's figures and all that is told of the best one, kept and logged to their runs."""
    kept, tracking = Kept(), Tracking(context.settings, context.project.name)
    for one in candidates:
        document = bench.document(one, whole=one.name == best.name)
        run_id = str(one.train["run_id"])
        # The attempt is in the name: one that was given up must not change what its successor has published.
        path = f"reports/{context.project.name}/evaluation/{run_id}.{context.token}"
        data = document.model_dump_json(indent=1).encode()
        kept.documents[one.name] = context.artifacts.put(f"{path}.json", data)
        tracking.log_file(run_id, "evaluation/evaluation.json", data)
        if one.name != best.name:
            continue
        page = model_page.render(document)
        context.artifacts.put(f"{path}.model.html", page)
        kept.links["model"] = f"{path}.model.html"
        tracking.log_file(run_id, "evaluation/page.html", page)
        card = model_card.render(context.project, document).encode()
        context.artifacts.put(f"{path}.card.md", card)
        tracking.log_file(run_id, "evaluation/model_card.md", card)
    return kept


def _measure(
    context: StepContext, holdout: "pd.DataFrame", labels: Array, predictions: Array
) -> tuple[dict[str, float], list[Slice]]:
    project = context.project
    check_rows(labels, predictions)
    columns = {name: holdout[name].astype(str).tolist() for name in project.evaluation.slices}
    return (
        measure(project.label.task, labels, predictions, weights_of(holdout)),
        measure_slices(project.evaluation.metric, labels, predictions, columns, MIN_SLICE_ROWS),
    )


def _value(
    context: StepContext, measured: list[Measured], labels: Array, known: Constants, weights: Array | None
) -> None:
    """What acting on each is worth, beside acting on none, on all, and on the heuristic."""
    project = context.project
    payoff, task = project.value, project.label.task
    others = {}
    for one in measured:
        if one.name == project.evaluation.heuristic:
            others["heuristic"] = business_value(payoff, task, labels, one.predictions, weights)
    for one in measured:
        one.worth = worth(payoff, task, labels, one.predictions, known, others, weights)


def _recorded(one: Measured) -> dict[str, Any]:
    """What the ledger keeps of a candidate."""
    return {
        **one.all,
        "value_total": one.worth.total,
        "model": {key: one.train[key] for key in ("model_uri", "manifest", "manifest_digest")},
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
