"""Where a table's rows lie in a database, and how rows that changed since are found again."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from mlcycle.domain.durations import Duration
from mlcycle.project.part import Part
from mlcycle.project.written import Delivered, Written

if TYPE_CHECKING:
    from mlcycle.project.source import Source, Table

TABLE = re.compile(r'[^\x00-\x1f".]{1,63}(\.[^\x00-\x1f".]{1,63})?')
URL = re.compile(r"(postgresql|sqlite)://|\{source\}")
#: Of how a table is written, what a database leaves open.
OPEN = frozenset({"rename", "trim", "nulls", "booleans", "times", "constants", "row_number"})
UNIX = frozenset({"unix", "unix_ms"})


class Database(Part):
    """The table or query of a database that rows are read from; undeclared columns of it are extra ones.

    ``watermark`` is a column that says when a row was written last. Partitions behind a run's own that have
    rows newer than what was read are read again; ``look_back`` before that, for rows whose transaction was
    still open then.
    """

    table: Annotated[str, Field(min_length=1, max_length=130)] | None = None  # orders, sales.orders
    query: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None  # one SELECT
    watermark: Delivered | None = None
    look_back: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("say table or query, one of the two")
        if self.table is not None and not TABLE.fullmatch(self.table):
            raise ValueError(f"table {self.table!r} is not a name like orders or sales.orders")
        return self


def check_source(source: "Source") -> None:
    """Raise ValueError where a source of files says things of a database, or one of a database of files."""
    if source.kind == "files":
        odd = [name for name, table in source.tables.items() if table.database]
        if source.secret or odd:
            what = "secret" if source.secret else f"tables.{odd[0]}.database"
            raise ValueError(f"{what} is for a database: say kind: database")
        return
    if not URL.match(source.url) or re.match(r"[a-z]+://[^/?]*:[^/?]*@", source.url):
        raise ValueError(
            "url of a database is postgresql://user@host/database or sqlite:///folder/file.db; a password "
            "stands in what secret names"
        )
    for name, table in source.tables.items():
        if table.database is not None:
            _check_table(name, table)


def check_named(source: "Source", made: str | None) -> None:
    """Raise ValueError where a table of a database does not say which one; ``made`` is one by people."""
    for name, table in source.tables.items():
        if source.kind == "database" and table.database is None and name != made:
            raise ValueError(f"source.tables.{name} lacks database: say which table or query of it")


def _check_table(name: str, table: "Table") -> None:
    plain = Written()
    odd = [each for each in Written.model_fields if each not in OPEN]
    odd = [each for each in odd if getattr(table, each) != getattr(plain, each)]
    odd += [each for each in ("path", "file") if getattr(table, each) is not None]
    if odd:
        raise ValueError(f"tables.{name}.{odd[0]} is of files: a database has types of its own, remove it")
    if table.stamped:
        raise ValueError(
            f"tables.{name}: rows of a database are cut by their time: say which column event_time is"
        )
    if table.times.parts or set(table.times.formats) - UNIX or len(table.times.formats) > 1:
        raise ValueError(
            f"tables.{name}.times: of a database, zone, and format unix or unix_ms; make the rest a time in "
            "a query"
        )
