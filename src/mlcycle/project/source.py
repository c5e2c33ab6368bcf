"""Where a project's rows come from, and what a delivery of them must keep."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError
from mlcycle.project.part import Fraction, Name, Part, Severity, Text

ColumnType = Literal["text", "integer", "double", "boolean", "timestamp"]


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
