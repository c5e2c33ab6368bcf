"""One fit of a candidate: its MLflow run, its checkpoints, its losses told to people, the model logged.

What ``train`` and ``refit`` share. A retry goes on from the checkpoint that the dead attempt left on this
machine, else from the seed; the MLflow run of an attempt that died is marked KILLED.
"""

import hashlib
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlcycle.adapters.checkpoints import folder_of
from mlcycle.adapters.datasets.training_data import SplitExamples, columns_of
from mlcycle.adapters.pages import plots
from mlcycle.adapters.tracking.model_files import manifest_digest, manifest_of
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import code_version
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.metrics import measure
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError, MlcycleError, Superseded
from mlcycle.project import Candidate
from mlcycle.project.export import Export
from mlcycle.steps.calibrating import calibrated
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.cross_validated import cross_validated, plan_of
from mlcycle.steps.warm_start import begun
from mlcycle.steps.weighed import weighed

if TYPE_CHECKING:
    from mlcycle.domain.evaluation.calibrator import Calibrator
    from mlcycle.domain.examples import Examples, Rows
    from mlcycle.models.base import Card, Job, Model, Params, Report

FLUSH_SECONDS = 1.0
LOOK_SECONDS = 10.0  # between two looks whether a newer attempt has taken over


if TYPE_CHECKING:
    Finish = Callable[[dict[str, Any], Model], Outcome]


