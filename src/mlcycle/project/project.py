"""One use case, whole: what its file says, and that its parts agree."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mlcycle.domain.closest import among
from mlcycle.domain.durations import LONGEST
from mlcycle.domain.partitions import Unit
from mlcycle.domain.sampling import Sampling
from mlcycle.domain.weighing import Weighing
from mlcycle.errors import ConfigError
from mlcycle.project.agreement import mistakes
from mlcycle.project.code import Code
from mlcycle.project.learning import Entity, FeatureView, Inputs, Label, Split
from mlcycle.project.limits import DEFAULTS, FITS, Limits, StepLimits, changed
from mlcycle.project.making import filled
from mlcycle.project.misfit import Misfit, refuse
from mlcycle.project.operation import Alerts, Monitors, Retrain
from mlcycle.project.part import Name, Part
from mlcycle.project.promotion import Approval, Gate
from mlcycle.project.scope import Scope, Value
from mlcycle.project.source import Source, Table
from mlcycle.project.training import Candidate, Evaluation, Training
from mlcycle.project_code import ProjectCode, is_reference


class Project(Part):
    """One use case, whole."""

    version: Literal[1]
    name: Name
    scope: Scope
    value: Value
    source: Source
    entity: Entity
    label: Label
    features: dict[Name, FeatureView] = {}
    inputs: Inputs
    split: Split
    candidates: dict[Name, Candidate] = Field(min_length=1)
    evaluation: Evaluation
    training: Training = Training()
    gate: Gate = Gate()
    approval: Approval = Approval()
    monitors: Monitors
    alerts: Alerts = Alerts()
    retrain: Retrain
    steps: dict[str, StepLimits] = {}
    code: Code = Code()

    @model_validator(mode="before")
    @classmethod
    def _views_are_made(cls, data: Any) -> Any:
        return filled(data)

    @field_validator("steps")
    @classmethod
    def _steps_are_there(cls, steps: dict[str, StepLimits]) -> dict[str, StepLimits]:
        unknown = [name for name in steps if name not in DEFAULTS]
        refuse(Misfit(f"no step {name!r}: {among(name, DEFAULTS)}", name) for name in unknown)
        return steps

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if "__" in name:
            raise ValueError("a project's name holds no double underscore")
        return name

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        refuse(mistakes(self))
        return self

    @property
    def weighing(self) -> Weighing:
        """How rows weigh in a fit, classes by their numbers."""
        given, known = self.training.class_weight, self.label.classes or ["0", "1"]
        if isinstance(given, str):
            return Weighing(given, self.training.weight or "")
        numbers = {known.index(name): weight for name, weight in given.items()}
        return Weighing(numbers, self.training.weight or "")

    @property
    def sampling(self) -> Sampling | None:
        """Which training rows a fit learns from, classes by their numbers; None: all."""
        given, known = self.training.sample, self.label.classes or ["0", "1"]
        if given is None:
            return None
        return Sampling(
            share=given.share or 0.0,
            rows=given.rows or 0,
            classes={known.index(name): share for name, share in given.classes.items()},
            strata=tuple(given.strata),
            weight=given.weight or "",
            correct=given.correct,
            seed=given.seed,
        )

    @property
    def entity_table(self) -> Table:
        """The table whose rows are predicted."""
        return self.source.tables[self.entity.table]

    @property
    def dataset_columns(self) -> list[str]:
        """Columns of a dataset: inputs, then slices, columns of fairness and groups that are no inputs."""
        measured = [*self.label.group, *self.evaluation.slices, *self.evaluation.groups]
        measured += [each for each in (self.training.weight, self.evaluation.human) if each]
        measured += [wish.by for wish in self.inputs.wishes if wish.by]
        if self.training.sample is not None:
            measured += self.training.sample.columns
        beside = [*measured, *self.gate.guardrails.columns, *self.split.groups]
        if self.split.cross_validation and self.split.cross_validation.group:
            beside.append(self.split.cross_validation.group)
        return list(dict.fromkeys([*self.inputs.all, *beside]))

    def variants(self, each: Literal["", "table", "candidate", "search", "own"]) -> list[str]:
        """What a step runs once for: each table, each candidate, each that has a search, each step of the
        project's own, or the one whole.
        """
        if each == "own":
            return list(self.code.steps)
        if each == "table":
            return list(self.source.tables)
        if each == "search":
            return [name for name, candidate in self.candidates.items() if candidate.search]
        return list(self.candidates) if each == "candidate" else [""]

    @property
    def unit(self) -> Unit:
        """How the project's time is cut into partitions."""
        return self.source.unit

    def lookback(self, view: str, table: str) -> timedelta:
        """How far a delivery of a table reaches into later values of a view: versions last until the next."""
        lasts = self.source.tables[table].kind != "events"
        return LONGEST if lasts else self.features[view].lookback

    def label_known(self, end: datetime) -> datetime:
        """When the labels of a partition that ends then are known."""
        return self.unit.later(self.unit.later(end, self.label.ahead), self.label.delay)

    def label_before(self, moment: datetime) -> datetime:
        """The end of the events whose labels are known at a moment; the partition it lies in is not over."""
        return self.unit.later(self.unit.later(moment, -self.label.delay), -self.label.ahead)

    def limits(self, step: str, candidate: str = "") -> Limits:
        """What a step may use: its defaults, then the project's ``steps``, then the candidate's resources."""
        found = changed(DEFAULTS[step], self.steps.get(step, StepLimits()))
        if step in FITS and candidate:
            own = self.candidates[candidate].resources
            found = changed(found, StepLimits(cpu=own.cpu, memory=own.memory))
            found = replace(found, gpu=own.gpu, gpu_kind=own.gpu_kind, nodes=own.nodes, spot=own.spot)
        return found

    def reading(self, categorical: list[str], numeric: list[str], text: Sequence[str] = ()) -> Self:
        """The project with other inputs: those of a model that was trained before they were changed.

        Raises ConfigError for a column that no table or view of the project has any more.
        """
        known = {*self.entity_table.columns, *(c for view in self.features.values() for c in view.columns)}
        if gone := [column for column in [*categorical, *numeric, *text] if column not in known]:
            raise ConfigError(
                f"the model reads {', '.join(gone)}, which project {self.name!r} no longer has: "
                "put the columns back, or promote a model that does without them"
            )
        found = Inputs(categorical=categorical, numeric=numeric, text=list(text))
        return self.model_copy(update={"inputs": found})

    def code_of(self, view: FeatureView) -> str:
        """What a view is made by; of a function all of the project's own files, which it may call."""
        return view.sql if view.python is None else "\n".join(self.code.files.values())

    @property
    def own_code(self) -> ProjectCode:
        """Its own Python, to be imported, and the metrics that it names of it."""
        named = (self.evaluation.metric, *self.evaluation.also)
        return ProjectCode(
            self.code.files, tuple(dict.fromkeys(each for each in named if is_reference(each)))
        )

    @property
    def references(self) -> list[str]:
        """All that its file names of Python."""
        named = [*(candidate.family for candidate in self.candidates.values()), *self.own_code.metrics]
        named += [each.check for table in self.source.tables.values() for each in table.checks]
        named += [step.run for step in self.code.steps.values()]
        named += [view.python for view in self.features.values() if view.python]
        return [name for name in dict.fromkeys(named) if is_reference(name)]

    def document(self) -> dict[str, Any]:
        """The project as JSON for a request; ``Project.model_validate`` reads it back."""
        return self.model_dump(mode="json")
