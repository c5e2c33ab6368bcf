"""A trial: a candidate fitted and measured beside the champion, and nothing registered, logged or served.

Everything is measured on the validation rows of a snapshot, never on the holdout: that is for the gate, and a
holdout that is looked at with each idea soon flatters all of them.
"""

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.training_data import (
    examples_of,
    labels_of,
    measured_columns,
    read_split,
)
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import check_metric, measure
from mlcycle.domain.paired import paired_blocks
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import datasets, models
from mlcycle.project import Candidate
from mlcycle.steps.context import StepContext
from mlcycle.steps.fitting import fit_alone
from mlcycle.steps.opening import blocks_of, opened

if TYPE_CHECKING:
    from mlcycle.models.base import Model

SURE = 0.95
FOLDER = "trials"


@dataclass(frozen=True)
class Against:
    """The champion as it was judged, on the same rows; gains are in the metric's unit, positive is better.

    ``low`` and ``high`` bound the gain with 90 % confidence; None where too few blocks of time can tell.
    """

    version: int
    metric: str
    champion: float
    trial: float
    gain: float
    low: float | None
    high: float | None
    rows: int

    def __str__(self) -> str:
        told = f"{self.metric} {self.trial:.5g}, champion version {self.version} {self.champion:.5g}"
        if self.low is None or self.high is None:
            return f"{told}: too few blocks of time to tell whether that is luck"
        sure = "surely better" if self.low > 0 else "surely worse" if self.high < 0 else "not sure"
        return f"{told}: better by {self.gain:+.5g} ({self.low:+.5g} to {self.high:+.5g}), {sure}"


@dataclass(frozen=True)
class Tried:
    """What came of a trial. ``why_not`` says why there is no comparison, where there is none."""

    candidate: Candidate
    dataset: str
    code: str  # digest of the project's own code, empty without
    metrics: dict[str, float]  # on the validation rows
    seconds: float
    against: Against | None
    why_not: str
    model: "Model"

    def document(self) -> dict[str, Any]:
        """All but the model, as JSON."""
        return {
            "version": "mlcycle.trial/1",
            "candidate": self.candidate.model_dump(mode="json", exclude_defaults=True),
            "dataset": self.dataset,
            "code": self.code,
            "metrics": self.metrics,
            "seconds": self.seconds,
            "against": None if self.against is None else vars(self.against),
            "why_not": self.why_not,
        }


def tried(context: StepContext, candidate: Candidate, manifest: DatasetManifest) -> Tried:
    """Fit on the train rows, measure on the validation rows.

    Args:
        context: of :func:`mlcycle.steps.alone.alone`.
        candidate: what to fit.
        manifest: of the snapshot.

    Raises:
        ConfigError: a family, parameter or metric that there is not, or a training in several processes.
        InputError: a split without rows.
    """
    project = context.project
    check_metric(project.evaluation.metric, project.label.task, project.label.quantiles)
    from mlcycle.models import check_processes, parse_params
    from mlcycle.models.quantile_models import said
    from mlcycle.models.registry import check_task

    parse_params(candidate.family, candidate.params)
    check_task(candidate.family, project.label.task, project.label.quantiles)
    check_processes(candidate.family, 1)
    if candidate.resources.processes > 1:
        raise ConfigError("a trial trains in one process: leave resources out, or say gpu: 1 and no nodes")
    task, read = project.label.task, partial(examples_of, project, context.artifacts, manifest)
    train, validation = read(["train"], context.scratch, learnt=True), read(["validation"], context.scratch)
    began = time.perf_counter()
    model = fit_alone(context, candidate, (train, validation), _Told(context), context.request.work)
    seconds = time.perf_counter() - began
    later = validation.whole()
    metrics = measure(task, later.labels, said(model, later.frame, project.label.quantiles), later.weights)
    against, why_not = _against(context, model, manifest)
    code = project.own_code.digest
    return Tried(candidate, manifest.digest, code, metrics, round(seconds, 3), against, why_not, model)


class _Told:
    """Tells of the rounds, a line a second at most."""

    def __init__(self, context: StepContext) -> None:
        self._context, self._last = context, 0.0

    def __call__(self, done: int, of: int, losses: dict[str, float]) -> bool:
        if losses and (done == of or time.monotonic() - self._last > 1):
            self._last = time.monotonic()
            shown = [f"{name.replace('_', ' ')} {value:.4f}" for name, value in losses.items()]
            self._context.progress(f"round {done} of {of}: {', '.join(shown)}")
        return False


def _against(context: StepContext, model: "Model", manifest: DatasetManifest) -> tuple[Against | None, str]:
    """Beside the champion on validation rows that it has not learnt, or why not."""
    from mlcycle.models.quantile_models import said

    project = context.project
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
        if champion is None:
            return None, "there is no champion yet"
        judged = models.judged(cursor, project.name, champion.version)
        learnt = datasets.manifest(cursor, project.name, judged.dataset_digest)
    names = list(dict.fromkeys([*project.inputs.all, "event_time", *measured_columns(project)]))
    rows = read_split(context.artifacts, manifest, "validation", names, context.scratch)
    if judged.dataset_digest != manifest.digest:
        # On the same snapshot both have seen these rows the same way: to end their fits.
        rows = rows[rows["event_time"] >= learnt.splits["holdout"].end].reset_index(drop=True)
    blocks = blocks_of(rows["event_time"], project.gate.block)
    if not len(rows) or (judged.dataset_digest != manifest.digest and len(np.unique(blocks)) < MIN_BLOCKS):
        return None, f"champion version {champion.version} was trained or chosen on these rows"
    try:
        theirs = opened(context, judged, rows).predictions
        labels = labels_of(rows, "validation", project.label.task)
        ours = said(model, rows, project.label.quantiles)
        paired = paired_blocks(project.evaluation.metric, labels, theirs, ours, blocks)
    except (ConfigError, InputError) as error:
        return None, f"champion version {champion.version} was not compared with: {error.message}"
    low, high = paired.spread.interval(0.9) if paired.spread else (None, None)
    facts = (paired.old, paired.new, paired.gain, low, high, len(labels))
    return Against(champion.version, paired.metric, *facts), ""


def keep(artifacts: ArtifactStore, project: str, name: str, tried: Tried) -> str:
    """Keep what a trial was, under a name; returns where. One of that name is replaced."""
    data = json.dumps(tried.document(), indent=1).encode()
    return artifacts.put(f"{FOLDER}/{project}/{name}.json", data).uri


@dataclass(frozen=True)
class Kept:
    """A trial that was kept: its recipe, and the digest of the project's own code then."""

    candidate: Candidate
    code: str

    @classmethod
    def read(cls, artifacts: ArtifactStore, project: str, name: str) -> Self:
        """Raises InputError where there is no trial of this name."""
        path = f"{FOLDER}/{project}/{name}.json"
        if not artifacts.exists(path):
            raise InputError(f"{project} has no trial {name!r}: keep one in a notebook, or by --keep")
        document = json.loads(artifacts.read(path))
        return cls(Candidate.model_validate(document["candidate"]), document["code"])
