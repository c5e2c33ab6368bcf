"""What a source of each kind may say, and what is another kind's."""

import re
from typing import TYPE_CHECKING

from mlcycle.project.misfit import Misfit
from mlcycle.project.written import Written

if TYPE_CHECKING:
    from mlcycle.project.source import Source, Table

URL = re.compile(r"(postgresql|mysql|sqlite|duckdb)://|\{source\}")
#: Of how a table is written, what a kind leaves open.
OPEN = {
    "database": frozenset({"rename", "trim", "nulls", "booleans", "times", "constants", "row_number"}),
    "events": frozenset({"rename", "trim", "nulls", "numbers", "booleans", "times", "constants"}),
}
UNIX = frozenset({"unix", "unix_ms"})


def check_source(source: "Source") -> None:
    """Raise ValueError where a source of one kind says things of another."""
    for name, table in source.tables.items():
        for kind in ("database", "events"):
            if getattr(table, kind) is not None and source.kind != kind:
                what = "a database" if kind == "database" else "a queue of events"
                raise ValueError(f"tables.{name}.{kind} is for {what}: say kind: {kind}")
    if source.secret and source.kind != "database":
        raise ValueError("secret is for a database: say kind: database")
    if source.kind == "events" and source.url:
        raise Misfit("url is of files and databases: events are put into the platform's own queue", "url")
    if source.kind != "events" and not source.url:
        raise Misfit("url is missing: where the deliveries lie", "url")
    if source.kind == "database" and (
        not URL.match(source.url) or re.match(r"[a-z]+://[^/?]*:[^/?]*@", source.url)
    ):
        raise ValueError(
            "url of a database is postgresql://user@host/database, mysql://user@host/database, "
            "sqlite:///folder/file.db or duckdb:///folder/file.duckdb; a password stands in what secret names"
        )
    for name, table in source.tables.items():
        if table.database is not None:
            _check_table(name, table, "database")
        if table.events is not None:
            _check_table(name, table, "events")
            _check_events(name, table)


def check_named(source: "Source", made: str | None) -> None:
    """Raise ValueError where a table does not say what its source must know; ``made`` is one by people."""
    for name, table in source.tables.items():
        if name == made:
            continue
        if source.kind == "database" and table.database is None:
            raise ValueError(f"source.tables.{name} lacks database: say which table or query of it")
        if source.kind == "events" and table.events is None:
            raise ValueError(f"source.tables.{name} lacks events: say events: {{}}, or which field is the id")


def _check_table(name: str, table: "Table", kind: str) -> None:
    plain = Written()
    odd = [each for each in Written.model_fields if each not in OPEN[kind]]
    odd = [each for each in odd if getattr(table, each) != getattr(plain, each)]
    odd += [each for each in ("path", "file") if getattr(table, each) is not None]
    if odd:
        why = "a database has types of its own" if kind == "database" else "events are put as JSON"
        raise ValueError(f"tables.{name}.{odd[0]} is of files: {why}, remove it")
    if table.stamped:
        what = "rows of a database" if kind == "database" else "events"
        raise ValueError(f"tables.{name}: {what} are cut by their time: say which column event_time is")
    if table.times.parts or set(table.times.formats) - UNIX or len(table.times.formats) > 1:
        cure = "make the rest a time in a query" if kind == "database" else "the rest is ISO 8601"
        raise ValueError(f"tables.{name}.times: of {kind}, zone, and format unix or unix_ms; {cure}")


def _check_events(name: str, table: "Table") -> None:
    if table.files:
        raise ValueError(
            f"tables.{name}.files names files below source.url, which events have not: remove it"
        )
