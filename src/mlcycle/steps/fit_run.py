"""The run in MLflow of one fit: told of each round while it lasts, given the model at its end."""

import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlcycle.adapters.pages import plots
from mlcycle.adapters.tracking.model_code import NEEDS as CODE_NEEDS
from mlcycle.adapters.tracking.model_files import manifest_digest, manifest_of
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import code_version
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.metrics import measure
from mlcycle.domain.tasks import task_of
from mlcycle.errors import MlcycleError, Superseded
from mlcycle.project import Candidate
from mlcycle.project.export import Export
from mlcycle.project.signature import signature_types
from mlcycle.steps.context import StepContext
from mlcycle.steps.fit_job import work_id

if TYPE_CHECKING:
    from mlcycle.domain.examples import Rows
    from mlcycle.models.base import Job, Model

FLUSH_SECONDS = 1.0
LOOK_SECONDS = 10.0  # between two looks whether a newer attempt has taken over


@dataclass
class FitRun:
    """How each round went: losses told to people, all of it sent to MLflow, at most once a second."""

    context: StepContext
    tracking: Tracking
    run_id: str
    curve: dict[str, list[float]] = field(default_factory=dict)
    _waiting: list[tuple[str, float, int]] = field(default_factory=list)
    _last: float = 0.0
    _looked: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, context: StepContext, name: str, candidate: Candidate, manifest: DatasetManifest) -> Self:
        """A new run. Those that dead attempts of this work left are marked KILLED.

        Raises ConfigError where models are to be signed and cannot be.
        """
        tracking = Tracking(context.settings, context.project.name)
        tracking.check_signing()
        for stale in tracking.supersede(work_id(context), context.token):
            context.progress(f"run {stale} of a dead attempt is marked KILLED")
        return cls(context, tracking, tracking.start_run(name, _tags(context, name, candidate, manifest)))

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

    def finish(self) -> None:
        """Close it: what came of the fit is published."""
        self.tracking.end_run(self.run_id, "FINISHED", {"mlcycle.published": str(self.context.token)})

    def abandon(self, error: BaseException) -> None:
        """Close the run of an attempt that failed; MLflow being away must not hide why."""
        try:
            self.tracking.end_run(self.run_id, "KILLED" if isinstance(error, Superseded) else "FAILED")
        except MlcycleError as problem:
            self.context.progress(f"run {self.run_id} could not be closed: {problem.message}")

    def keep(
        self, model: "Model", job: "Job", validation: "Rows", seconds: float, export: Export
    ) -> dict[str, Any]:
        """Log how the fit went and the model itself; returns what identifies it."""
        from mlcycle.models import save
        from mlcycle.models.quantile_models import said

        project, tracking, run_id = self.context.project, self.tracking, self.run_id
        self.flush()
        predictions = said(model, validation.frame, model.card.quantiles)
        metrics = measure(project.label.task, validation.labels, predictions, validation.weights)
        measured = [(f"validation_{key}", value, 0) for key, value in metrics.items()]
        tracking.log(run_id, metrics=[*measured, ("fit_seconds", seconds, 0)])
        kind = task_of(project.label.task)
        # A ranking's loss is the family's own: by lists or by rows.
        unit = "pinball loss" if model.card.quantiles else "loss" if kind.lists else kind.loss_words
        tracking.log_file(run_id, "plots/learning_curve.png", plots.learning_curve(self.curve, unit))
        page = plots.fit_quality(project.label.task, validation.labels, predictions, "Validation")
        tracking.log_file(run_id, "plots/validation.png", page)
        folder = self.context.scratch / "model"
        save(model, folder)
        self._export(model, job, validation, export, folder)
        logged = tracking.log_model(
            run_id,
            folder,
            inputs=signature_types(project),
            requirements=_requirements(model),
            back=self.context.scratch / "logged",
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

    def _export(self, model: "Model", job: "Job", rows: "Rows", wanted: Export, folder: Path) -> None:
        """Write the model in the other formats that its candidate asks for, and tell what came of it."""
        if wanted == Export():
            return
        from mlcycle.models.export import made

        def figures(said: Any) -> dict[str, Any]:
            return dict(measure(self.context.project.label.task, rows.labels, said, rows.weights))

        found = made.write(model, wanted, rows.frame, figures, folder, job)
        for one in found:
            self.context.progress(f"export: {one}")
        told = {f"mlcycle.export.{one.name}": one.reason or "made" for one in found}
        measured = [(key, value, 0) for key, value in made.metrics(found)]
        self.tracking.log(self.run_id, metrics=measured, tags=told)


def _tags(context: StepContext, name: str, candidate: Candidate, manifest: DatasetManifest) -> dict[str, str]:
    libraries = ("numpy", "pandas", "scikit-learn", "lightgbm", "torch", "onnxruntime", "mlflow")
    origin = context.request.origin
    return {
        "mlcycle.project": context.project.name,
        "mlcycle.candidate": name,
        "mlcycle.family": candidate.family,
        "mlcycle.work": context.request.work,
        "mlcycle.work_id": work_id(context),
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
    """What an index has of what prediction needs; mlcycle's own part of it is in the model.

    Without builds' local parts (torch's ``+cpu``), which no index has.
    """
    names = dict.fromkeys([*CODE_NEEDS, *model.requires])
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]
