"""Train one candidate on a dataset snapshot, and log all of it to MLflow.

A retry goes on from the checkpoint that the dead attempt left on this machine, else from the seed. The
MLflow run of an attempt that died is marked KILLED; the publication in the ledger says which run
counts, and there is one.
"""

import hashlib
import os
import platform
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlcycle.adapters.datasets.training_data import SplitExamples, read_manifest
from mlcycle.adapters.pages import plots
from mlcycle.adapters.tracking.model_files import manifest_digest, manifest_of
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import code_version
from mlcycle.domain.dataset import DatasetManifest, Split
from mlcycle.domain.metrics import Array, check_metric, measure
from mlcycle.errors import InputError, MlcycleError, Superseded
from mlcycle.project import Candidate, Project
from mlcycle.settings import CHECKPOINTS, scratch_base
from mlcycle.steps.context import Outcome, StepContext

if TYPE_CHECKING:
    from mlcycle.domain.examples import Rows
    from mlcycle.models.base import Job, Model

FLUSH_SECONDS = 1.0
LOOK_SECONDS = 10.0  # between two looks whether a newer attempt has taken over
FORGOTTEN = 7 * 86_400.0  # seconds after which a checkpoint is nobody's


def run(context: StepContext) -> Outcome:
    """Train the candidate that the request names."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of shared cores sleep, not spin
    name, candidate = _candidate(context)
    project = context.project
    check_metric(project.evaluation.metric, project.label.task)
    from mlcycle.models import family, parse_params

    params = parse_params(candidate.family, candidate.params)
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    manifest = read_manifest(context.artifacts, output)
    train, validation = _examples(context, manifest, "train"), _examples(context, manifest, "validation")
    _check_learnable(project, replace(train, columns=["label"]).whole().labels)

    tracking = Tracking(context.settings, project.name)
    for stale in tracking.supersede(_work_id(context), context.token):
        context.progress(f"run {stale} of a dead attempt is marked KILLED")
    run_id = tracking.start_run(name, _tags(context, name, candidate, manifest))
    log = _CurveLog(context, tracking, run_id)
    folder = _checkpoints(context)
    job = _job(context, candidate, (train, validation), log, folder)
    try:
        tracking.log(run_id, params={"family": candidate.family, **params.model_dump(), "device": job.device})
        tracking.log_dataset(run_id, project.name, manifest.digest, output.uri, train.count, "training")
        context.progress(f"{name}: {candidate.family} on {train.count} rows, {job.threads} threads")
        clock = time.perf_counter()
        model = family(candidate.family).fit(job, params, candidate.family)
        seconds = time.perf_counter() - clock
        values = {"candidate": name, **_log_fit(context, log, model, validation.whole(), seconds)}
        outcome = _outcome(context, values)
        with context.publication() as publication:
            publication.outcome = outcome
        shutil.rmtree(folder, ignore_errors=True)
        tracking.end_run(run_id, "FINISHED", {"mlcycle.published": str(context.token)})
    except BaseException as error:
        _abandon(context, tracking, run_id, "KILLED" if isinstance(error, Superseded) else "FAILED")
        raise
    return outcome


def _log_fit(
    context: StepContext, log: "_CurveLog", model: "Model", validation: "Rows", seconds: float
) -> dict[str, Any]:
    """Log how the fit went and the model itself; returns what identifies it."""
    from mlcycle.models import save

    project, tracking, run_id = context.project, log.tracking, log.run_id
    log.flush()
    predictions = model.predict(validation.frame)
    metrics = measure(project.label.task, validation.labels, predictions)
    measured = [(f"validation_{key}", value, 0) for key, value in metrics.items()]
    tracking.log(run_id, metrics=[*measured, ("fit_seconds", seconds, 0)])
    unit = "log loss" if project.label.task == "classification" else "squared error"
    tracking.log_file(run_id, "plots/learning_curve.png", plots.learning_curve(log.curve, unit))
    page = plots.fit_quality(project.label.task, validation.labels, predictions, "Validation")
    tracking.log_file(run_id, "plots/validation.png", page)
    folder = context.scratch / "model"
    save(model, folder)
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


def _outcome(context: StepContext, values: dict[str, Any]) -> Outcome:
    metrics = {key: float(value) for key, value in values["metrics"].items()}
    metric = context.project.evaluation.metric
    loss = f", {metric} {metrics[metric]:.4f} on validation" if metric in metrics else ""
    return Outcome(
        message=f"{values['candidate']} trained in {metrics['fit_seconds']:.1f} s{loss}",
        values={key: value for key, value in values.items() if key not in ("metrics", "link")},
        metrics=metrics,
        links={"mlflow": values["link"]},
    )


def _candidate(context: StepContext) -> tuple[str, Candidate]:
    name = context.param("candidate")
    candidates = context.project.candidates
    if name not in candidates:
        raise InputError(f"no candidate {name!r}: there are {', '.join(candidates)}")
    return str(name), candidates[str(name)]


def _examples(context: StepContext, manifest: DatasetManifest, split: Split) -> SplitExamples:
    columns, task = [*context.project.inputs.all, "label"], context.project.label.task
    return SplitExamples(context.artifacts, manifest, split, columns, task, context.scratch)


def _checkpoints(context: StepContext) -> Path:
    """The folder that all attempts of this work share, below the scratch folder of the settings: where
    that outlives an attempt, its checkpoint does. Those a week old are removed.
    """
    base = scratch_base(context.settings.scratch) or Path(tempfile.gettempdir())
    base = base / f"{CHECKPOINTS}{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    for old in base.iterdir():
        with suppress(FileNotFoundError):  # another training has just ended and removed its own
            if time.time() - old.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(old, ignore_errors=True)
    folder = base / _work_id(context)
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    return folder


def _check_learnable(project: Project, labels: Array) -> None:
    if len(np.unique(labels)) < 2:
        what = "one class" if project.label.task == "classification" else "one value"
        raise InputError(
            f"the train split holds {what} only ({labels[0]:g} in all {len(labels)} rows): "
            "there is nothing to learn; choose a longer history"
        )


def _job(
    context: StepContext,
    candidate: Candidate,
    examples: tuple[SplitExamples, SplitExamples],
    log: "_CurveLog",
    folder: Path,
) -> "Job":
    from mlcycle.models.base import Job

    return Job(
        task=context.project.label.task,
        categorical=context.project.inputs.categorical,
        numeric=context.project.inputs.numeric,
        train=examples[0],
        validation=examples[1],
        threads=context.settings.threads or len(os.sched_getaffinity(0)),
        report=log,
        device=_device(context, candidate),
        checkpoints=folder,
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
    libraries = ("numpy", "pandas", "scikit-learn", "torch", "onnxruntime", "mlflow")
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
        "mlcycle.libraries": ", ".join(f"{library} {version(library)}" for library in libraries),
        **({"mlcycle.dag_run": f"{origin.dag_id} {origin.run_id}"} if origin.dag_id else {}),
    }


def _requirements(model: "Model") -> list[str]:
    # Without the commit: no index has a package of that local version.
    return [f"mlcycle=={version('mlcycle')}", *(f"{name}=={version(name)}" for name in model.libraries)]


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
    """Losses of each round: told to people and sent to MLflow, at most once a second."""

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
            self.curve.setdefault(name, []).append(value)
            self._waiting.append((name, value, done))
        if done == of or time.monotonic() - self._last > FLUSH_SECONDS:
            text = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in losses.items())
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
