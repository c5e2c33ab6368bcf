"""The database of a source: which place, whose password, and what its errors mean.

What people are told is said here: a driver's text can hold an address with a password, or values of rows.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlcycle.adapters.delivery import database_duckdb, database_mysql
from mlcycle.adapters.delivery.database_place import Place, place_of
from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import ConfigError, MlcycleError, OutOfSpace, Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

SLOWEST = 600  # seconds that one statement may take
_REFUSED = ("password", "does not exist", "no pg_hba.conf entry", "not permitted to log in", "SSL")
#: What SQLite may do for a source: read. Everything else, ATTACH above all, is refused by it.
_MAY = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


def engine_of(url: str, secret: str, project: str, settings: Settings) -> "tuple[sa.Engine, Place]":
    """An engine that connects anew for each reading. Nothing is asked of the database yet.

    Args:
        url: as a project writes it.
        secret: the word under which the project has the password; empty: none is needed.
        project: its name.
        settings: of who asks.

    Raises ConfigError where the address, the place or the secret is none.
    """
    import sqlalchemy as sa

    place = place_of(url, settings)
    more: dict[str, Any] = {"poolclass": sa.pool.NullPool, "hide_parameters": True}
    if place.kind == "sqlite":
        creator = partial(_opened, place.path, settings)
        return sa.create_engine("sqlite+pysqlite://", creator=creator, **more), place
    if place.kind == "duckdb":
        return database_duckdb.engine(place, settings, more), place
    if place.kind == "mysql":
        return database_mysql.engine(place, _password(secret, project), settings, SLOWEST, more), place
    args: dict[str, Any] = {
        "connect_timeout": max(2, int(settings.timeout)),
        "application_name": f"mlcycle:{project}",
        "options": f"-c default_transaction_read_only=on -c statement_timeout={SLOWEST}s "
        f"-c lock_timeout={max(1, int(settings.timeout))}s -c timezone=UTC",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    args |= {"sslmode": place.sslmode} if place.sslmode else {}
    address = sa.URL.create(
        "postgresql+psycopg2",
        place.user or None,
        _password(secret, project) or None,
        place.host,
        place.port,
        place.name,
    )
    return sa.create_engine(address, connect_args=args, **more), place


def _password(word: str, project: str) -> str:
    if not word:
        return ""
    variable = secret_variable(project, word)
    if not os.environ.get(variable):
        raise ConfigError(f"{variable} is not set: give it to who starts steps (docs/operations.md)")
    return os.environ[variable]


def _opened(path: str, settings: Settings) -> sqlite3.Connection:
    if not Path(path).exists():
        raise Unavailable(f"{path} is not there; it will be looked for again")
    return sqlite3.connect(
        f"file:{quote(path)}?mode=ro", uri=True, timeout=settings.timeout, check_same_thread=False
    )


@contextmanager
def held(connection: "sa.Connection", place: Place) -> Iterator[None]:
    """Hold a connection to reading, and to its time, by the server's or the library's own means."""
    raw: Any = connection.connection.driver_connection
    if place.kind == "duckdb":
        with database_duckdb.bounded(raw, SLOWEST):
            yield
        return
    if place.kind == "sqlite":
        raw.set_authorizer(lambda act, *_: sqlite3.SQLITE_OK if act in _MAY else sqlite3.SQLITE_DENY)
        until = time.monotonic() + SLOWEST
        raw.set_progress_handler(lambda: time.monotonic() > until, 100_000)
    elif place.kind == "mysql":
        database_mysql.read_only(raw, SLOWEST)
    else:
        raw.set_session(isolation_level="REPEATABLE READ", readonly=True)
    yield


def translated(error: Exception, place: Place) -> MlcycleError:
    """What a driver's error means: ours to mend, or to be tried again."""
    original = getattr(error, "orig", None) or error
    state = getattr(original, "pgcode", None) or ""
    text = " ".join(str(original).split())
    if isinstance(original, MlcycleError):
        return original
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, text, place)
    if place.kind == "duckdb":
        return database_duckdb.meaning(original, text, place)
    if place.kind == "mysql" and (found := database_mysql.meaning(original, place)):
        return found
    if state == "57014":
        return Unavailable(f"{place.shown}: a statement took longer than {SLOWEST} s or was cancelled")
    if state == "53100":
        return OutOfSpace(f"{place.shown}: the database has no room left")
    if state[:2] in ("42", "28", "3D", "3F", "22", "25", "0A", "0L"):
        said = getattr(getattr(original, "diag", None), "message_primary", None) or "no reason given"
        return ConfigError(f"{place.shown} refuses: {' '.join(said.split())} ({state})")
    if not state and any(word in text for word in _REFUSED):
        who = f" of {place.user!r}" if place.user else ""
        return ConfigError(
            f"{place.shown} refuses the login{who}: check the user, the database's name, sslmode, and the "
            "password in what source.secret names"
        )
    what = f" ({state})" if state else ""
    return Unavailable(f"{place.shown} does not answer{what}; it will be tried again")


def _of_sqlite(error: sqlite3.Error, text: str, place: Place) -> MlcycleError:
    if any(word in text for word in ("locked", "busy", "interrupted", "disk I/O", "unable to open")):
        return Unavailable(f"{place.shown}: {text}; it will be tried again")
    if "not authorized" in text or "prohibited" in text:
        return ConfigError(f"{place.shown}: a source is only read: a query is one SELECT")
    return ConfigError(f"{place.shown} refuses: {text}")
