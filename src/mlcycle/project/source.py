"""Where a project's rows come from, and what a delivery of them must keep."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from mlcycle.domain import gaps
from mlcycle.domain.closest import meant
from mlcycle.domain.durations import Duration
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.unit import Length
from mlcycle.errors import InputError
from mlcycle.project.database import Database
from mlcycle.project.events import Events
from mlcycle.project.kinds import DELIVERED, STAMP, UNTIL, Delivers, Kind, stamped
from mlcycle.project.misfit import Misfit, refuse
from mlcycle.project.part import Fraction, Name, Part, Reference, Severity, Zone, written_as
from mlcycle.project.source_kinds import check_source
from mlcycle.project.written import ENDINGS, Format, Written

MOST_WAITING = 48  # partitions that may be waited for at once: each is a run of its own that has not ended
MOST_BEHIND = 2000  # partitions looked back on
EARLIEST, LATEST = 1900, 2199  # years of which the warehouse keeps months

#: Patience where partitions are not days, of whoever does not say.
WAITS = {
    Length.HOUR.value: {"lateness": "1 hour"},
    Length.WEEK.value: {"catch_up": "8 weeks"},
    Length.MONTH.value: {"catch_up": "6 months"},
}

#: Fields of a path that tell partitions apart; of hours and weeks the rest of the date is the writer's.
TELLS = {
    Length.HOUR: {"partition", "day", "hour"},
    Length.DAY: {"partition", "day"},
    Length.WEEK: {"partition", "week", "day"},
    Length.MONTH: {"partition", "month"},
}

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
    """One table of the source, delivered as a file for each partition, or in files that hold many.

    Rows are ``events``, a heap of them each delivery where nobody wrote a time (``delivers: rows``);
    versions of a ``snapshot``, of which each delivery is the whole ``state``, or the ``changes`` since the
    last one; or a ``static`` list, delivered once and replaced as a whole.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("event_time"))

    kind: Kind = "events"
    #: Of a snapshot: state, and changes where rows have a time of their own. Of events: rows that have none.
    delivers: Delivers | None = None
    path: Annotated[str, Field(min_length=1, max_length=400)] | None = (
        None  # of a partition's file below the source's URL
    )
    file: Annotated[str, Field(min_length=1, max_length=400)] | None = (
        None  # of many partitions: cut by event time
    )
    database: Database | None = None  # where source.kind is database
    events: Events | None = None  # where source.kind is events
    columns: dict[Name, ColumnType] = Field(min_length=1)
    key: list[Name] = Field(min_length=1)  # with the event time, identifies a row
    event_time: Name  # a snapshot or a static table may have none: valid_from is written then
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

    @model_validator(mode="before")
    @classmethod
    def _time_of_the_timeless(cls, data: Any) -> Any:
        found = stamped(data)
        if isinstance(found, dict) and found.get("kind") == "snapshot" and found.get("delivers") is None:
            return {**found, "delivers": "state" if found.get("event_time") == STAMP else "changes"}
        return found

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        if self.kind == "events" and self.delivers == "rows":
            if self.event_time != DELIVERED:
                raise ValueError(
                    f"delivers: rows is of rows without a time, this table has {self.event_time!r}"
                )
        elif self.kind != "snapshot":
            if self.delivers:
                raise ValueError(
                    f"delivers: {self.delivers} is of a snapshot, not of {self.kind}: take it out"
                )
        elif self.delivers == "rows":
            raise ValueError("delivers: rows is of events, a snapshot delivers state or changes")
        elif not self.stamped and self.delivers == "state":
            raise ValueError("a snapshot whose rows have a time of their own delivers changes")
        elif UNTIL in self.columns or (STAMP in self.columns and not self.stamped):
            raise ValueError(f"a snapshot's {STAMP} and {UNTIL} are the platform's: rename the column")
        if self.kind == "static" and (not self.stamped or self.lag):
            raise ValueError("a static table has no time: take event_time and lag out, or say kind: events")
        if self.stamped and (self.file or self.dealt or self.times.parts):
            raise ValueError("file, dealt and times.parts are of rows with a time: say event_time, or path")
        return self

    @property
    def read_columns(self) -> dict[str, ColumnType]:
        """Columns as a feature view sees them: of a snapshot with the bounds of each version."""
        own: dict[str, ColumnType] = {name: kind for name, kind in self.columns.items() if name != STAMP}
        if self.kind == "events":
            return self.columns
        return {**own, STAMP: "timestamp", UNTIL: "timestamp"} if self.kind == "snapshot" else own

    @property
    def stamped(self) -> bool:
        """Whether the platform writes the time: the delivery's own."""
        return self.delivers == "rows" or (self.kind != "events" and self.event_time == STAMP)

    def stamp(self, partition: Partition) -> datetime:
        """The time of such a delivery's rows: the last moment of its partition; static, the first."""
        return partition.start if self.kind == "static" else partition.end - timedelta(microseconds=1)

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
            _check_path(self.path, once=self.kind == "static")
        return self

    def ending(self, form: str) -> str:
        """What its files' names end in; ``form`` is the source's format."""
        return (self.format or form) + ENDINGS.get(self.compression or "", "")

    def place(self, name: str, partition: Partition, form: str) -> str:
        """A partition's file, below the source's URL."""
        if self.path is None and self.kind == "static":
            return f"{name}.{self.ending(form)}"
        if self.path is None:
            return f"{name}/{partition.key}.{self.ending(form)}"
        at = partition.local
        when = {"year": f"{at:%Y}", "month": f"{at:%m}", "day": f"{at:%d}", "hour": f"{at:%H}"}
        when |= {"isoyear": f"{at:%G}", "week": f"{at:%V}"}
        return self.path.format(table=name, partition=partition.key, **when)


