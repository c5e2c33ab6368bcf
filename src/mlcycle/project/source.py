"""Where a project's rows come from, and what a delivery of them must keep."""

from datetime import timedelta
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from mlcycle.domain import gaps
from mlcycle.domain.closest import meant
from mlcycle.domain.durations import Duration
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError
from mlcycle.project.misfit import Misfit, refuse
from mlcycle.project.part import Fraction, Name, Part, Reference, Severity, Text, written_as
from mlcycle.project.written import ENDINGS, Format, Written

MOST_WAITING = 48  # partitions that may be waited for at once: each is a run of its own that has not ended
MOST_BEHIND = 2000  # partitions looked back on
EARLIEST, LATEST = 1900, 2199  # years of which the warehouse keeps months

ColumnType = Literal["text", "integer", "double", "boolean", "timestamp"]


class Expectation(Part):
    """One Great Expectations expectation on a table's rows: ``expect_column_values_to_be_between`` ..."""

    expect: Annotated[
        str, written_as(r"^expect_[a-z_]{3,80}$", "the name of an expectation: they begin with expect_")
    ]
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
    columns: dict[Name, ColumnType] = Field(min_length=1)
    key: list[Name] = Field(min_length=1)  # with the event time, identifies a row
    event_time: Name
    lag: Annotated[int, Field(ge=0, le=60)] = 0  # delivered so many partitions after its own
    extra_columns: Literal["hold", "ignore"] = "hold"  # a column nobody declared
    sparse: list[Name] = []  # columns that may be empty in every row of a partition
    min_rows: Annotated[int, Field(ge=1)] = 1
    max_bad_rows: Fraction = 0.1  # a batch with a larger share is stopped whole
    max_bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    files: list[Name] = []  # text columns that name files below source.url: kept, the digest in their place
    max_file_bytes: Annotated[int, Field(ge=1)] = 16 * 1024 * 1024
    expectations: list[Expectation] = []
    checks: list[OwnCheck] = []

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        named = {"key": self.key, "event_time": [self.event_time], "sparse": self.sparse}
        odd = [name for name in self.files if self.columns.get(name) != "text" or name in self.key]
        refuse(
            Misfit(f"{key} names {name!r}, which is not among the columns{meant(name, self.columns)}", key)
            for key, names in named.items()
            for name in names
            if name not in self.columns
        )
        refuse(
            Misfit(
                f"files names {name!r}, which is no text column beside the key",
                "files",
                self.files.index(name),
            )
            for name in odd
        )
        if {*self.key, self.event_time} & {*self.sparse}:
            raise Misfit("a key or event_time column is never empty: take it out of sparse", "sparse")
        if self.columns[self.event_time] != "timestamp":
            raise Misfit(f"event_time column {self.event_time!r} must have type 'timestamp'", "event_time")
        strange = sorted(set(self.rename.values()) - set(self.columns) - set(self.times.parts or ()))
        if strange:
            raise Misfit(f"rename leads to {', '.join(map(repr, strange))}, not among the columns", "rename")
        for name in self.constants:
            if self.columns.get(name) != "text" or name in self.rename.values():
                raise Misfit(
                    f"constants: {name!r} must be a text column that is not delivered", "constants", name
                )
        if self.row_number and self.columns.get(self.row_number) != "integer":
            raise Misfit(
                f"row_number: {self.row_number!r} must be an integer column that is not delivered",
                "row_number",
            )
        return self

    @model_validator(mode="after")
    def _places_are_places(self) -> Self:
        for what, place in (("path", self.path), ("file", self.file)):
            if place is not None and (place.startswith("/") or {"..", ""} & set(place.split("/"))):
                raise Misfit(f"{what} {place!r} must lead from source.url downwards", what)
        if self.path is not None and self.file is not None:
            raise Misfit("path is of a partition's file, file of one that holds many: take one out", "path")
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
        raise Misfit(f"path {path!r}: {error}", "path") from None
    known = {"table", "partition", "year", "month", "day", "hour"}
    if not plain or fields - known:
        raise Misfit(f"path {path!r}: between braces stand {', '.join(sorted(known))}", "path")
    if not fields & {"partition", "day", "hour"}:
        raise Misfit(f"path {path!r} names the same file for all partitions of a month: see file", "path")


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
            raise Misfit(
                f"lateness is more than {MOST_WAITING} partitions: shorten it; what comes later is still "
                "taken, by the runs within catch_up",
                "lateness",
            )
        if self.catch_up > MOST_BEHIND * length:
            raise Misfit(
                f"catch_up is more than {MOST_BEHIND} partitions: backfill what is older", "catch_up"
            )
        return self

    @model_validator(mode="after")
    def _absent_are_keys(self) -> Self:
        for number, text in enumerate(self.absent):
            try:
                gaps.span(text, self.partition)
            except InputError as error:
                raise Misfit(f"absent: {error.message}", "absent", number) from None
            except ValueError as error:
                raise Misfit(f"absent: {error}", "absent", number) from None
        return self

    @model_validator(mode="after")
    def _start_is_a_key(self) -> Self:
        try:
            first = Partition.parse(self.start, self.partition)
        except InputError as error:
            raise Misfit(error.message, "start") from None
        if not EARLIEST <= first.start.year <= LATEST:
            raise Misfit(f"{self.start} is not in the years {EARLIEST} to {LATEST}", "start")
        return self
