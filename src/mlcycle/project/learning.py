"""What is predicted, from which columns, on which rows."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlcycle.domain.durations import Duration
from mlcycle.project.part import Name, Part


class Entity(Part):
    """The table whose rows are predicted."""

    table: Name


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


class Split(Part):
    """Temporal split, counted back from the last labelled partition: holdout, validation, training."""

    holdout: Duration
    validation: Duration
    history: Duration  # how far back training reaches at most
    min_rows: Annotated[int, Field(ge=10)] = 1000
    groups: list[Name] = []  # columns whose values may have rows in one split only: patients, households
