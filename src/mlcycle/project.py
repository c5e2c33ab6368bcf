"""The project file: one use case as data.

``projects/<name>/project.yaml`` says what is predicted, from which source, by which candidates,
behind which gate, under which monitors. It holds data, never code: the only programs in it are
the SELECT statements of its feature views, which the warehouse runs under a role that cannot
write elsewhere. Unknown keys are errors. :func:`mlcycle.project_file.load` reads it from disk.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from mlcycle.domain.durations import Duration
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import ConfigError, InputError

#: Two of them and ``__`` between are a table's name in the warehouse: PostgreSQL cuts names at 63 bytes.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
ColumnType = Literal["text", "integer", "double", "boolean", "timestamp"]
Severity = Literal["critical", "warning"]


class Part(BaseModel):
    """Base of every part of a project file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Scope(Part):
    """Why the project exists and when it is good enough."""

    goal: Text
    owner: Text
    stakeholders: list[Text] = Field(min_length=1)
    constraints: list[Text] = []
    success: list[Text] = Field(min_length=1)


class Value(Part):
    """What one prediction is worth, in ``currency``.

    Classification: an outcome each, with the positive class acted on from ``threshold`` up.
    Regression: ``per_unit_error`` for each unit of absolute error.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    true_positive: float = 0
    false_positive: float = 0
    true_negative: float = 0
    false_negative: float = 0
    threshold: Fraction = 0.5
    per_unit_error: float = 0


class Expectation(Part):
    """One Great Expectations expectation on a table's rows: ``expect_column_values_to_be_between`` ..."""

    expect: Annotated[str, Field(pattern=r"^expect_[a-z_]{3,80}$")]
    args: dict[str, JsonValue] = {}
    severity: Severity = "critical"


class Table(Part):
    """One table of the source, delivered as a file for each partition."""

    columns: dict[Name, ColumnType] = Field(min_length=1)
    key: list[Name] = Field(min_length=1)  # with the event time, identifies a row
    event_time: Name
    lag: Annotated[int, Field(ge=0, le=60)] = 0  # delivered so many partitions after its own
    extra_columns: Literal["hold", "ignore"] = "hold"  # a column nobody declared
    sparse: list[Name] = []  # columns that may be empty in every row of a partition
    min_rows: Annotated[int, Field(ge=1)] = 1
    max_bad_rows: Fraction = 0.1  # a batch with a larger share is stopped whole
    max_bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    expectations: list[Expectation] = []

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        for name in [*self.key, self.event_time, *self.sparse]:
            if name not in self.columns:
                raise ValueError(f"key, event_time or sparse names {name!r}, which is not among the columns")
        if {*self.key, self.event_time} & {*self.sparse}:
            raise ValueError("a key or event_time column is never empty: take it out of sparse")
        if self.columns[self.event_time] != "timestamp":
            raise ValueError(f"event_time column {self.event_time!r} must have type 'timestamp'")
        return self


class Source(Part):
    """Where partitions come from: ``<url>/<table>/<partition>.csv``, any fsspec URL.

    ``{source}`` in the URL stands for the setting ``MLCYCLE_SOURCE_URL``.
    """

    url: Text
    partition: Unit
    start: str  # key of the first partition there is
    live: bool = True  # delivers as time goes by; false: a closed history, ingested by backfill alone
    tables: dict[Name, Table] = Field(min_length=1)

    @model_validator(mode="after")
    def _start_is_a_key(self) -> Self:
        try:
            Partition.parse(self.start, self.partition)
        except InputError as error:
            raise ValueError(f"start: {error.message}") from None
        return self


class Label(Part):
    """What is predicted, and when it becomes known.

    The label of a row of the entity table is ``column`` of ``table`` for the same key, at the
    event time plus ``ahead``. It is known ``delay`` after the end of the event's partition.
    ``at_least`` turns the value into a class: 1 from it upwards, else 0. A row without a value
    has no label and is left out, counted.
    """

    name: Name
    task: Literal["classification", "regression"]
    table: Name
    column: Name
    at_least: float | None = None
    ahead: Duration = timedelta(0)
    delay: Duration

    @model_validator(mode="after")
    def _threshold_fits_task(self) -> Self:
        if self.task == "regression" and self.at_least is not None:
            raise ValueError("at_least makes a class; a regression label has none")
        return self


class FeatureView(Part):
    """A SELECT over raw tables whose rows are feature values.

    It returns the entity columns, ``event_timestamp`` (when the value was known) and ``columns``,
    for ``%(start)s < event_timestamp <= %(end)s``. Raw tables are written ``{table}``.
    ``lookback`` is how far a change in a raw partition reaches into later values.
    """

    entities: list[Name] = Field(min_length=1)
    columns: dict[Name, Literal["double", "integer", "text"]] = Field(min_length=1)
    reads: list[Name] = Field(min_length=1)
    ttl: Duration
    lookback: Duration
    sql: Annotated[str, Field(min_length=1, max_length=20_000)]  # a file's name on disk, inlined by load


class Inputs(Part):
    """The model's columns: of the entity table as known at the event time, and of feature views."""

    categorical: list[Name] = []
    numeric: list[Name] = []

    @property
    def all(self) -> list[str]:
        """Every input, categorical ones first."""
        return [*self.categorical, *self.numeric]


class Entity(Part):
    """The table whose rows are predicted."""

    table: Name