def fitted(
    context: StepContext,
    name: str,
    data: tuple[DatasetManifest, str],
    examples: "tuple[Examples, Examples]",
    finish: "Finish",
    as_long_as: "Card | None" = None,
    curve: "Calibrator | None" = None,
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
        curve: of the earlier fit, which the model's probabilities go through as well. Without ``as_long_as``
            it is fitted where the candidate asks for it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of shared cores sleep, not spin
    project, candidate = context.project, context.project.candidates[name]
    from mlcycle.models import check_processes, family, parse_params
    from mlcycle.models.calibrated import Calibrated
    from mlcycle.models.registry import check_task

    params = parse_params(candidate.family, candidate.params)
    check_processes(candidate.family, candidate.resources.processes)
    check_task(candidate.family, project.label.task)
    (manifest, uri), (train, validation) = data, examples
    tracking = Tracking(context.settings, project.name)
    tracking.check_signing()
    for stale in tracking.supersede(_work_id(context), context.token):
        context.progress(f"run {stale} of a dead attempt is marked KILLED")
    run_id = tracking.start_run(name, _tags(context, name, candidate, manifest))
    log = _CurveLog(context, tracking, run_id)
    folder = folder_of(context.settings, _work_id(context))
    job = _job(context, candidate, examples, log, folder)
    if as_long_as is not None:
        job = replace(job, rounds=as_long_as.rounds or None, member_rounds=as_long_as.member_rounds)
    try:
        job, begins = begun(context, candidate, job, params, examples, as_long_as)
        tracking.log(run_id, params={"family": candidate.family, **params.model_dump(), "device": job.device})
        tracking.log_dataset(run_id, project.name, manifest.digest, uri, train.count, "training")
        if project.training.class_weight:
            context.progress("classes are weighted: probabilities are of the weighted shares, not calibrated")
        context.progress(f"{name}: {candidate.family} on {train.count} rows, {job.threads} threads")
        if begins:
            context.progress(f"{name}: {begins}")
            tracking.log(run_id, tags={"mlcycle.start": begins})
        _tell_the_others(candidate, params, manifest, examples, job.rounds)
        clock = time.perf_counter()
        model = family(candidate.family).fit(job, params, candidate.family)
        seconds = time.perf_counter() - clock
        own, calibration = model, dict[str, Any]()
        if curve is not None:
            model = Calibrated(own, curve)
        elif as_long_as is None and candidate.calibrate:
            model, calibration = calibrated(context, log, own, validation.whole(), candidate.calibrate)
        logged = _log_fit(context, log, model, validation.whole(), seconds, candidate.export)
        values = {"candidate": name, **logged, **calibration}
        if begins:
            values["start"] = begins
        if job.start is None and as_long_as is None and project.split.cross_validation is not None:
            found = cross_validated(context, tracking, run_id, job, own, params, train.whole())
            values |= {"cross_validation": found.document}
            values["metrics"] |= found.metrics
        outcome = finish(values, model)
        shutil.rmtree(folder, ignore_errors=True)
        tracking.end_run(run_id, "FINISHED", {"mlcycle.published": str(context.token)})
    except BaseException as error:
        _abandon(context, tracking, run_id, "KILLED" if isinstance(error, Superseded) else "FAILED")
        raise
    return outcome


def _tell_the_others(
    candidate: Candidate,
    params: "Params",
    manifest: DatasetManifest,
    examples: "tuple[Examples, Examples]",
    rounds: int | None,
) -> None:
    """Where torchrun has started several processes, let those that follow do the same fit."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    from mlcycle.models.torch.gang import announce

    splits = [list(part.splits) for part in examples if isinstance(part, SplitExamples)]
    if len(splits) < len(examples):
        raise ConfigError("only whole splits of a snapshot are learnt by several processes: ask for one GPU")
    announce(
        {
            "candidate": candidate.model_copy(update={"params": params.model_dump()}).model_dump(mode="json"),
            "manifest": manifest.model_dump(mode="json"),
            "splits": splits,
            "rounds": rounds,
        }
    )


def follow(context: StepContext) -> None:
    """Take part in the fits that the first process announces, until it has no more. Nothing is written."""
    from mlcycle.models import family, parse_params
    from mlcycle.models.torch.gang import heard

    while (said := heard()) is not None:
        candidate = Candidate.model_validate(said["candidate"])
        manifest = DatasetManifest.model_validate(said["manifest"])
        columns, task = columns_of(context.project), context.project.label.task
        train, validation = (
            SplitExamples(context.artifacts, manifest, tuple(splits), columns, task, context.scratch)
            for splits in said["splits"]
        )
        folder = folder_of(context.settings, _work_id(context))
        job = _job(context, candidate, (train, validation), lambda *_: None, folder)
        params = parse_params(candidate.family, candidate.params)
        family(candidate.family).fit(replace(job, rounds=said["rounds"]), params, candidate.family)


def _log_fit(
    context: StepContext, log: "_CurveLog", model: "Model", validation: "Rows", seconds: float, export: Export
) -> dict[str, Any]:
    """Log how the fit went and the model itself; returns what identifies it."""
    from mlcycle.models import save

    project, tracking, run_id = context.project, log.tracking, log.run_id
    log.flush()
    predictions = model.predict(validation.frame)
    metrics = measure(project.label.task, validation.labels, predictions, validation.weights)
    measured = [(f"validation_{key}", value, 0) for key, value in metrics.items()]
    tracking.log(run_id, metrics=[*measured, ("fit_seconds", seconds, 0)])
    unit = task_of(project.label.task).loss_words
    tracking.log_file(run_id, "plots/learning_curve.png", plots.learning_curve(log.curve, unit))
    page = plots.fit_quality(project.label.task, validation.labels, predictions, "Validation")
    tracking.log_file(run_id, "plots/validation.png", page)
    folder = context.scratch / "model"
    save(model, folder)
    _export(context, log, model, validation, export, folder)
    logged = tracking.log_model(
        run_id,
        folder,
        inputs={name: _kind(validation.frame[name]) for name in project.inputs.all},
        requirements=_requirements(model),
        back=context.scratch / "logged",
    )
    files = manifest_of(logged.folder)
    return {
        "run_id": run_id,
        "model_uri": logged.model_uri,
        "manifest": files,
        "manifest_digest": manifest_digest(files),
        "metrics": {**metrics, "fit_seconds": round(seconds, 3)},
        "link": tracking.run_url(run_id),
    }


def _export(
    context: StepContext, log: "_CurveLog", model: "Model", rows: "Rows", wanted: Export, folder: Path
) -> None:
    """Write the model in the other formats that its candidate asks for, and tell what came of it."""
    if wanted == Export():
        return
    from mlcycle.models.export import made

    def figures(said: Any) -> dict[str, Any]:
        return dict(measure(context.project.label.task, rows.labels, said, rows.weights))

    found = made.write(model, wanted, rows.frame, figures, folder)
    for one in found:
        context.progress(f"export: {one}")
    told = {f"mlcycle.export.{one.name}": one.reason or "made" for one in found}
    measured = [(key, value, 0) for key, value in made.metrics(found)]
    log.tracking.log(log.run_id, metrics=measured, tags=told)


def _job(
    context: StepContext,
    candidate: Candidate,
    examples: "tuple[Examples, Examples]",
    report: "Report",
    folder: Path,
) -> "Job":
    from mlcycle.models.base import Job

    learnt, watched = weighed(context.project, examples)
    return Job(
        task=context.project.label.task,
        categorical=context.project.inputs.categorical,
        numeric=context.project.inputs.numeric,
        train=learnt,
        validation=watched,
        threads=context.settings.threads or len(os.sched_getaffinity(0)),
        report=report,
        device=_device(context, candidate),
        checkpoints=folder,
        folds=plan_of(context.project),
        classes=tuple(context.project.label.classes),
    )


def _device(context: StepContext, candidate: Candidate) -> Literal["cpu", "cuda"]:
    """A GPU where one is asked for and can be seen."""
    if not candidate.resources.gpu:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    context.progress("resources ask for a GPU, but none can be seen here: training on the CPU")
    return "cpu"


def _work_id(context: StepContext) -> str:
    """The work as a word: its own text may hold quotes, which MLflow's search cannot."""
    return hashlib.sha256(context.request.work.encode()).hexdigest()[:32]


def _tags(context: StepContext, name: str, candidate: Candidate, manifest: DatasetManifest) -> dict[str, str]:
    libraries = ("numpy", "pandas", "scikit-learn", "lightgbm", "torch", "onnxruntime", "mlflow")
    origin = context.request.origin
    return {
        "mlcycle.project": context.project.name,
        "mlcycle.candidate": name,
        "mlcycle.family": candidate.family,
        "mlcycle.work": context.request.work,
        "mlcycle.work_id": _work_id(context),
        "mlcycle.token": str(context.token),
        "mlcycle.dataset": manifest.digest,
        "mlcycle.code_version": code_version(),
        "mlcycle.python": platform.python_version(),
        "mlcycle.libraries": ", ".join(f"{name} {found}" for name in libraries if (found := _version(name))),
        **({"mlcycle.dag_run": f"{origin.dag_id} {origin.run_id}"} if origin.dag_id else {}),
    }


def _version(library: str) -> str:
    """Of a library, nothing where it is not installed: only some families need torch."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _requirements(model: "Model") -> list[str]:
    # Without the commit: no index has a package of that local version.
    return [f"mlcycle=={version('mlcycle')}", *(f"{name}=={version(name)}" for name in model.requires)]


def _kind(column: Any) -> str:
    """The type of an input in the model's signature. MLflow converts no integers to doubles."""
    import pandas.api.types as types

    if types.is_bool_dtype(column):
        return "boolean"
    if types.is_numeric_dtype(column):
        return "long" if types.is_integer_dtype(column) else "double"
    return "string"


def _abandon(context: StepContext, tracking: Tracking, run_id: str, status: str) -> None:
    """Close the run of an attempt that failed; MLflow being away must not hide why."""
    try:
        tracking.end_run(run_id, status)
    except MlcycleError as error:
        context.progress(f"run {run_id} could not be closed: {error.message}")


@dataclass
class _CurveLog:
    """How each round went: losses told to people, all of it sent to MLflow, at most once a second."""

    context: StepContext
    tracking: Tracking
    run_id: str
    curve: dict[str, list[float]] = field(default_factory=dict)
    _waiting: list[tuple[str, float, int]] = field(default_factory=list)
    _last: float = 0.0
    _looked: float = field(default_factory=time.monotonic)

    def __call__(self, done: int, of: int, losses: dict[str, float]) -> bool:
        """Tell of a round. True where a newer attempt of this work has begun: this one trains in vain."""
        for name, value in losses.items():
            self._waiting.append((name, value, done))
            if name.endswith("_loss"):
                self.curve.setdefault(name, []).append(value)
        if losses and (done == of or time.monotonic() - self._last > FLUSH_SECONDS):
            told = {name.replace("_", " "): value for name, value in losses.items()}
            text = ", ".join(f"{name} {value:.4f}" for name, value in told.items() if name.endswith(" loss"))
            text += "".join(
                f", {value:,.0f} {name}" for name, value in told.items() if name == "rows per second"
            )
            self.context.progress(f"round {done} of {of}: {text}")
            self.flush()
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return self.context.superseded()

    def flush(self) -> None:
        """Send what is waiting."""
        if self._waiting:
            self.tracking.log(self.run_id, metrics=self._waiting)
        self._waiting, self._last = [], time.monotonic()


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
    from mlcycle.models import family, parse_params

    params = parse_params(candidate.family, candidate.params)
    folder = folder_of(context.settings, work)
    job = _job(context, candidate, examples, report, folder)
    model = family(candidate.family).fit(job, params, candidate.family)
    if then is not None:
        then(job, params, model)
    shutil.rmtree(folder, ignore_errors=True)
    return model
