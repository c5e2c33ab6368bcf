"""Train one candidate on a dataset snapshot, and log all of it to MLflow.

A retry goes on from the checkpoint that the dead attempt left, where that is kept, else from the seed. The
MLflow run of an attempt that died is marked KILLED; the publication in the ledger says which run
counts, and there is one.
"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.datasets.training_data import examples_of, read_manifest
from mlcycle.domain.metrics import Array, check_metric
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError
from mlcycle.project import Candidate, Project
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.fitting import fitted

if TYPE_CHECKING:
    from mlcycle.models.base import Model


def run(context: StepContext) -> Outcome:
    """Train the candidate that the request names."""
    name, candidate = _candidate(context)
    project = context.project
    check_metric(project.evaluation.metric, project.label.task, project.label.quantiles)
    from mlcycle.models import check_processes, parse_params

    parse_params(candidate.family, candidate.params)  # what is wrong is said before rows are read
    check_processes(candidate.family, candidate.resources.processes)
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    manifest = read_manifest(context.artifacts, output)
    read = partial(examples_of, project, context.artifacts, manifest, folder=context.scratch)
    train, validation = read(["train"], learnt=True), read(["validation"])
    _check_learnable(project, replace(train, columns=["label"]).whole().labels)

    def publish(values: dict[str, Any], _: "Model") -> Outcome:
        outcome = _outcome(context, values)
        with context.publication() as publication:
            publication.outcome = outcome
        return outcome

    return fitted(context, name, (manifest, output.uri), (train, validation), publish)


def _outcome(context: StepContext, values: dict[str, Any]) -> Outcome:
    metrics = {key: float(value) for key, value in values["metrics"].items()}
    metric = context.project.evaluation.metric
    loss = f", {metric} {metrics[metric]:.4f} on validation" if metric in metrics else ""
    if (mean := metrics.get(f"cv_{metric}_mean")) is not None:
        loss += f", {mean:.4f} over folds (sd {metrics.get(f'cv_{metric}_sd', 0.0):.4f})"
    start = f"; {values['start']}" if "start" in values else ""
    sample = f"; {values['sample']['text']}" if "sample" in values else ""
    return Outcome(
        message=f"{values['candidate']} trained in {metrics['fit_seconds']:.1f} s{loss}{start}{sample}",
        values={
            **{key: value for key, value in values.items() if key not in ("metrics", "link")},
            "fit_seconds": metrics["fit_seconds"],
        },
        metrics=metrics,
        links={"mlflow": values["link"]},
    )


def _candidate(context: StepContext) -> tuple[str, Candidate]:
    name = context.param("candidate")
    candidates = context.project.candidates
    if name not in candidates:
        raise InputError(f"no candidate {name!r}: there are {', '.join(candidates)}")
    return str(name), candidates[str(name)]


def _check_learnable(project: Project, labels: Array) -> None:
    seen = {int(each) for each in np.unique(labels)} if project.label.classes else set[int]()
    if absent := [name for at, name in enumerate(project.label.classes) if at not in seen]:
        raise InputError(
            f"no row of the train split is of class {absent[0]!r}: choose a longer history, or take it "
            "out of label.classes"
        )
    if len(np.unique(labels)) < 2:
        what = task_of(project.label.task).constant_words
        raise InputError(
            f"the train split holds {what} only ({labels[0]:g} in all {len(labels)} rows): "
            "there is nothing to learn; choose a longer history"
        )
