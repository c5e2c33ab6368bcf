"""Optuna's tables in the warehouse's schema ``search``, which the role that trains alone may enter."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.warehouse.connection import Warehouse, is_cut
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from psycopg2.extensions import cursor as Cursor

SCHEMA = "search"
BEAT = 15  # seconds between two signs of life of a trial
SILENT = 120  # seconds without one after which a trial is taken for dead


def quiet() -> None:
    """Optuna tells of each trial and of what it calls experimental: a task's log has its own words."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")


def make_tables(settings: Settings, warehouse: Warehouse) -> None:
    """Make Optuna's tables, or bring those of an older Optuna up to date; one at a time, safe to repeat.

    Raises ConfigError where they are of a newer Optuna than this one.
    """
    with locked(warehouse, "tables") as cursor, speaking():
        storage = _storage(settings, skip_compatibility_check=True)
        try:
            here, newest = storage.get_current_version(), storage.get_head_version()
            if here != newest and here not in storage.get_all_versions():
                raise ConfigError(
                    f"the tables of searches are of version {here}, this Optuna knows {newest} at the most: "
                    "install the mlcycle that made them, or a newer one"
                )
            if here != newest:
                storage.upgrade()
        finally:
            storage.engine.dispose()
        _let_keep(cursor)


def _let_keep(cursor: "Cursor") -> None:
    """Let housekeeping read and delete: who makes tables alone may say so."""
    cursor.execute(
        "select 1 from pg_tables where schemaname = %s "
        "and not has_table_privilege('mlcycle_keep', format('%%I.%%I', schemaname, tablename), 'delete')",
        (SCHEMA,),
    )
    if cursor.fetchone() is not None:
        cursor.execute(f"grant select, delete on all tables in schema {SCHEMA} to mlcycle_keep")


@contextmanager
def opened(settings: Settings) -> "Iterator[RDBStorage]":
    """The storage, its tables made already; its connections are closed at the end."""
    quiet()
    with speaking():
        storage = _storage(settings, skip_table_creation=True)
    try:
        with speaking():
            yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def locked(warehouse: Warehouse, name: str) -> "Iterator[Cursor]":
    """Nobody else is inside with the same name, on any machine. A holder that dies lets go."""
    with warehouse.transaction() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"search:{name}",))
        yield cursor


@contextmanager
def speaking() -> Iterator[None]:
    """Turn errors of the database into ours: Optuna wraps SQLAlchemy's, which wrap psycopg2's."""
    import sqlalchemy.exc
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        text = " ".join(str(getattr(error.__cause__, "orig", None) or getattr(error, "orig", error)).split())
        if "permission denied" in text or f'schema "{SCHEMA}" does not exist' in text:
            raise ConfigError(
                f"searches may not use their tables: {text[:300]}; run mlcycle migrate"
            ) from None
        if is_cut(error) or is_cut(error.__cause__ or error):
            raise Unavailable(
                f"the warehouse does not answer: {text[:300]}; it will be tried again"
            ) from None
        raise


def _storage(settings: Settings, **options: Any) -> "RDBStorage":
    from optuna.storages import RDBStorage

    quiet()
    return RDBStorage(
        _url(settings).render_as_string(hide_password=False),
        # Kept open: Optuna asks a dozen times a trial. One may take hours, and a server restart meanwhile.
        engine_kwargs={"pool_size": 2, "max_overflow": 2, "pool_pre_ping": True},
        heartbeat_interval=BEAT,
        grace_period=SILENT,
        **options,
    )


def _url(settings: Settings) -> Any:
    """The step's own DSN as SQLAlchemy writes it, with the schema: Optuna's tables and those of its
    migrations, ``alembic_version`` among them, carry none.
    """
    import sqlalchemy
    from psycopg2.extensions import parse_dsn

    said = dict(parse_dsn(settings.warehouse_dsn.get_secret_value()))
    user, password, database = (said.pop(key, None) for key in ("user", "password", "dbname"))
    said["options"] = f"{said.get('options', '')} -c search_path={SCHEMA} -c timezone=UTC".strip()
    said |= {"application_name": "mlcycle:search", "connect_timeout": str(max(2, int(settings.timeout)))}
    host = said.pop("host", None)
    if host and (host.startswith("/") or "," in host):  # a socket's folder, or several servers
        said["host"], host = host, None
    port = None if host is None else said.pop("port", None)
    return sqlalchemy.URL.create(
        "postgresql+psycopg2",
        username=user,
        password=password,
        host=host,
        port=int(port) if port else None,
        database=database,
        query=said,
    )
