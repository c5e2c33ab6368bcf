"""A feature view's SELECT as a statement: names and window filled in, wrapped, and held to one SELECT.

It runs in a read-only transaction with a time limit; what is wrong with it is said in one line with
the view's name and the line of its SQL.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import BinaryIO

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import SQL_TYPES, raw_table
from mlcycle.domain import sql_guard
from mlcycle.errors import ConfigError
from mlcycle.project import Project

TIME_LIMIT = 600  # seconds one statement of a view may take


class TookTooLong(ConfigError):
    """A view's statement ran into its time limit: a shorter window may still do."""


def select(
    cursor: Cursor,
    project: Project,
    view_name: str,
    start: datetime,
    end: datetime,
    tables: Mapping[str, sql.Composable] | None = None,
) -> tuple[str, int]:
    """The statement for values that became known in ``(start, end]``.

    Args:
        cursor: quotes for its server.
        project: holds the view.
        view_name: which one.
        start: end of the partition before the first.
        end: end of the last partition.
        tables: what to read in place of a raw table, by the table's name.

    Returns:
        The statement: the view's entities, event_timestamp and columns with their declared types; and
        the position where the view's own SQL begins.

    Raises:
        ConfigError: the SQL is not one SELECT, or names a table that the view does not declare.
    """
    view = project.features[view_name]
    known = {name: raw_table(project.name, name) for name in view.reads} | dict(tables or {})
    try:
        body = sql.SQL(view.sql).format(**known)
        own: str = cursor.mogrify(body, {"start": start, "end": end}).decode()
    except KeyError as error:
        name = str(error.args[0])
        raise ConfigError(
            f"feature view {view_name!r}: {name!r} is neither a table it reads ({', '.join(view.reads)}) "
            "nor start or end: declare it under reads; a brace or percent sign of SQL is written twice"
        ) from None
    except (ValueError, IndexError, TypeError) as error:
        raise ConfigError(
            f"feature view {view_name!r}: {error}; write tables as {{name}}, the window as %(start)s and "
            "%(end)s, and any other brace or percent sign twice"
        ) from None
    if found := sql_guard.problem(own):
        at, reason = found
        raise ConfigError(f"feature view {view_name!r}, line {_line(own, at)}: {reason}")
    head, tail = _wrapper(project, view_name)
    prefix = head.as_string(cursor)
    suffix = cursor.mogrify(tail, {"start": start, "end": end}).decode()
    return f"{prefix}{own}{suffix}", len(prefix)


def copy_out(
    cursor: Cursor, view_name: str, statement: tuple[str, int], stream: BinaryIO, *, csv: bool = False
) -> None:
    """Write the rows of a view's statement to a stream, as COPY reads them back or as CSV.

    Raises ConfigError, one line with the view and the line of its SQL, for SQL that does not run.
    """
    text, begins = statement
    opening = "copy ("
    try:
        cursor.execute("set local statement_timeout = %s", (TIME_LIMIT * 1000,))
        cursor.copy_expert(f"{opening}{text}) to stdout{' (format csv)' if csv else ''}", stream)
    except psycopg2.errors.QueryCanceled:
        raise TookTooLong(
            f"feature view {view_name!r} took longer than {TIME_LIMIT} s: make its SQL read less"
        ) from None
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        raise
    except psycopg2.Error as error:
        where = f"feature view {view_name!r}"
        if error.diag.statement_position:
            at = int(error.diag.statement_position) - 1 - len(opening) - begins
            end = text.rfind("\n) v where")
            if 0 <= at < end - begins:
                where += f", line {_line(text[begins:], at)}"
        reason = error.diag.message_primary or " ".join(str(error).split())
        hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
        raise ConfigError(f"{where}: {reason}{hint}") from None


def copy_in(cursor: Cursor, view_name: str, statement: sql.Composable, stream: BinaryIO) -> None:
    """Load what ``copy_out`` wrote. Raises ConfigError where the view gave an entity two values at once."""
    try:
        cursor.copy_expert(statement.as_string(cursor), stream)
    except psycopg2.errors.UniqueViolation as error:
        raise ConfigError(
            f"feature view {view_name!r} gives two values for one entity and event_timestamp: "
            f"{error.diag.message_detail}; group by the entities"
        ) from None


def _wrapper(project: Project, view_name: str) -> tuple[sql.Composable, sql.Composable]:
    view, entity = project.features[view_name], project.entity_table
    kinds = {name: SQL_TYPES[entity.columns[name]] for name in view.entities}
    kinds["event_timestamp"] = "timestamptz"
    kinds.update({name: SQL_TYPES[kind] for name, kind in view.columns.items()})
    columns = [
        sql.SQL("{}::{}").format(sql.Identifier("v", name), sql.SQL(kind)) for name, kind in kinds.items()
    ]
    head = sql.SQL("select {} from (\n").format(sql.SQL(", ").join(columns))
    present = [sql.SQL("{} is not null").format(sql.Identifier("v", name)) for name in view.entities]
    tail = sql.SQL(
        "\n) v where v.event_timestamp > %(start)s and v.event_timestamp <= %(end)s and {}"
    ).format(sql.SQL(" and ").join(present))
    return head, tail


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
