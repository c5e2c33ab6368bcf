"""Databases of the services, and the roles that own them, on a server that somebody else has made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.ledger.passwords import set_password

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

ADMIN = "MLCYCLE_DSN_ADMIN"
#: Variables that name a database and its owner.
OWNED = (
    "MLCYCLE_DSN_OWNER",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "MLFLOW_BACKEND_STORE_URI",
    "EVIDENTLY_DATABASE_URL",
)
LOCK = 0x6D6C64  # any number that nobody else uses


@dataclass(frozen=True)
class Database:
    """A database and the role that owns it."""

    name: str
    owner: str
    password: str = field(repr=False)
    makes_roles: bool = False


def named(env: Mapping[str, str]) -> list[Database]:
    """The databases that the environment's DSNs name. Raises ConfigError for one that says too little."""
    found = []
    for variable in OWNED:
        if env.get(variable):
            parts = parsed(variable, env[variable])
            if missing := [key for key in ("dbname", "user", "password") if not parts.get(key)]:
                raise ConfigError(f"{variable}: no {missing[0]} in it; write it like {dsns.FORM}")
            # The ledger's migrations make a role for each kind of step.
            makes_roles = variable == "MLCYCLE_DSN_OWNER"
            found.append(Database(parts["dbname"], parts["user"], parts["password"], makes_roles))
    return found


def parsed(variable: str, url: str) -> dict[str, str]:
    """The parts of a DSN, or of a database's URL as SQLAlchemy spells it. Raises ConfigError."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    dsn = libpq(url)
    dsns.check(variable, dsn)
    try:
        return dict(parse_dsn(dsn))
    except psycopg2.ProgrammingError:
        raise dsns.not_one(variable) from None


def libpq(url: str) -> str:
    """A database's URL without the driver that SQLAlchemy takes in it."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql://{rest}" if separator and scheme.startswith("postgresql+") else url


def create(admin_dsn: str, databases: list[Database]) -> list[str]:
    """Make the databases and their owners unless they are there, and give each owner its password.

    Args:
        admin_dsn: DSN of any database of the server, as a role that may make databases and roles.
        databases: which.

    Returns:
        Names of the databases that were not there.

    Raises:
        ConfigError: the login is refused, or may not do this.
        Unavailable: no server answers.
    """
    import psycopg2

    try:
        connection = psycopg2.connect(admin_dsn, connect_timeout=10, application_name="mlcycle:prepare")
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        refused = "authentication failed" in reason or "does not exist" in reason
        kind = ConfigError if refused else Unavailable
        raise kind(f"PostgreSQL lets {ADMIN} not in: {reason}") from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
            for one in databases:
                _ensure_role(cursor, one)
        connection.autocommit = True
        with connection.cursor() as cursor:
            return [one.name for one in databases if _ensure_database(cursor, one)]
    except psycopg2.errors.InsufficientPrivilege as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{ADMIN} may not do this: {reason}; it needs a superuser, or a role with CREATEDB and CREATEROLE"
        ) from None
    finally:
        connection.close()


def _ensure_role(cursor: "Cursor", database: Database) -> None:
    from psycopg2 import sql

    role = sql.Identifier(database.owner)
    cursor.execute("select 1 from pg_roles where rolname = %s", (database.owner,))
    if cursor.fetchone() is None:
        rights = sql.SQL(" createrole" if database.makes_roles else "")
        cursor.execute(sql.SQL("create role {} login{}").format(role, rights))
    set_password(cursor, database.owner, database.password)
    cursor.execute("select pg_has_role(%s, 'usage')", (database.owner,))
    if cursor.fetchone() == (False,):  # who gives a database to a role must be a member of it
        cursor.execute(sql.SQL("grant {} to current_user").format(role))


def _ensure_database(cursor: "Cursor", database: Database) -> bool:
    from psycopg2 import sql

    cursor.execute("select 1 from pg_database where datname = %s", (database.name,))
    if cursor.fetchone() is not None:
        return False
    # A server that was set up without a locale would make them SQL_ASCII, where clients get bytes for text.
    statement = sql.SQL("create database {} owner {} encoding 'UTF8' template template0")
    cursor.execute(statement.format(sql.Identifier(database.name), sql.Identifier(database.owner)))
    return True
