"""What the evaluation of one candidate is made of: its rows, who stands beside it, what it cost."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.datasets.training_data import SplitExamples, examples_of
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.evaluation import parts
from mlcycle.domain.evaluation.document import Document
from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import are, point
from mlcycle.domain.spending import Prices, Used, cost
from mlcycle.domain.tasks import task_of
from mlcycle.errors import MlcycleError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import datasets, feature_views
from mlcycle.steps.context import StepContext
from mlcycle.steps.opening import blocks_of, opened
from mlcycle.steps.weighed import weighed

if TYPE_CHECKING:
    from mlcycle.models.base import Model

GIB = 1 << 30
LATELY = timedelta(days=30)  # of what computing a feature view took
MIB = 1 << 20
#: What is told of a candidate that is not the best.
BRIEF = ("figures", "baselines", "cost")


@dataclass
class Candidate:
    """A candidate with its answers, as ``evaluate`` measured it."""

    name: str
    train: dict[str, Any]
    model: "Model"
    folder: Path
    predictions: Array  # on the holdout
    before: Array  # on validation
    seconds: float  # that predicting the holdout took


@dataclass(frozen=True)
class Bench:
    """What all candidates of one training are judged on, and who stands beside them."""

    context: StepContext
    manifest: DatasetManifest
    holdout: Rows
    validation: Rows
    learnt: Array
    others: Mapping[str, tuple[str, Array]]  # by key: name for people, answers on the holdout

    def document(self, candidate: Candidate, *, whole: bool) -> Document:
        """All that the project asks for; of a candidate that is not the best, the figures alone."""
        project = self.context.project
        subject = self._subject(candidate)
        asked = [name for name in project.evaluation.parts if whole or name in BRIEF]
        if whole:
            self.context.progress(f"evaluation of {candidate.name}: {', '.join(asked)}")
        found = parts.run(subject, asked, project.evaluation.budget, time.perf_counter)
        bounds = self.manifest.splits["holdout"]
        return Document.model_validate(
            {
                "project": project.name,
                "candidate": candidate.name,
                "family": candidate.model.card.family,
                "task": project.label.task,
                "run_id": candidate.train["run_id"],
                "dataset_digest": self.manifest.digest,
                "start": bounds.start,
                "end": bounds.end,
                "rows": len(candidate.predictions),
                "blocks": len(set(subject.blocks.tolist())),
                "currency": project.value.currency,
                "k": project.evaluation.k,
                "parts": found,
            }
        )

    def _subject(self, candidate: Candidate) -> Subject:
        from mlcycle.models.calibrated import calibrator_of
        from mlcycle.models.conformal import shifts_of

        project, card = self.context.project, candidate.model.card
        block, curve = project.gate.block, calibrator_of(candidate.model)
        return Subject(
            task=task_of(project.label.task),
            payoff=project.value,
            wishes=project.evaluation,
            categorical=card.categorical,
            numeric=card.numeric,
            text=card.text,
            holdout=self.holdout,
            predictions=point(candidate.predictions),
            said=candidate.predictions if are(candidate.predictions) else None,
            blocks=blocks_of(self.holdout.frame["event_time"], block),
            validation=self.validation,
            before=point(candidate.before),
            learnt=self.learnt,
            predict=candidate.model.predict,
            others={key: (name, point(said)) for key, (name, said) in self._beside(candidate).items()},
            said_by_others={key: said for key, (_, said) in self._beside(candidate).items() if are(said)},
            train=self._train,
            refit=lambda share: self._refit(candidate, share),
            cost=self._cost(candidate),
            earlier_blocks=blocks_of(self.validation.frame["event_time"], block),
            served_curve="conformal" if shifts_of(candidate.model) else curve.method if curve else "",
        )

    def _beside(self, candidate: Candidate) -> dict[str, tuple[str, Array]]:
        """Everybody else: the heuristic does not stand beside itself."""
        own = candidate.name == self.context.project.evaluation.heuristic
        return {key: other for key, other in self.others.items() if not (own and key == "heuristic")}

    def _examples(self, *, learnt: bool = False) -> SplitExamples:
        context = self.context
        return examples_of(
            context.project, context.artifacts, self.manifest, ["train"], context.scratch, learnt=learnt
        )

    def _train(self) -> Iterator[Rows]:
        return self._examples().parts()

    def _refit(self, candidate: Candidate, share: float) -> Array:
        """The candidate's recipe on the newest share of the training's rows, on this step's cores."""
        import os

        from mlcycle.models import parse_params, prepared
        from mlcycle.models.base import Job
        from mlcycle.models.calibrated import calibrator_of
        from mlcycle.models.conformal import Conformal, shifts_of
        from mlcycle.models.quantile_models import said as said_by

        own, settings = self.context.project.candidates[candidate.name], self.context.settings
        self.context.progress(f"learning curve: {candidate.name} on {share:.0%} of the rows")
        newest = parts.newest(self._examples(learnt=True).whole(), share)
        learnt, watched = weighed(self.context.project, (newest, self.validation))
        job = Job(
            task=self.context.project.label.task,
            categorical=self.context.project.inputs.categorical,
            numeric=self.context.project.inputs.numeric,
            train=learnt,
            validation=watched,
            threads=settings.threads or len(os.sched_getaffinity(0)),
            classes=tuple(self.context.project.label.classes),
            quantiles=tuple(self.context.project.label.quantiles),
            text=self.context.project.inputs.text,
            fitted=self.context.project.inputs.wishes,
            report=lambda done, of, losses: self.context.superseded() if done == of else False,
        )
        fitted = prepared.fit(job, parse_params(own.family, own.params), own.family)
        if (shifts := shifts_of(candidate.model)) is not None:
            fitted = Conformal(fitted, shifts)
        said, curve = said_by(fitted, self.holdout.frame, job.quantiles), calibrator_of(candidate.model)
        return said if curve is None else curve(said)

    def _cost(self, candidate: Candidate) -> dict[str, float | Figure]:
        project = self.context.project
        rows = max(len(candidate.predictions), 1)
        found: dict[str, float | Figure] = {
            "predict_seconds": candidate.seconds,
            "predict_microseconds_a_row": candidate.seconds / rows * 1e6,
            "model_mib": sum(f.stat().st_size for f in candidate.folder.rglob("*") if f.is_file()) / MIB,
        }
        with self.context.warehouse.transaction() as cursor:
            for view in feature_views.spent(cursor, project.name, LATELY):
                if view.view in project.features and view.partitions:
                    found[f"view_{view.view}_milliseconds_a_partition"] = view.seconds / view.partitions * 1e3
                    found[f"view_{view.view}_rows_a_partition"] = view.rows / view.partitions
        if "fit_seconds" not in candidate.train:  # trained by a version that did not hand it over
            return found
        seconds, held = float(candidate.train["fit_seconds"]), project.limits("train", candidate.name)
        found["fit_seconds"] = seconds
        if energy := candidate.train.get("energy"):
            joules = energy["joules"]
            why = f"not readable here: {energy['why']}"
            found["fit_joules"] = Figure(None, why=why) if joules is None else float(joules)
        used = Used(seconds * held.nodes, held.cpu, memory_gib=held.memory / GIB, gpus=held.gpu)
        found["gpu_seconds"] = used.seconds * held.gpu
        if listed := project.value.prices:
            prices = Prices(listed.cpu_hour, listed.memory_gib_hour, listed.gpu_hour)
            found["fit_money"] = cost([used], prices)
        return found


def champion_on(
    context: StepContext, manifest: DatasetManifest, holdout: Any
) -> tuple[dict[str, tuple[str, Array]], str]:
    """The champion's name and what it says of the holdout; and why it is not there.

    Its name says where it was trained or chosen on some of these rows: it looks better than it is then.
    """
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, context.project.name)
        if champion is None:
            return {}, "there is no champion yet"
        learnt = datasets.manifest(cursor, context.project.name, champion.dataset_digest)
    until, name = max(bounds.end for bounds in learnt.splits.values()), f"champion version {champion.version}"
    if until > manifest.splits["holdout"].start:
        name += ", which was trained or chosen on some of these rows"
    try:
        return {"champion": (name, opened(context, champion, holdout, manifest).predictions)}, ""
    except MlcycleError as error:  # its files or its columns are gone: the others are told of all the same
        return {}, f"champion version {champion.version} does not stand beside it: {error.message}"