class Split(Part):
    """Temporal split, counted back from the last labelled partition: holdout, validation, training."""

    holdout: Duration
    validation: Duration
    history: Duration  # how far back training reaches at most
    min_rows: Annotated[int, Field(ge=10)] = 1000
    groups: list[Name] = []  # columns whose values may have rows in one split only: patients, households


class Resources(Part):
    """What one training of a candidate may use."""

    cpu: Annotated[float, Field(gt=0, le=256)] = 1
    memory: Annotated[str, Field(pattern=r"^\d+(Mi|Gi)$")] = "2Gi"
    gpu: Annotated[int, Field(ge=0, le=64)] = 0


class Candidate(Part):
    """A model family with its parameters."""

    family: Name
    params: dict[Name, JsonValue] = {}
    resources: Resources = Resources()


class Evaluation(Part):
    """How candidates are measured on the holdout."""

    metric: Literal["log_loss", "roc_auc", "brier", "rmse", "mae"]
    heuristic: Name  # the candidate that stands for what people do without learning
    slices: list[Name] = []


class Gate(Part):
    """What a challenger must show against the champion on the same fresh holdout.

    Paired bootstrap over whole partitions of ``block``: the challenger must be better by at least
    ``min_gain`` (in the metric's unit, positive is better; negative is a margin of non-inferiority
    towards a champion, never towards the zero rule) with ``confidence``, and no slice of at
    least ``min_slice_rows`` rows may get worse by more than ``max_slice_loss``.
    """

    min_gain: float = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    block: Duration = timedelta(days=1)
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    min_rows: Annotated[int, Field(ge=10)] = 500
    min_slice_rows: Annotated[int, Field(ge=10)] = 200
    max_slice_loss: Annotated[float, Field(ge=0)] = 0.05


class Approval(Part):
    """Whether a person says yes before a promotion."""

    required: bool = False
    within: Duration = timedelta(days=7)


class Monitors(Part):
    """What is watched on every partition; a window reaches back from it.

    drift: a column drifts where its effect size reaches ``drift_effect`` and its p-value passes
    false-discovery control at ``drift_fdr``, ``drift_persistence`` partitions in a row.
    """

    window: Duration
    volume_ratio: tuple[float, float] = (0.5, 2.0)  # rows against the median of the window
    missing_increase: Fraction = 0.05
    drift_effect: Annotated[float, Field(gt=0)] = 0.2
    drift_fdr: Annotated[float, Field(gt=0, lt=1)] = 0.01
    drift_persistence: Annotated[int, Field(ge=1)] = 3
    sample: Annotated[int, Field(ge=100)] = 20_000
    performance_increase: Annotated[float, Field(gt=0)] = 0.1  # of the metric's loss, relative
    performance_min_rows: Annotated[int, Field(ge=1)] = 500


class Channel(Part):
    """Where alerts go. A secret stands in the environment variable that ``secret_env`` names."""

    kind: Literal["log", "webhook", "email"]
    url: str = ""  # webhook
    to: str = ""  # email
    host: str = ""  # email: SMTP server, host:port
    secret_env: Annotated[str, Field(pattern=r"^$|^MLCYCLE_SECRET_[A-Z0-9_]+$")] = ""
    min_severity: Literal["info", "warn", "page"] = "warn"


class Alerts(Part):
    """Delivery of alerts."""

    channels: list[Channel] = Field(default=[Channel(kind="log")], min_length=1)


class Retrain(Part):
    """When the platform may ask for a retrain by itself."""

    cooldown: Duration  # after the last accepted request
    budget: Annotated[int, Field(ge=0)]  # accepted requests within ``per``
    per: Duration
    schedule: Annotated[str, Field(pattern=r"^$|^[\d*/, A-Za-z-]+$")] = ""  # cron, UTC


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
    gate: Gate = Gate()
    approval: Approval = Approval()
    monitors: Monitors
    alerts: Alerts = Alerts()
    retrain: Retrain

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
                raise ValueError(f"input, slice or group {column!r} is in no table or view of the project")
        own = self.label.table == self.entity.table and not self.label.ahead
        if own and self.label.column in self.inputs.all:
            raise ValueError(f"input {self.label.column!r} is the label itself")
        if self.evaluation.heuristic not in self.candidates:
            raise ValueError(f"evaluation.heuristic {self.evaluation.heuristic!r} is not a candidate")
        return self

    @property
    def entity_table(self) -> Table:
        """The table whose rows are predicted."""
        return self.source.tables[self.entity.table]

    @property
    def dataset_columns(self) -> list[str]:
        """Columns of a dataset: inputs, then the slices and groups that are no inputs."""
        return list(dict.fromkeys([*self.inputs.all, *self.evaluation.slices, *self.split.groups]))

    @property
    def unit(self) -> Unit:
        """Length of the project's partitions."""
        return self.source.partition

    def reading(self, categorical: list[str], numeric: list[str]) -> Self:
        """The project with other inputs: those of a model that was trained before they were changed.

        Raises ConfigError for a column that no table or view of the project has any more.
        """
        known = {*self.entity_table.columns, *(c for view in self.features.values() for c in view.columns)}
        if gone := [column for column in [*categorical, *numeric] if column not in known]:
            raise ConfigError(
                f"the model reads {', '.join(gone)}, which project {self.name!r} no longer has: "
                "put the columns back, or promote a model that does without them"
            )
        return self.model_copy(update={"inputs": Inputs(categorical=categorical, numeric=numeric)})

    def document(self) -> dict[str, Any]:
        """The project as JSON for a request; ``Project.model_validate`` reads it back."""
        return self.model_dump(mode="json")
