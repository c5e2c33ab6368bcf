"""Where a project's rows come from, and what a delivery of them must keep."""

from datetime import timedelta
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from mlcycle.domain import gaps
from mlcycle.domain.durations import Duration
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError
from mlcycle.project.database import Database, check_source
from mlcycle.project.part import Fraction, Name, Part, Reference, Severity, Text
from mlcycle.project.written import ENDINGS, Format, Written

MOST_WAITING = 48  # partitions that may be waited for at once: each is a run of its own that has not ended
MOST_BEHIND = 2000  # partitions looked back on
EARLIEST, LATEST = 1900, 2199  # years of which the warehouse keeps months

ColumnType = Literal["text", "integer", "double", "boolean", "timestamp"]


class Expectation(Part):
    """One Great Expectations expectation on a table's rows: ``expect_column_values_to_be_between`` ..."""

    expect: Annotated[str, Field(pattern=r"^expect_[a-z_]{3,80}$")]
    args: dict[str, JsonValue] = {}
    severity: Severity = "critical"


class OwnCheck(Part):
    """A function of the project's own that says which rows of a partition are right: ``checks:plausible``."""

    check: Reference
    severity: Severity = "critical"


class Table(Written):
    """One table of the source, delivered as a file for each partition, or in files that hold many."""

    path: Annotated[str, Field(min_length=1, max_length=400)] | None = (
        None  # of a partition's file below the source's URL
    )
    file: Annotated[str, Field(min_length=1, max_length=400)] | None = (
        None  # of many partitions: cut by event time
    )
    database: Database | None = None  # where source.kind is database
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
    checks: list[OwnCheck] = []

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        for name in [*self.key, self.event_time, *self.sparse]:
            if name not in self.columns:
                raise ValueError(f"key, event_time or sparse names {name!r}, which is not among the columns")
        if {*self.key, self.event_time} & {*self.sparse}:
            raise ValueError("a key or event_time column is never empty: take it out of sparse")
        if self.columns[self.event_time] != "timestamp":
            raise ValueError(f"event_time column {self.event_time!r} must have type 'timestamp'")
        strange = sorted(set(self.rename.values()) - set(self.columns) - set(self.times.parts or ()))
        if strange:
            raise ValueError(f"rename leads to {', '.join(map(repr, strange))}, not among the columns")
        for name in self.constants:
            if self.columns.get(name) != "text" or name in self.rename.values():
                raise ValueError(f"constants: {name!r} must be a text column that is not delivered")
        if self.row_number and self.columns.get(self.row_number) != "integer":
            raise ValueError(
                f"row_number: {self.row_number!r} must be an integer column that is not delivered"
            )
        return self

    @model_validator(mode="after")
    def _places_are_places(self) -> Self:
        for what, place in (("path", self.path), ("file", self.file)):
            if place is not None and (place.startswith("/") or {"..", ""} & set(place.split("/"))):
                raise ValueError(f"{what} {place!r} must lead from source.url downwards")
        if self.path is not None and self.file is not None:
            raise ValueError("path is of a partition's file, file of one that holds many: take one out")
        if self.path is not None:
            _check_path(self.path)
        return self

    def ending(self, form: str) -> str:
        """What its files' names end in; ``form`` is the source's format."""
        return (self.format or form) + ENDINGS.get(self.compression or "", "")

    def place(self, name: str, partition: Partition, form: str) -> str:
        """A partition's file, below the source's URL."""
        if self.path is None:
            return f"{name}/{partition.key}.{self.ending(form)}"
        at = partition.start
        when = {"year": f"{at:%Y}", "month": f"{at:%m}", "day": f"{at:%d}", "hour": f"{at:%H}"}
        return self.path.format(table=name, partition=partition.key, **when)


def _check_path(path: str) -> None:
    try:
        fields = {field for _, field, form, how in Formatter().parse(path) if field is not None}
        plain = not any(form or how for _, _, form, how in Formatter().parse(path))
    except ValueError as error:
        raise ValueError(f"path {path!r}: {error}") from None
    known = {"table", "partition", "year", "month", "day", "hour"}
    if not plain or fields - known:
        raise ValueError(f"path {path!r}: between braces stand {', '.join(sorted(known))}")
    if not fields & {"partition", "day", "hour"}:
        raise ValueError(f"path {path!r} names the same file for all partitions of a month: see file")


class Source(Part):
    """Where partitions come from: ``<url>/<table>/<partition>.<format>``, any fsspec URL, or a database.

    ``{source}`` in the URL stands for the setting ``MLCYCLE_SOURCE_URL``. A delivery is waited for
    until ``lateness`` after it was due; then an alert says so, and later runs look for it, as for
    every partition that an outage made them miss, up to ``catch_up`` before their own.
    """

    kind: Literal["files", "database"] = "files"
    url: Text
    secret: Annotated[str, Field(pattern=r"^$|^[A-Z][A-Z0-9_]{0,59}$")] = ""  # the database's password
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
    def _kind_fits(self) -> Self:
        check_source(self)
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
