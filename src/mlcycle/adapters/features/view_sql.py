"""A feature view's SELECT as a statement: names and window filled in, wrapped, and held to one SELECT.

It runs as the view's own login, which sees the tables that the view declares and nothing else, in a
read-only transaction with a time limit. What is wrong with it is said in one line with the view's name
and the line of its SQL.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import BinaryIO

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import make_dsn
from pydantic import SecretStr

from mlcycle.adapters.features.versions import relation
from mlcycle.adapters.warehouse.connection import SQL_TYPES, Warehouse
from mlcycle.domain import sql_guard
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError, MlcycleError, Unavailable
from mlcycle.ledger import view_logins
from mlcycle.project import Project
from mlcycle.settings import Settings

TIME_LIMIT = 600  # seconds one statement of a view may take


class TookTooLong(ConfigError):
    """A view's statement ran into its time limit: a shorter window may still do."""


def exported(cursor: Cursor) -> str:
    """The name of the transaction's snapshot, for :func:`reading` to read the same while it lasts."""
    cursor.execute("select pg_export_snapshot()")
    (snapshot,) = cursor.fetchone() or ("",)
    return str(snapshot)


@contextmanager
def reading(
    settings: Settings,
    project: Project,
    view_name: str,
    *,
    snapshot: str = "",
    asking: Warehouse | None = None,
) -> Iterator[Cursor]:
    """A cursor for a view's statements: its login's, on a connection of its own, one snapshot, read only.

    Args:
        settings: of a step of role ``train``.
        project: holds the view.
        view_name: which one.
        snapshot: what another transaction exported; a snapshot of its own where empty.
        asking: the step's connection, in no transaction just now; saves opening another to ask by.

    Raises:
        Unavailable: no server answers, or another session changes the tables' rights at this moment.
        ConfigError: the warehouse makes no such login, or refuses it.
    """
    own = _own(settings, *_login(settings, project, view_name, asking), view_name)
    with ExitStack() as open_:
        try:
            cursor = open_.enter_context(own.reading())
        except MlcycleError as error:
            raise type(error)(f"feature view {view_name!r}, by its own login: {error.message}") from None
        if snapshot:
            cursor.execute("set transaction snapshot %s", (snapshot,))
        yield cursor


def _login(settings: Settings, project: Project, view_name: str, asking: Warehouse | None) -> tuple[str, str]:
    warehouse = asking or Warehouse(settings, name="mlcycle:view-login")
    try:
        with warehouse.transaction() as cursor:
            return view_logins.of_view(cursor, project, view_name)
    except psycopg2.errors.InternalError_ as error:  # "tuple concurrently updated"
        reason = " ".join(str(error).split())
        raise Unavailable(f"feature view {view_name!r}: its login is not ready: {reason}") from None
    finally:
        if asking is None:
            warehouse.close()


def _own(settings: Settings, login: str, password: str, view_name: str) -> Warehouse:
    dsn = make_dsn(settings.warehouse_dsn.get_secret_value(), user=login, password=password)
    return Warehouse(settings.model_copy(update={"warehouse_dsn": SecretStr(dsn)}), f"mlcycle:{view_name}")


def select(
    cursor: Cursor,
    project: Project,
    view_name: str,
    start: datetime,
    end: datetime,
    *,
    known_at: datetime | None = None,
    tables: Mapping[str, sql.Composable] | None = None,
) -> tuple[str, int]:
    """The statement for values that became known in ``(start, end]``.

    Args:
        cursor: quotes for its server.
        project: holds the view.
        view_name: which one.
        start: end of the partition before the first.
        end: end of the last partition.
        known_at: read what was known then of each table.
        tables: what to read in place of all of them, by their names.

    Returns:
        The statement: the view's entities, event_timestamp and columns with their declared types; and
        the position where the view's own SQL begins.

    Raises:
        ConfigError: the SQL is not one SELECT over the tables that the view declares.
    """
    view = project.features[view_name]
    if found := sql_guard.problem(view.sql, view.reads):
        line, reason = found
        raise ConfigError(f"feature view {view_name!r}, line {line}: {reason}")
    known = tables or {name: relation(project, name, known_at) for name in view.reads}
    window = {"start": start, "end": end}
    own: str = cursor.mogrify(sql.SQL(view.sql).format(**known), window).decode()
    head, tail = _wrapper(project, view_name)
    prefix = head.as_string(cursor)
    suffix = cursor.mogrify(tail, window).decode()
    return f"{prefix}{own}{suffix}", len(prefix)


