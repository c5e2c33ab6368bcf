"""How a table is written, where it is not as the platform writes: dialects of CSV, names, numbers, times."""

from datetime import date
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part, Zone

#: A reader each: adapters/delivery/readers.py; the ending of the files, too.
Format = Literal["csv", "jsonl", "parquet", "orc"]
Compression = Literal["gzip", "zstd"]
ENDINGS: dict[str, str] = {"gzip": ".gz", "zstd": ".zst"}

#: A column's name as people write it: ``pm2.5``, ``No``, ``Date de vente``.
Delivered = Annotated[str, Field(min_length=1, max_length=200)]
Mark = Annotated[str, Field(min_length=1, max_length=1)]


class Csv(Part):
    """What splits a CSV file into cells."""

    separator: Literal["whitespace"] | Mark = ","  # "\t" for tabs; whitespace: any number of blanks and tabs
    quote: Mark | None = '"'  # doubled inside a quoted cell; null: a quote is a character like others
    escape: Mark | None = None  # what makes the next character an ordinary one
    encoding: str = "utf-8"  # a name that Python knows: cp1252, latin-1, utf-16 ...
    header: bool = True  # false: the first line holds a row, and the names are those below
    names: list[Delivered] | None = None  # of a file without header; left out: the table's columns
    skip: Annotated[int, Field(ge=0, le=1000)] = 0  # lines before the header
    comment: Mark | None = None  # lines that begin with it are left out

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.names is not None and self.header:
            raise Misfit("names are for a file without header: say header: false, or take them out", "names")
        if self.names is not None and len(set(self.names)) < len(self.names):
            raise Misfit("names has one twice", "names")
        marks = [mark for mark in (self.separator, self.quote, self.escape, self.comment) if mark]
        if len(set(marks)) < len(marks):
            raise Misfit("separator, quote, escape and comment must be different characters", "separator")
        for mark in marks:
            if mark in "\r\n\0" or (len(mark) == 1 and not mark.isascii()):
                raise Misfit(
                    f"{mark!r} cannot be a separator, quote, escape or comment: one ASCII character",
                    "separator",
                )
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise Misfit(f"encoding {self.encoding!r} is none that Python knows", "encoding") from None
        return self


class Numbers(Part):
    """How numbers are written."""

    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", "_"] | None = None

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.decimal == self.thousands:
            raise Misfit(f"decimal and thousands are both {self.decimal!r}", "thousands")
        return self


class Booleans(Part):
    """The words for yes and no; capitals make no difference."""

    true: list[str] = Field(["true", "t", "1"], min_length=1)
    false: list[str] = Field(["false", "f", "0"], min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> Self:
        both = {word.casefold() for word in self.true} & {word.casefold() for word in self.false}
        if both:
            raise Misfit(f"{', '.join(map(repr, sorted(both)))} is both true and false", "true")
        return self


class Times(Part):
    """How times are written.

    ``zone`` is that of times which name none. In the hour that the autumn has twice the first one is
    meant; a time that the spring leaves out is no time.
    """

    format: str | list[str] | None = None  # strptime's, tried in turn; unix, unix_ms; left out: ISO 8601
    zone: Zone = "UTC"
    parts: list[Delivered] | None = None  # columns that, joined by blanks, are the event time

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for each in self.formats:
            if each not in ("unix", "unix_ms") and "%" not in each:
                raise Misfit(
                    f"format {each!r} is not one like '%d.%m.%Y %H:%M', nor unix or unix_ms", "format"
                )
        if self.parts is not None and (len(self.parts) < 2 or not self.formats):
            raise Misfit(
                "parts are two columns or more, with the format of all of them, joined by blanks", "parts"
            )
        return self

    @property
    def formats(self) -> tuple[str, ...]:
        """In the order in which they are tried; none: ISO 8601."""
        return (
            ()
            if self.format is None
            else (self.format,)
            if isinstance(self.format, str)
            else tuple(self.format)
        )

    @property
    def timezone(self) -> ZoneInfo:
        """The zone."""
        return ZoneInfo(self.zone)


class Dealt(Part):
    """An event time for rows that have none: dealt at random over days, by what a row says.

    The same row comes on the same day in every delivery. Splits by time are then splits at random, and the
    blocks of the gate and the windows of monitors hold rows as alike as chance makes them.
    """

    over: Annotated[int, Field(ge=20, le=3650)] = 60  # days
    first: date = date(2000, 1, 1)
    by: list[Delivered] = []  # columns whose value puts all its rows on one day: a patient's, a household's


class Written(Part):
    """How a table's deliveries are written."""

    format: Format | None = None  # left out: the source's
    compression: Compression | None = None
    csv: Csv = Csv()
    rename: dict[Delivered, Name] = {}  # as delivered -> the column it is
    trim: bool = False  # take blanks off names and cells
    nulls: list[str] = []  # what stands for a missing value, beside nothing at all
    numbers: Numbers = Numbers()
    booleans: Booleans = Booleans()
    times: Times = Times()
    dealt: Dealt | None = None  # the event time is not delivered, but drawn
    constants: dict[Name, str] = {}  # columns that no delivery has, with one value for every row
    row_number: Name | None = None  # a column for the row's number, where nothing else tells rows apart

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        twice = sorted({name for name in self.rename.values() if list(self.rename.values()).count(name) > 1})
        if twice:
            raise Misfit(f"rename makes {', '.join(map(repr, twice))} of two columns", "rename")
        if self.dealt and self.times.parts:
            raise Misfit("dealt draws an event time, times.parts makes one of columns: take one out", "dealt")
        return self
