"""Where a project's rows come from, and what a delivery of them must keep."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from mlcycle.domain import gaps
from mlcycle.domain.durations import Duration
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError
from mlcycle.project.part import Fraction, Name, Part, Severity, Text

MOST_WAITING = 48  # partitions that may be waited for at once: each is a run of its own that has not ended
MOST_BEHIND = 2000  # partitions looked back on
EARLIEST, LATEST = 1900, 2199  # years of which the warehouse keeps months

Format = Literal["csv"]  # a reader each: adapters/delivery/readers.py; the ending of the files, too
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
    """Where partitions come from: ``<url>/<table>/<partition>.<format>``, any fsspec URL.

    ``{source}`` in the URL stands for the setting ``MLCYCLE_SOURCE_URL``. A delivery is waited for
    until ``lateness`` after it was due; then an alert says so, and later runs look for it, as for
    every partition that an outage made them miss, up to ``catch_up`` before their own.
    """

    url: Text
    format: Format = "csv"
    partition: Unit
    start: str  # key of the first partition there is
    live: bool = True  # delivers as time goes by; false: a closed history, ingested by backfill alone
    lateness: Duration = timedelta(days=1)  # an hour where partitions are hours
    catch_up: Duration = timedelta(days=14)
    absent: list[str] = []  # partitions that will never be delivered: a key, or "KEY to KEY"
    tables: dict[Name, Table] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _lateness_by_partition(cls, data: Any) -> Any:
        if isinstance(data, dict) and "lateness" not in data and data.get("partition") == Unit.HOUR:
            return {**data, "lateness": "1 hour"}
        return data

    @model_validator(mode="after")
    def _waits_are_bounded(self) -> Self:
        length = self.partition.length
        if self.lateness > MOST_WAITING * length:
            raise ValueError(
                f"lateness is more than {MOST_WAITING} partitions: shorten it; what comes later is still "
                "taken, by the runs within catch_up"
            )
        if self.catch_up > MOST_BEHIND * length:
            raise ValueError(f"catch_up is more than {MOST_BEHIND} partitions: backfill what is older")
        return self

    @model_validator(mode="after")
    def _absent_are_keys(self) -> Self:
        for text in self.absent:
            try:
                gaps.span(text, self.partition)
            except InputError as error:
                raise ValueError(f"absent: {error.message}") from None
            except ValueError as error:
                raise ValueError(f"absent: {error}") from None
        return self

    @model_validator(mode="after")
    def _start_is_a_key(self) -> Self:
        try:
            first = Partition.parse(self.start, self.partition)
        except InputError as error:
            raise ValueError(f"start: {error.message}") from None
        if not EARLIEST <= first.start.year <= LATEST:
            raise ValueError(f"start: {self.start} is not in the years {EARLIEST} to {LATEST}")
        return self
