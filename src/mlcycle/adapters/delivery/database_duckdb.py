"""DuckDB: a file of its own, or Parquet and CSV files below a folder, read by a query and by no other means.

Outside the folder, and but to read, DuckDB may do nothing: its own settings say so, and are locked.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.database_place import Place
from mlcycle.errors import ConfigError, MlcycleError, Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

FOLDER = "{folder}"  # in a query: where the source's files are
MEMORY = "1GB"


def engine(place: Place, settings: Settings, more: dict[str, Any]) -> "sa.Engine":
    """An engine on a file or a folder. Raises ConfigError where DuckDB is not installed."""
    try:
        import duckdb
    except ImportError:
        raise ConfigError(
            "a DuckDB is read by duckdb, which is not installed: install mlcycle[duckdb]"
        ) from None
    import sqlalchemy as sa
    from sqlalchemy.engine.default import DefaultDialect

    class Dialect(DefaultDialect):
        """As much of DuckDB as a SELECT needs: names, parameters, no transaction of its own."""

        name = driver = "duckdb"
        default_paramstyle = "qmark"
        supports_statement_cache = True
        supports_native_boolean = True

        @classmethod
        def import_dbapi(cls) -> Any:
            return duckdb

        def initialize(self, _connection: Any) -> None:
            """Nothing is asked of a database before a source asks it."""

        def do_rollback(self, _connection: Any) -> None:
            """What only reads has nothing to take back."""

    sa.dialects.registry.impls["duckdb"] = lambda: Dialect
    return sa.create_engine("duckdb://", creator=lambda: _opened(place, settings.threads), **more)


class Cursor:
    """A connection as its own cursor: DuckDB's would be another connection, in another schema, with a query
    of its own that the first could not interrupt.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def close(self) -> None:
        """The connection closes."""


class Opened:
    """A connection whose cursor is itself."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def cursor(self) -> Cursor:
        """What statements run on."""
        return Cursor(self._raw)


def _opened(place: Place, threads: int) -> Opened:
    import duckdb

    path = Path(place.path)
    if not path.exists():
        raise Unavailable(f"{path} is not there; it will be looked for again")
    config: dict[str, Any] = {"memory_limit": MEMORY, "threads": threads or 2, "temp_directory": ""}
    config |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    # A file is attached, not opened: opened twice in one process it would be one database with one setting.
    raw = duckdb.connect(":memory:", config=config)
    file = [] if path.is_dir() else [f"attach {_quoted(str(path))} as source_ (read_only)", "use source_"]
    for statement in (
        "load icu",  # time zones; it comes with the package
        "set TimeZone = 'UTC'",
        *file,
        f"set allowed_directories = [{_quoted(place.folder)}]",
        "set enable_external_access = false",
        "set lock_configuration = true",
    ):
        raw.execute(statement)
    return Opened(raw)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def bounded(raw: Any, seconds: float) -> Iterator[None]:
    """Interrupt what still runs after so many seconds: DuckDB has no time limit of its own."""
    done = threading.Event()

    def watch() -> None:
        late = not done.wait(seconds)
        while late:  # an interrupt between two statements is lost
            raw.interrupt()
            late = not done.wait(0.2)

    watcher = threading.Thread(target=watch, name="mlcycle-duckdb", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def problem(query: str) -> tuple[int, str] | None:
    """The line and the reason where a query is not one SELECT, by DuckDB's own parser."""
    import duckdb

    try:
        found = duckdb.extract_statements(query)
    except duckdb.Error as error:
        return 1, " ".join(str(error).split())[:200]
    if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
        return 1, "a source is only read: a query is one SELECT"
    return None


def meaning(error: BaseException, text: str, place: Place) -> MlcycleError:
    """What an error of DuckDB means: ours to mend, or to be tried again."""
    name = type(error).__name__
    if name in ("IOException", "InterruptException", "OutOfMemoryException", "ResourceInUseException"):
        return Unavailable(f"{place.shown}: {text[:200]}; it will be tried again")
    if name == "PermissionException":
        return ConfigError(
            f"{place.shown}: a query reads files below {place.folder} alone: write {FOLDER} for it"
        )
    return ConfigError(f"{place.shown} refuses: {text[:300]}")