def write(
    cursor: Cursor,
    project: Project,
    view_name: str,
    window: tuple[datetime, datetime],
    stream: BinaryIO,
    known_at: datetime | None = None,
) -> None:
    """Write the values that became known in a window ``(start, end]`` to a stream, as CSV.

    Whether the view is SQL or Python. Raises as ``select`` and ``copy_out`` do.
    """
    if project.features[view_name].python:
        from mlcycle.adapters.features import view_python

        view_python.copy_out(cursor, project, view_name, *window, stream, known_at)
    else:
        copy_out(cursor, view_name, select(cursor, project, view_name, *window, known_at=known_at), stream)


def copy_out(cursor: Cursor, view_name: str, statement: tuple[str, int], stream: BinaryIO) -> None:
    """Write the rows of a view's statement to a stream, as CSV without a header.

    ``cursor`` is one of :func:`reading`. Raises ConfigError, one line with the view and the line of its
    SQL, for SQL that does not run.
    """
    text, begins = statement
    opening = "copy ("
    try:
        cursor.execute("set local statement_timeout = %s", (TIME_LIMIT * 1000,))
        cursor.copy_expert(f"{opening}{text}) to stdout (format csv)", stream)
    except psycopg2.errors.QueryCanceled:
        raise TookTooLong(
            f"feature view {view_name!r} took longer than {TIME_LIMIT} s: make its SQL read less"
        ) from None
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        raise
    except psycopg2.Error as error:
        line, reason = _said(error, text, begins, len(opening))
        where = f"feature view {view_name!r}" + (f", line {line}" if line else "")
        raise ConfigError(f"{where}: {reason}") from None


def explained(cursor: Cursor, project: Project, view_name: str) -> tuple[int, str] | None:
    """Why the server would not run a view's statement, on empty tables as declared; None where it would.

    Nothing is read, made or written: tables are common table expressions without rows, and the statement is
    explained, not run. The line is 0 where the server names none.

    Args:
        cursor: of a read-only transaction, which is worth nothing after a refusal.
        project: holds the view.
        view_name: which one, its SQL fine with ``sql_guard``.
    """
    view = project.features[view_name]
    known = {name: sql.Identifier(f"{project.name}__{name}") for name in view.reads}
    empty = [
        sql.SQL("{} as (select {} where false)").format(
            known[name],
            sql.SQL(", ").join(
                sql.SQL("null::{} as {}").format(sql.SQL(SQL_TYPES[kind]), sql.Identifier(column))
                for column, kind in project.source.tables[name].read_columns.items()
            ),
        )
        for name in view.reads
    ]
    opening = sql.SQL("explain with {} ").format(sql.SQL(", ").join(empty)).as_string(cursor)
    first = Partition.parse(project.source.start, project.unit)
    text, begins = select(cursor, project, view_name, first.start, first.end, tables=known)
    try:
        cursor.execute(f"{opening}{text}")
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        raise
    except psycopg2.Error as error:
        return _said(error, text, begins, len(opening))
    return None


def _said(error: psycopg2.Error, text: str, begins: int, before: int) -> tuple[int, str]:
    """The line of the view's own SQL that the server names, 0 where it names none, and the reason."""
    line = 0
    if error.diag.statement_position:
        at = int(error.diag.statement_position) - 1 - before - begins
        end = text.rfind("\n) v where")
        if 0 <= at < end - begins:
            line = _line(text[begins:], at)
    reason = error.diag.message_primary or " ".join(str(error).split())
    return line, reason + (f" ({error.diag.message_hint})" if error.diag.message_hint else "")


def copy_in(cursor: Cursor, view_name: str, statement: sql.Composable, stream: BinaryIO) -> None:
    """Load what ``write`` wrote. Raises ConfigError where the view gave an entity two values at once."""
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
