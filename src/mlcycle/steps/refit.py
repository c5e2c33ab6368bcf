"""Train what passed the gate again, on every row up to its date: that is what is served.

A judged model has not seen the newest rows, they judged it. The recipe is fixed before: family, parameters
and, from the judged fit, how many rounds; nothing is chosen on the rows that are added. The refit must say
about what the judged model said (``domain.refit``), else the judged model is served as it is.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.datasets.training_data import (
    columns_of,
    examples_of,
    labels_of,
    read_split,
)
from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.tracking.model_files import copy_path
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.domain.dataset import DatasetManifest, Split
from mlcycle.domain.metrics import METRICS, NotMeasured, shown
from mlcycle.domain.refit import unlike
from mlcycle.errors import InputError
from mlcycle.ledger import comparisons, datasets, models
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.fitting import fitted

if TYPE_CHECKING:
    from mlcycle.models.base import Model


def run(context: StepContext) -> Outcome:
    """Train the candidate that the request names again, if it is the one that passed."""
    project, name = context.project, str(context.param("candidate"))
    number: Any = context.handover("compare").values.get("comparison_id")
    if not isinstance(number, int):
        raise InputError("step 'compare' handed over no comparison: run it again")
    with context.warehouse.transaction() as cursor:
        comparison = comparisons.get(cursor, project.name, number)
        judged = models.get(cursor, project.name, comparison.challenger)
        manifest = datasets.manifest(cursor, project.name, judged.dataset_digest)
    if comparison.verdict != "promote" or judged.candidate != name:
        return Outcome(message=f"nothing to do for {name}: {_why(comparison.verdict, judged)}")
    if not project.gate.refit:
        return Outcome(message=f"version {judged.version} is served as it was judged (gate.refit)")
    return _again(context, judged, manifest)


def _why(verdict: str, judged: models.ModelVersion) -> str:
    if verdict != "promote":
        return f"the gate refused version {judged.version}"
    return f"version {judged.version} is of {judged.candidate}"


def _again(context: StepContext, judged: models.ModelVersion, manifest: DatasetManifest) -> Outcome:
    from mlcycle.models import load
    from mlcycle.models.calibrated import calibrator_of
    from mlcycle.models.conformal import shifts_of
    from mlcycle.models.quantile_models import said as said_by

    project = context.project
    columns, task = columns_of(project), project.label.task
    every: tuple[Split, ...] = ("train", "validation", "holdout")
    read = partial(examples_of, project, context.artifacts, manifest, folder=context.scratch)
    whole, watched = read(every, learnt=True), read(("holdout",))
    folder = model_cache.fetch(
        context.settings, context.artifacts, judged.model_uri, judged.manifest, judged.manifest_digest
    )
    before = load(folder)

    def publish(values: dict[str, Any], model: "Model") -> Outcome:
        holdout = read_split(context.artifacts, manifest, "holdout", columns, context.scratch)
        labels = labels_of(holdout, "holdout", task)
        metric, levels = project.evaluation.metric, project.label.quantiles
        said = said_by(model, holdout, levels)
        problem = unlike(metric, labels, said_by(before, holdout, levels), said)
        if problem:
            return _as_judged(context, judged, problem)
        seen = METRICS[metric](labels, said, None)
        return _served(context, judged, values, whole.count, None if isinstance(seen, NotMeasured) else seen)

    uri = f"{context.artifacts.uri(f'datasets/{project.name}/{manifest.digest}/manifest.json')}"
    both, data = (whole, watched), (manifest, uri)
    # The judged model's curve: of the rows that could fit another one the refit has learnt all.
    return fitted(
        context,
        judged.candidate,
        data,
        both,
        publish,
        before.card,
        shifts_of(before) or calibrator_of(before),
    )


def _as_judged(context: StepContext, judged: models.ModelVersion, problem: str) -> Outcome:
    """Served as it was judged: what came of the refit is not the same model."""
    outcome = Outcome(
        message=f"version {judged.version} is served as it was judged, its refit is not: {problem}",
        values={"problem": problem},
    )
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome


def _served(
    context: StepContext, judged: models.ModelVersion, values: dict[str, Any], rows: int, seen: float | None
) -> Outcome:
    """Register the refit beside what was judged; promotion crowns it."""
    project = context.project
    folder = context.scratch / "refitted"
    fetch_model(context.settings, values["model_uri"], values["manifest"], folder)
    for path in values["manifest"]:
        context.artifacts.put_file(copy_path(values["manifest_digest"], path), folder / path)
    tracking = Tracking(context.settings, project.name)
    version = tracking.register(
        values["run_id"],
        values["model_uri"],
        {
            "mlcycle.candidate": judged.candidate,
            "mlcycle.manifest": values["manifest_digest"],
            "mlcycle.dataset": judged.dataset_digest,
            "mlcycle.judged": str(judged.version),
        },
    )
    refit = models.ModelVersion(
        version=version,
        candidate=judged.candidate,
        run_id=values["run_id"],
        model_uri=values["model_uri"],
        manifest=values["manifest"],
        manifest_digest=values["manifest_digest"],
        dataset_digest=judged.dataset_digest,
        metrics=judged.metrics,  # of what was judged: the refit has learnt the rows that could tell
        judged=judged.version,
    )
    metric = project.evaluation.metric
    known = "" if seen is None else f" ({metric} {shown(seen)} on rows it has learnt, as a check)"
    outcome = Outcome(
        message=f"judged was version {judged.version}; served will be version {version}, the same recipe "
        f"trained again on all {rows} rows{known}",
        values={"version": version, "judged": judged.version, "rows": rows},
        links={"mlflow": tracking.run_url(values["run_id"])},
    )
    with context.publication() as publication:
        models.register(publication.cursor, project.name, refit)
        publication.outcome = outcome
    return outcome
