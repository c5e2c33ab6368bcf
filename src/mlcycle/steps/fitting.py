"""One fit of a candidate: its checkpoints, its run in MLflow, and what is done with the model then.

What ``train``, ``refit`` and ``fit_shadow`` share. A retry goes on from the checkpoint that the dead attempt
left on this machine, else from the seed; the MLflow run of an attempt that died is marked KILLED.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.checkpoints import folder_of
from mlcycle.adapters.energy import Energy, Meter
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.tasks import task_of
from mlcycle.project import Candidate
from mlcycle.steps.calibrating import calibrated, foretold
from mlcycle.steps.conformalising import conformal
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.cross_validated import cross_validated, over_folds
from mlcycle.steps.fit_gang import tell_the_others
from mlcycle.steps.fit_job import job_of, work_id
from mlcycle.steps.fit_run import FitRun
from mlcycle.steps.warm_start import begun

if TYPE_CHECKING:
    from mlcycle.domain.evaluation.calibrator import Calibrator
    from mlcycle.domain.evaluation.conformal import Shifts
    from mlcycle.domain.examples import Examples
    from mlcycle.models.base import Card, Job, Model, Params, Report

    Finish = Callable[[dict[str, Any], Model], Outcome]


def fitted(
    context: StepContext,
    name: str,
    data: tuple[DatasetManifest, str],
    examples: "tuple[Examples, Examples]",
    finish: "Finish",
    as_long_as: "Card | None" = None,
    curve: "Calibrator | Shifts | None" = None,
) -> Outcome:
    """Fit a candidate and log it; ``finish`` publishes what came of it.

    Args:
        context: of the attempt.
        name: of the candidate.
        data: the snapshot's manifest and where it is.
        examples: rows to learn from, and rows to watch the learning on.
        finish: takes what identifies the model, and the model; returns the outcome it has published.
        as_long_as: of an earlier fit, whose number of rounds is taken where it tells one. Without it the fit
            is also cross-validated, where the project says how.
        curve: of the earlier fit, which the model's probabilities go through as well, or its quantiles'
            shifts. Without ``as_long_as`` it is fitted where the candidate asks for it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of shared cores sleep, not spin
    from mlcycle.models import check_processes, parse_params
    from mlcycle.models.registry import check_task

    project, candidate = context.project, context.project.candidates[name]
    params = parse_params(candidate.family, candidate.params)
    check_processes(candidate.family, candidate.resources.processes)
    check_task(candidate.family, project.label.task, project.label.quantiles)
    folder = folder_of(context.settings, work_id(context))
    run = FitRun.begin(context, name, candidate, data[0])
    try:
        job = job_of(context, candidate, examples, run, folder)
        if as_long_as is not None:
            job = replace(job, rounds=as_long_as.rounds or None, member_rounds=as_long_as.member_rounds)
        job, begins = begun(context, candidate, job, params, examples, as_long_as)
        _tell(run, name, params, job, data, begins)
        tell_the_others(candidate, params, data[0], examples, job.rounds)
        sample = _tell_sample(run, examples[0])
        values, model = _fit(run, candidate, job, params, examples, as_long_as is None, curve)
        outcome = finish(
            {"candidate": name, **values, **sample, **({"start": begins} if begins else {})}, model
        )
        shutil.rmtree(folder, ignore_errors=True)
        run.finish()
    except BaseException as error:
        run.abandon(error)
        raise
    return outcome


def _tell(
    run: FitRun, name: str, params: "Params", job: "Job", data: tuple[DatasetManifest, str], begins: str
) -> None:
    """What is fitted, to people and to MLflow."""
    (manifest, uri), project, rows = data, run.context.project, job.train.count
    family = project.candidates[name].family
    run.tracking.log(run.run_id, params={"family": family, **params.model_dump(), "device": job.device})
    run.tracking.log_dataset(run.run_id, project.name, manifest.digest, uri, rows, "training")
    if project.training.class_weight:
        run.context.progress("classes are weighted: probabilities are of the weighted shares, not calibrated")
    run.context.progress(f"{name}: {family} on {rows} rows, {job.threads} threads")
    if begins:
        run.context.progress(f"{name}: {begins}")
        run.tracking.log(run.run_id, tags={"mlcycle.start": begins})