def _check_path(path: str, *, once: bool) -> None:
    try:
        fields = {field for _, field, form, how in Formatter().parse(path) if field is not None}
        plain = not any(form or how for _, _, form, how in Formatter().parse(path))
    except ValueError as error:
        raise Misfit(f"path {path!r}: {error}", "path") from None
    known = {"table", "partition", "year", "month", "day", "hour", "isoyear", "week"}
    if not plain or fields - known:
        raise Misfit(f"path {path!r}: between braces stand {', '.join(sorted(known))}", "path")
    if not once and not fields & {"partition", "month", "week", "day", "hour"}:
        raise Misfit(f"path {path!r} names the same file for all partitions of a year: see file", "path")


class Source(Part):
    """Where partitions come from: ``<url>/<table>/<partition>.<format>``, any fsspec URL, a database, or
    events that are put into the platform's own queue, which needs no URL.

    ``{source}`` in the URL stands for the setting ``MLCYCLE_SOURCE_URL``. A delivery is waited for
    until ``lateness`` after it was due; then an alert says so, and later runs look for it, as for
    every partition that an outage made them miss, up to ``catch_up`` before their own.
    """

    kind: Literal["files", "database", "events"] = "files"
    url: Annotated[str, Field(max_length=2000)] = ""
    secret: Annotated[str, Field(pattern=r"^$|^[A-Z][A-Z0-9_]{0,59}$")] = ""  # the database's password
    format: Format = "csv"
    partition: Length
    zone: Zone = "UTC"  # whose days, weeks and months partitions are; hours are UTC's
    start: str  # key of the first partition there is
    live: bool = True  # delivers as time goes by; false: a closed history, ingested by backfill alone
    lateness: Duration = timedelta(days=1)  # an hour where partitions are hours
    catch_up: Duration = timedelta(days=14)  # of weeks eight of them, of months six
    absent: list[str] = []  # partitions that will never be delivered: a key, or "KEY to KEY"
    tables: dict[Name, Table] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _waits_by_partition(cls, data: Any) -> Any:
        given = data.get("partition") if isinstance(data, dict) else None
        usual = WAITS.get(given, {}) if isinstance(given, str) else {}
        return {**usual, **data} if usual else data

    def deliveries(self, table: Table, partitions: Iterable[Partition]) -> list[Partition]:
        """The deliveries of a table that runs of these partitions bring; none before the source's start."""
        start = Partition.parse(self.start, self.unit)
        if table.kind == "static":
            return [start]
        return [each for each in (one.shift(-table.lag) for one in partitions) if each >= start]

    @property
    def unit(self) -> Unit:
        """How time is cut into partitions."""
        return Unit.of(self.partition, self.zone)

    @model_validator(mode="after")
    def _waits_are_bounded(self) -> Self:
        length = self.unit.shortest
        if self.lateness > MOST_WAITING * length:
            raise Misfit(
                f"lateness is more than {MOST_WAITING} partitions: shorten it; what comes later is still "
                "taken, by the runs within catch_up",
                "lateness",
            )
        if self.catch_up > MOST_BEHIND * self.unit.length:
            raise Misfit(
                f"catch_up is more than {MOST_BEHIND} partitions: backfill what is older", "catch_up"
            )
        return self

    @model_validator(mode="after")
    def _a_path_is_of_one_partition(self) -> Self:
        for name, table in self.tables.items():
            named = {field for _, field, _, _ in Formatter().parse(table.path or "{partition}")}
            if table.kind != "static" and not named & TELLS[self.partition]:
                raise ValueError(
                    f"tables.{name}.path {table.path!r} names the same file for several partitions, each a "
                    f"{self.partition}: name {' or '.join(sorted(TELLS[self.partition]))} in it, or see file"
                )
        return self

    @model_validator(mode="after")
    def _absent_are_keys(self) -> Self:
        for number, text in enumerate(self.absent):
            try:
                gaps.span(text, self.unit)
            except InputError as error:
                raise Misfit(f"absent: {error.message}", "absent", number) from None
            except ValueError as error:
                raise Misfit(f"absent: {error}", "absent", number) from None
        return self

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        check_source(self)
        return self

    @model_validator(mode="after")
    def _start_is_a_key(self) -> Self:
        try:
            first = Partition.parse(self.start, self.unit)
        except InputError as error:
            raise Misfit(error.message, "start") from None
        if not EARLIEST <= first.start.year <= LATEST:
            raise Misfit(f"{self.start} is not in the years {EARLIEST} to {LATEST}", "start")
        return self
