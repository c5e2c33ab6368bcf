"""A fit that goes on from the champion, where a candidate asks for it and the champion fits.

What the champion has learnt must lie before what judges the fit: where the champion was trained again on all
rows for serving, the fit goes on from the model that the gate judged, which has not seen the rows that judged
it. A retry goes on from the same one, whoever was crowned meanwhile.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from mlcycle.adapters.datasets.recent import Recent
from mlcycle.adapters.datasets.training_data import SplitExamples
from mlcycle.adapters.tracking import model_cache
from mlcycle.ledger import champion as champions
from mlcycle.ledger import datasets, models
from mlcycle.project import Candidate
from mlcycle.steps.context import StepContext
from mlcycle.steps.weighed import weighed

if TYPE_CHECKING:
    from mlcycle.domain.examples import Examples
    from mlcycle.models.base import Card, Job, Model, Params


def begun(
    context: StepContext,
    candidate: Candidate,
    job: "Job",
    params: "Params",
    examples: "tuple[Examples, Examples]",
    as_long_as: "Card | None",
) -> "tuple[Job, str]":
    """The job with what it goes on from and the rows of the window, and a line for people.

    ``examples`` are the job's training and validation rows before ``training`` weighed them.

    A fit that repeats another one goes on from what that one did. Without a start the job is as it was, and
    the line says why, where the candidate asks for one.
    """
    if as_long_as is not None:
        if not as_long_as.started_from:
            return job, ""
        with context.warehouse.transaction() as cursor:
            version = models.get(cursor, context.project.name, as_long_as.started_from)
        return _from(context, candidate, job, examples, _model(context, version), version.version), ""
    if candidate.start != "champion":
        return job, ""
    found, why = _champion(context, examples[1])
    if found is None:
        return job, f"stateless: {why}"
    model = _model(context, found[1])
    why = _problem(candidate, job, params, model)
    name = f"champion {found[0].seq}, version {found[1].version}"
    if why:
        return job, f"stateless, not from {name}: {why}"
    started = _from(context, candidate, job, examples, model, found[1].version)
    if (rows := started.train.count) < (least := context.project.split.min_rows):
        return job, f"stateless, not from {name}: the window holds {rows} rows, split.min_rows is {least}"
    return started, f"from {name}, on {rows} rows"


def _champion(
    context: StepContext, validation: "Examples"
) -> tuple[tuple[champions.Champion, models.ModelVersion] | None, str]:
    """The reign when this work began and the version of it that was judged; or why there is none to go on
    from.
    """
    project = context.project
    with context.warehouse.transaction() as cursor:
        reign = champions.when_begun(cursor, project.name, context.request.work)
        if reign is None:
            return None, "there was no champion when this training began"
        version = models.get(cursor, project.name, reign.version)
        if version.judged is not None:
            version = models.get(cursor, project.name, version.judged)
        learnt = datasets.manifest(cursor, project.name, version.dataset_digest).splits["train"].end
    if not isinstance(validation, SplitExamples):
        return None, "the rows are not of a snapshot"
    first = validation.manifest.splits["validation"].start
    if learnt > first:
        return None, (
            f"champion {reign.seq} has learnt rows up to {learnt:%Y-%m-%d %H:%M}, "
            f"validation begins at {first:%Y-%m-%d %H:%M}"
        )
    return (reign, version), ""


def _model(context: StepContext, version: models.ModelVersion) -> "Model":
    from mlcycle.models import load
    from mlcycle.models.calibrated import Calibrated

    found = load(
        model_cache.fetch(
            context.settings,
            context.artifacts,
            version.model_uri,
            version.manifest,
            version.manifest_digest,
        )
    )
    return found.model if isinstance(found, Calibrated) else found


def _problem(candidate: Candidate, job: "Job", params: "Params", model: "Model") -> str:
    from mlcycle.models.prepared import Prepared

    card = model.card
    if job.fitted or isinstance(model, Prepared):
        return "features are fitted on training rows: what it learnt is of other numbers"
    if card.family != candidate.family:
        return f"it is a {card.family}, the candidate a {candidate.family}"
    if card.task != job.task:
        return f"it is of a {card.task}"
    if tuple(card.classes) != job.classes:
        return "its classes are not the labels' any more"
    if (card.categorical, card.numeric, card.text) != (job.categorical, job.numeric, job.text):
        return "its inputs are not the project's any more"
    if candidate.resources.processes > 1:
        return "several processes train together"
    return type(model).start_problem(job, params, model)


def _from(
    context: StepContext,
    candidate: Candidate,
    job: "Job",
    examples: "tuple[Examples, Examples]",
    model: "Model",
    version: int,
) -> "Job":
    job, (train, validation) = replace(job, start=model, started_from=version), examples
    if candidate.window is None or not isinstance(train, SplitExamples):
        return job
    end = train.manifest.splits[train.splits[-1]].end
    learnt, watched = weighed(context.project, (Recent(train, end - candidate.window), validation))
    return replace(job, train=learnt, validation=watched)
