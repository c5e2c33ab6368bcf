"""The database of a source: which place, whose password, and what its errors mean.

What people are told is said here: a driver's text can hold an address with a password, or values of rows.
"""

import os
import re
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mlcycle.adapters.delivery.places import SOURCE, allowed_source
from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import ConfigError, MlcycleError, OutOfSpace, Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

SLOWEST = 600  # seconds that one statement may take
SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_URL = re.compile(r"postgresql://(?:([^@/?]*)@)?([a-zA-Z0-9_.:\[\]-]+)/([\w.-]+)(?:\?sslmode=([a-z-]+))?")
_REFUSED = ("password", "does not exist", "no pg_hba.conf entry", "not permitted to log in", "SSL")
#: What SQLite may do for a source: read. Everything else, ATTACH above all, is refused by it.
_MAY = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


@dataclass(frozen=True)
class Place:
    """Where a database is, without its password."""

    shown: str  # to people
    path: str = ""  # of a SQLite file
    user: str = ""
    host: str = ""
    port: int = 5432
    name: str = ""
    sslmode: str = ""


def place_of(given: str, settings: Settings) -> Place:
    """Where a source's database is. Raises ConfigError for a place that is not allowed, or no address."""
    url = given
    if url.startswith("sqlite://"):
        return _file("file://" + url.removeprefix("sqlite://"), settings)
    if url.startswith(SOURCE) and settings.source_url.startswith("file://"):
        return _file(url, settings)
    if url.startswith(SOURCE):
        if url.removeprefix(SOURCE)[:1] not in ("", "/"):
            raise ConfigError(f"source.url {url!r}: a / stands behind {SOURCE}")
        url = settings.source_url.rstrip("/") + url.removeprefix(SOURCE)
    match = _URL.fullmatch(url)
    if match is None or (match[4] and match[4] not in SSL):
        raise ConfigError(
            "source.url: a database is written postgresql://user@host:5432/database, with "
            "?sslmode=verify-full where that is wanted, or sqlite:///folder/file.db"
        )
    user, address, name, sslmode = match.groups()
    plain = f"postgresql://{address}/{name}"
    if not given.startswith(SOURCE):
        allowed_source(plain, settings)
    host, _, port = address.rpartition(":") if re.search(r":[0-9]+$", address) else (address, "", "5432")
    return Place(
        plain,
        user=unquote((user or "").partition(":")[0]),
        host=host.strip("[]"),
        port=int(port),
        name=name,
        sslmode=sslmode or "",
    )


def _file(url: str, settings: Settings) -> Place:
    """A SQLite file, which is allowed where files are."""
    filled, places = allowed_source(url, settings)
    path = filled.removeprefix("file://")
    places.check_file(path)
    return Place(f"sqlite://{path}", path=path)


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
    if place.path:
        return sa.create_engine(
            "sqlite+pysqlite://", creator=lambda: _opened(place.path, settings), **more
        ), place
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


def read_only(connection: "sa.Connection") -> None:
    """Hold a connection to reading, by the server's or the library's own means."""
    raw: Any = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        raw.set_authorizer(lambda act, *_: sqlite3.SQLITE_OK if act in _MAY else sqlite3.SQLITE_DENY)
        until = time.monotonic() + SLOWEST
        raw.set_progress_handler(lambda: time.monotonic() > until, 100_000)
    else:
        raw.set_session(isolation_level="REPEATABLE READ", readonly=True)


def translated(error: Exception, place: Place) -> MlcycleError:
    """What a driver's error means: ours to mend, or to be tried again."""
    original = getattr(error, "orig", None) or error
    state = getattr(original, "pgcode", None) or ""
    text = " ".join(str(original).split())
    if isinstance(original, MlcycleError):
        return original
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, text, place)
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
