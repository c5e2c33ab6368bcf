"""One use case, whole: what its file says, and that its parts agree."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mlcycle.domain.durations import format_duration
from mlcycle.domain.partitions import Unit
from mlcycle.domain.sql_columns import names_column
from mlcycle.domain.tasks import task_of
from mlcycle.domain.weighing import Weighing
from mlcycle.errors import ConfigError
from mlcycle.project.code import Code
from mlcycle.project.database import check_named
from mlcycle.project.learning import Entity, FeatureView, Inputs, Label, Split
from mlcycle.project.limits import DEFAULTS, FITS, Limits, StepLimits, changed
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

    @field_validator("steps")
    @classmethod
    def _steps_are_there(cls, steps: dict[str, StepLimits]) -> dict[str, StepLimits]:
        if unknown := sorted(set(steps) - set(DEFAULTS)):
            raise ValueError(f"no step {unknown[0]!r}: there are {', '.join(DEFAULTS)}")
        return steps

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if "__" in name:
            raise ValueError("a project's name holds no double underscore")
        return name

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        tables = self.source.tables
        if self.entity.table not in tables:
            raise ValueError(f"entity.table names {self.entity.table!r}, which is not a source table")
        entity = tables[self.entity.table]
        if self.label.table not in tables:
            raise ValueError(f"label.table names {self.label.table!r}, which is not a source table")
        if self.label.column not in tables[self.label.table].columns:
            raise ValueError(f"label.column {self.label.column!r} is not in table {self.label.table!r}")
        self.label.check_type(tables[self.label.table].columns[self.label.column])
        check_named(self.source, self.label.table if self.label.source == "people" else None)
        if self.label.source == "people":
            self._check_people(tables[self.label.table])
        owners: dict[str, str] = dict.fromkeys(entity.columns, f"table {self.entity.table!r}")
        for view_name, view in self.features.items():
            for table in view.reads:
                if table not in tables:
                    raise ValueError(f"feature view {view_name!r} reads {table!r}, not a source table")
            for column in view.entities:
                if column not in entity.columns:
                    raise ValueError(
                        f"feature view {view_name!r}: entity {column!r} is not in the entity table"
                    )
            for column in view.columns:
                if column in owners:
                    raise ValueError(
                        f"feature {column!r} of view {view_name!r} is already in {owners[column]}"
                    )
                owners[column] = f"view {view_name!r}"
        for column in self.dataset_columns:
            if column not in owners:
                raise ValueError(f"{self._named(column)} {column!r} is in no table or view of the project")
        own = self.label.table == self.entity.table and not self.label.ahead
        if own and self.label.column in self.inputs.all:
            raise ValueError(f"input {self.label.column!r} is the label itself")
        for column in self.inputs.text:
            if self._kind_of(column) != "text":
                raise ValueError(
                    f"inputs.text names {column!r}, which is {self._kind_of(column)}: a text is of type text"
                )
        fairness = self.gate.guardrails.fairness
        if fairness and fairness.rate != "mean_error" and not task_of(self.label.task).probabilities:
            raise ValueError(f"gate.guardrails.fairness.rate {fairness.rate} is of classes: say mean_error")
        task = task_of(self.label.task)
        if (task.many or task.lists) and (fairness or self.gate.guardrails.calibration):
            named, kind = (
                "fairness" if fairness else "calibration",
                "rankings" if task.lists else "many classes",
            )
            raise ValueError(f"gate.guardrails.{named} does not know {kind} yet: leave it out")
        if task.lists and (priced := self.value.amounts):
            raise ValueError(f"value.{priced[0]} has no meaning in a ranking: an order has no price yet")
        if self.retrain.budget_money and self.value.prices is None:
            raise ValueError(
                "retrain.budget_money needs a price list: say value.prices, or budget_hours alone"
            )
        if not task_of(self.label.task).probabilities and (self.value.explore or self.value.label_needs):
            raise ValueError("value.explore and value.label_needs are of classes: a number has no threshold")
        for limit in self.gate.guardrails.figures:
            if limit.part not in self.evaluation.parts:
                told = ", ".join(self.evaluation.parts)
                raise ValueError(
                    f"gate.guardrails.figures names {limit.path!r}, which evaluation.parts does not tell: "
                    f"there are {told}"
                )
        if odd := sorted(set(self.evaluation.must_not_matter) - set(self.inputs.all)):
            raise ValueError(f"evaluation.must_not_matter names {odd[0]!r}, which is no input: remove it")
        if odd := sorted(set(self.evaluation.directions) - set(self.inputs.numeric)):
            raise ValueError(
                f"evaluation.directions names {odd[0]!r}, which is no numeric input: only of a "
                "number there is more"
            )
        if self.evaluation.heuristic not in self.candidates:
            raise ValueError(f"evaluation.heuristic {self.evaluation.heuristic!r} is not a candidate")
        return self

    def _check_people(self, table: Table) -> None:
        """Raise ValueError where what people answer cannot be the label table."""
        if self.label.table == self.entity.table:
            raise ValueError("label.source people needs a table of its own: label.table is the entity's")
        key = set(self.entity_table.key)
        if set(table.columns) != {*key, table.event_time, self.label.column} or set(table.key) != key:
            raise ValueError(
                f"label.source people: table {self.label.table!r} has the entity's key, its event time and "
                f"{self.label.column!r}, and no other column"
            )
        if table.lag or (table.format or self.source.format) != "csv" or table.file or table.path:
            raise ValueError(
                f"label.source people: table {self.label.table!r} is not delivered: say format: csv, and no "
                "lag, file or path"
            )

    @model_validator(mode="after")
    def _people_answer_as_the_model_does(self) -> Self:
        human = self.evaluation.human
        if human is None:
            return self
        if task_of(self.label.task).many:
            raise ValueError("evaluation.human does not know many classes yet: leave it out")
        if self._kind_of(human) not in ("double", "integer"):
            raise ValueError(f"evaluation.human {human!r} is no numeric column of the entity table or a view")
        own = self.label.table == self.entity.table and not self.label.ahead
        if own and human == self.label.column:
            raise ValueError(f"evaluation.human {human!r} is the label itself")
        return self

    def _kind_of(self, column: str) -> str | None:
        """The type of a column of the entity table or of a view; None where there is no such column."""
        kinds: dict[str, str] = {**self.entity_table.columns}
        for view in self.features.values():
            kinds.update(view.columns)
        return kinds.get(column)

    @model_validator(mode="after")
    def _weights_are_there(self) -> Self:
        weight, classes = self.training.weight, self.training.class_weight
        if weight and self._kind_of(weight) not in ("double", "integer"):
            raise ValueError(f"training.weight {weight!r} is no numeric column of the entity table or a view")
        if classes and not task_of(self.label.task).classifies:
            raise ValueError(f"training.class_weight is of classes: a {self.label.task} has none")
        known = self.label.classes or ["0", "1"]
        if isinstance(classes, dict) and (odd := sorted(set(classes) - set(known))):
            raise ValueError(f"training.class_weight names {odd[0]!r}: the classes are {', '.join(known)}")
        return self

    @property
    def weighing(self) -> Weighing:
        """How rows weigh in a fit, classes by their numbers."""
        given, known = self.training.class_weight, self.label.classes or ["0", "1"]
        if isinstance(given, str):
            return Weighing(given, self.training.weight or "")
        numbers = {known.index(name): weight for name, weight in given.items()}
        return Weighing(numbers, self.training.weight or "")

    @model_validator(mode="after")
    def _views_wait_for_labels(self) -> Self:
        """A view over the label's column dates it by its table's lag: no earlier than labels are known."""
        table = self.source.tables[self.label.table]
        if table.lag * self.unit.length >= self.label.delay:
            return self
        for name, view in self.features.items():
            if self.label.table in view.reads and names_column(self._code_of(view), self.label.column):
                known = format_duration(self.label.delay)
                raise ValueError(
                    f"feature view {name!r} reads the label's column {self.label.column!r}, and table "
                    f"{self.label.table!r} says lag: {table.lag}, so that its values count as known before "
                    f"the label is (label.delay: {known}): set the table's lag to the partitions after "
                    "which it is delivered, or label.delay to when the label is known"
                )
        return self

    @model_validator(mode="after")
    def _searches_can_be_paid_and_measured(self) -> Self:
        for name, candidate in self.candidates.items():
            if candidate.search is None:
                continue
            if candidate.search.money and self.value.prices is None:
                raise ValueError(f"candidate {name!r}: search.money needs a price list: say value.prices")
            if candidate.search.measure == "cross_validation" and self.split.cross_validation is None:
                raise ValueError(
                    f"candidate {name!r}: search.measure cross_validation needs folds: "
                    "say split.cross_validation, or measure: validation"
                )
        return self

    @model_validator(mode="after")
    def _only_probabilities_are_calibrated(self) -> Self:
        for name, candidate in self.candidates.items():
            if candidate.calibrate == "conformal":
                if not self.label.quantiles:
                    raise ValueError(
                        f"candidate {name!r}: calibrate: conformal is of quantiles: say label.quantiles, or "
                        "remove it"
                    )
            elif candidate.calibrate and self.label.quantiles:
                raise ValueError(
                    f"candidate {name!r}: calibrate: {candidate.calibrate} is of a class's probability: of "
                    "quantiles say conformal, or remove it"
                )
            elif candidate.calibrate and self.label.task != "classification":
                raise ValueError(
                    f"candidate {name!r}: calibrate: {candidate.calibrate} is of a class's probability, and "
                    f"a {self.label.task} label has none: remove it"
                )
        return self

    def _named(self, column: str) -> str:
        """Where the file names a column that is nowhere."""
        if column == self.training.weight:
            return "training.weight"
        if column in self.label.group:
            return "label.group"
        if column == self.evaluation.human:
            return "evaluation.human"
        known = {*self.inputs.all, *self.evaluation.slices, *self.evaluation.groups, *self.split.groups}
        folds = self.split.cross_validation
        if folds and column == folds.group and column not in known:
            return "split.cross_validation.group"
        return "input, slice or group" if column in known else "gate.guardrails.fairness.columns:"

    @property
    def entity_table(self) -> Table:
        """The table whose rows are predicted."""
        return self.source.tables[self.entity.table]

    @property
    def dataset_columns(self) -> list[str]:
        """Columns of a dataset: inputs, then slices, columns of fairness and groups that are no inputs."""
        measured = [*self.label.group, *self.evaluation.slices, *self.evaluation.groups]
        measured += [each for each in (self.training.weight, self.evaluation.human) if each]
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
        """Length of the project's partitions."""
        return self.source.partition

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

    def _code_of(self, view: FeatureView) -> str:
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
