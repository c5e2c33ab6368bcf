"""PostgreSQL through psycopg2: connections, transactions, safe names, and errors by kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, InputError, MlcycleError, OutOfSpace, Unavailable
from mlcycle.settings import Settings, scratch_base

#: SQLSTATEs of a session that was ended or a transaction that was cut, by a limit, an administrator or the
#: network. psycopg2 files them under several classes: those of a limit are no OperationalError.
CUT = frozenset({"25P03", "25P04", "57P01", "57P02", "57P03", "57P05", "40001", "40P01", "55P03"})

ASKING = 60  # seconds that a person's statement may take

SQL_TYPES = {
    "text": "text",
    "integer": "bigint",
    "double": "double precision",
    "boolean": "boolean",
    "timestamp": "timestamptz",
}


def raw_table(project: str, table: str) -> sql.Identifier:
    """``raw."<project>__<table>"``, quoted."""
    return sql.Identifier("raw", f"{project}__{table}")


def feature_table(project: str, view: str) -> sql.Identifier:
    """``features."<project>__<view>"``, quoted."""
    return sql.Identifier("features", f"{project}__{view}")


def connect(settings: Settings, *, name: str = "mlcycle") -> Connection:
    """Open a connection; UTC, application name set, bounded waiting.

    Raises ConfigError for a wrong DSN or password, Unavailable where no server answers.
    """
    dsn = settings.warehouse_dsn.get_secret_value()
    dsns.check("MLCYCLE_WAREHOUSE_DSN", dsn)
    try:
        connection = psycopg2.connect(
            dsn,
            connect_timeout=max(2, int(settings.timeout)),
            application_name=name,
            options="-c timezone=UTC",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        _bound_transactions(connection)
        return connection
    except psycopg2.ProgrammingError:
        raise dsns.not_one("MLCYCLE_WAREHOUSE_DSN") from None
    except psycopg2.OperationalError as error:
        raise _translated(error) from None


def _bound_transactions(connection: Connection) -> None:
    """A step that was stopped inside a transaction holds its locks: the server ends it, so that the
    retry goes on. What the server's administrator has set stays. PostgreSQL before 17 lacks one of them.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """select set_config(name, bound, false)
               from (values ('idle_in_transaction_session_timeout', '60s'), ('transaction_timeout', '30min'))
                 as wanted (name, bound)
               where current_setting(name, true) = '0'"""
        )


class Warehouse:
    """One connection, opened when first used."""

    def __init__(self, settings: Settings, name: str = "mlcycle") -> None:
        self._settings = settings
        self._name = name
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The open connection. Raises Unavailable or ConfigError when it cannot be opened."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings, name=self._name)
        return self._connection

    @property
    def scratch(self) -> Path | None:
        """Where to stage what is read; None is the system's temporary folder."""
        return scratch_base(self._settings.scratch)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor inside one transaction: committed at the end, rolled back on any error."""
        connection = self.connection
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise _translated(error, ended=bool(connection.closed)) from error

    @contextmanager
    def statements(self) -> Iterator[Cursor]:
        """A cursor whose every statement is a transaction of its own: between them nothing is held open."""
        connection = self.connection
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise _translated(error, ended=bool(connection.closed)) from error
        finally:
            if not connection.closed:
                connection.autocommit = False

    @contextmanager
    def reading(self) -> Iterator[Cursor]:
        """A cursor on a connection of its own: one snapshot, read only, whatever is written meanwhile."""
        connection = connect(self._settings, name=f"{self._name}:read")
        try:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection, connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise _translated(error, ended=bool(connection.closed)) from error
        finally:
            connection.close()

    def query(self, statement: str | sql.Composable, params: Any = None) -> list[tuple[Any, ...]]:
        """Rows of one statement, in a transaction of its own."""
        with self.transaction() as cursor:
            cursor.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def select_read_only(
    settings: Settings, query: str, params: tuple[Any, ...] | None = None
) -> list[dict[str, Any]]:
    """Rows of one statement in a read-only transaction, each as column -> value.

    Raises InputError for a statement the server refuses, or that takes longer than ``ASKING``.
    """
    connection = connect(settings, name="mlcycle:sql")
    try:
        connection.set_session(readonly=True)
        with connection, connection.cursor() as cursor:
            cursor.execute("set local statement_timeout = %s", (f"{ASKING}s",))
            cursor.execute(query, params)
            if cursor.description is None:
                raise InputError("the statement returns no rows: write one SELECT")
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except psycopg2.errors.QueryCanceled:
        raise InputError(f"the statement took longer than {ASKING} s: ask for less") from None
    except psycopg2.OperationalError as error:
        raise _translated(error) from None
    except psycopg2.Error as error:
        raise InputError(f"the warehouse refused the statement: {error}") from None
    finally:
        connection.close()


def is_cut(error: BaseException) -> bool:
    """Whether an error, or one that it wraps, says that a session or transaction was ended from outside.

    Knows psycopg2's errors, psycopg's and those of SQLAlchemy around them: Feast brings the latter two.
    Two sessions that make the same table at once count too: one of them finds it on its next try.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        state = getattr(found, "pgcode", None) or getattr(found, "sqlstate", None) or ""
        if state in CUT or state.startswith("08") or _lost_race(found, state):
            return True
        if type(found).__name__ in ("OperationalError", "InterfaceError") and not state:
            return True
        found = getattr(found, "orig", None) or found.__cause__
    return False


def _lost_race(error: BaseException, state: str) -> bool:
    """A unique index of the catalog says that another session has just made the same thing."""
    name = str(getattr(getattr(error, "diag", None), "constraint_name", None) or "")
    return (state == "23505" and name.startswith("pg_")) or "tuple concurrently updated" in str(error)


def _translated(error: psycopg2.Error, *, ended: bool = False) -> MlcycleError | psycopg2.Error:
    """The error a caller can act on; an error of our own SQL stays what it is.

    ``ended`` says that the server or the network ended the session: whatever the error is called then,
    the work may be tried again.
    """
    text = " ".join(str(error).split())
    if isinstance(error, psycopg2.errors.DiskFull):
        return OutOfSpace(f"the warehouse has no room left: {text}; free space on its disk and retry")
    if isinstance(error, psycopg2.errors.InsufficientPrivilege):
        return ConfigError(f"the step's database role may not do this: {text}")
    if "authentication failed" in text or ("does not exist" in text and "role" in text):
        return ConfigError(f"the warehouse refused the login: {text}; check MLCYCLE_WAREHOUSE_DSN")
    if "does not exist" in text and "database" in text and isinstance(error, psycopg2.OperationalError):
        return ConfigError(f"{text}; check MLCYCLE_WAREHOUSE_DSN")
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return Unavailable(f"the warehouse does not answer: {text}; it will be tried again")
    if ended or is_cut(error):
        return Unavailable(f"the warehouse ended the session: {text}; it will be tried again")
    return error