def _tell_sample(run: FitRun, learnt: "Examples") -> dict[str, Any]:
    """Which of the rows are learnt from, to people and to MLflow; nothing where all are."""
    drawn, label = getattr(learnt, "drawn", None), run.context.project.label
    if drawn is None:
        return {}
    classes = label.classes or (["0", "1"] if task_of(label.task).classifies else [])
    told = drawn.told(classes)
    run.context.progress(told["text"])
    run.tracking.log_file(run.run_id, "sample.json", json.dumps(told, indent=1).encode())
    return {"sample": told}


def _fit(
    run: FitRun,
    candidate: Candidate,
    job: "Job",
    params: "Params",
    examples: "tuple[Examples, Examples]",
    first: bool,
    curve: "Calibrator | Shifts | None",
) -> "tuple[dict[str, Any], Model]":
    """The model, with its curve where it has one, and what identifies it; ``first`` where no earlier fit is
    repeated.
    """
    from mlcycle.domain.evaluation.conformal import Shifts
    from mlcycle.models import prepared
    from mlcycle.models.calibrated import Calibrated
    from mlcycle.models.conformal import Conformal

    context, (train, validation), began = run.context, examples, time.perf_counter()
    with Meter() as meter:
        own = model = prepared.fit(job, params, candidate.family)
    if left_out := [name for name in job.text if name not in own.card.text]:
        context.progress(f"{candidate.family} leaves texts out: {', '.join(left_out)}")
    seconds, told = time.perf_counter() - began, dict[str, Any]()
    energy = _log_energy(run, meter.energy, candidate.resources.nodes)
    of_folds = None
    if first and job.start is None and context.project.split.cross_validation is not None:
        context.progress(f"{candidate.family}: cross-validation")
        of_folds = over_folds(job, own, params), train.whole()
    asked = candidate.calibrate if first else None
    if isinstance(curve, Shifts):
        if own.card.quantiles == curve.levels:  # else the project asks for others since
            model = Conformal(own, curve)
    elif curve is not None:
        model = Calibrated(own, curve)
    elif asked == "conformal":
        model, told = conformal(context, run.tracking, run.run_id, own, validation.whole())
    elif asked:
        known = None if of_folds is None else foretold(*of_folds)
        model, told = calibrated(context, run, own, validation.whole(), asked, known)
    values = {**run.keep(model, job, validation.whole(), seconds, candidate.export), **told, **energy}
    if of_folds is not None:
        found = cross_validated(context, run.tracking, run.run_id, *of_folds)
        values |= {"cross_validation": found.document}
        values["metrics"] |= found.metrics
    return values, model


def _log_energy(run: FitRun, found: Energy, nodes: int) -> dict[str, Any]:
    """What the fit drew, to MLflow and to who evaluates it; or why that is not known."""
    if found.joules is not None and nodes > 1:
        found = Energy(None, f"this node's counter knows nothing of the other {nodes - 1}")
    if found.joules is None:
        run.tracking.log(run.run_id, tags={"mlcycle.energy": f"not readable here: {found.why}"})
    else:
        run.tracking.log(run.run_id, metrics=[("fit_joules", found.joules, 0)])
    return {"energy": {"joules": found.joules, "why": found.why}}


def fit_alone(
    context: StepContext,
    candidate: Candidate,
    examples: "tuple[Examples, Examples]",
    report: "Report",
    work: str,
    then: "Callable[[Job, Params, Model], None] | None" = None,
) -> "Model":
    """Fit a candidate and log nothing: of many fits that are only measured, as a search's are.

    Args:
        context: of the attempt.
        candidate: what to fit.
        examples: rows to learn from, and rows to watch the learning on.
        report: told of each round; it may say stop.
        work: names the folder of checkpoints: a fit of the same name goes on from there.
        then: what else is done with the fit before its checkpoints go.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from mlcycle.models import parse_params, prepared

    params = parse_params(candidate.family, candidate.params)
    folder = folder_of(context.settings, work)
    job = job_of(context, candidate, examples, report, folder)
    model = prepared.fit(job, params, candidate.family)
    if then is not None:
        then(job, params, model)
    shutil.rmtree(folder, ignore_errors=True)
    return model
