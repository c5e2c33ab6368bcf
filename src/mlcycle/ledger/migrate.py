"""Bring the warehouse's schemas up to date, and give each role its password.

Runs as the database's owner, never as a step: a superuser, or the database's owner with CREATEROLE as a
hosted PostgreSQL gives one. Several at once are safe: an advisory lock lets one in at a time, and a
migration is one transaction.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlcycle.cycle import ALL_ROLES
from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, MlcycleError, Unavailable
from mlcycle.ledger import view_logins
from mlcycle.ledger.passwords import set_password

LOCK = 0x6D6C63  # any number that nobody else uses
OWNER = "MLCYCLE_DSN_OWNER"
MIGRATIONS = Path(__file__).parent / "migrations"


def credentials(env: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The owner's DSN, and each role's password out of the role's own DSN.

    Raises ConfigError, one line that never shows a password, for a variable that is missing or wrong.
    """
    variables = {role: f"MLCYCLE_DSN_{role.upper()}" for role in ALL_ROLES}
    if missing := [name for name in (OWNER, *variables.values()) if not env.get(name)]:
        raise ConfigError(f"{', '.join(missing)}: not set; write each like {dsns.FORM} (see .env.example)")
    _parsed(OWNER, env[OWNER])
    passwords = {}
    for role, variable in variables.items():
        said, wanted = _parsed(variable, env[variable]), f"mlcycle_{role}"
        if said.get("user") != wanted:
            raise ConfigError(
                f"{variable}: the user is {said.get('user', '')!r}, expected {wanted!r}: "
                "each role logs in under its own name"
            )
        if not said.get("password"):
            raise ConfigError(f"{variable}: no password in it; write the one that {wanted} is to have")
        passwords[role] = said["password"]
    return env[OWNER], passwords


def migrate(owner_dsn: str, passwords: dict[str, str]) -> tuple[str | None, str]:
    """Create or upgrade the schemas and the roles ``mlcycle_<role>``.

    Args:
        owner_dsn: DSN or URL of a role that may create schemas and roles.
        passwords: one for each of ``cycle.ALL_ROLES``.

    Returns:
        The schemas' version before (None where there were none) and now.

    Raises:
        Unavailable: no server answers.
        ConfigError: the login is refused, may not do this, or the schemas are newer than this code.
    """
    import psycopg2
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known, newest = versions()
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://", creator=lambda: _connect(owner_dsn), poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
            options = {"version_table": "schema_version", "version_table_schema": "ledger"}
            before = MigrationContext.configure(connection, opts=options).get_current_revision()
            if before is not None and before not in known:
                raise _newer(before, newest)
            _ensure_roles(connection.connection.cursor(), passwords)
            connection.execute(sqlalchemy.text("create schema if not exists ledger"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (psycopg2.Error, sqlalchemy.exc.DBAPIError) as error:
        cause = getattr(error, "orig", error)
        raise _translated(cause) from (None if isinstance(cause, psycopg2.OperationalError) else error)
    return before, newest


def versions() -> tuple[list[str], str]:
    """The versions of the schemas that this code knows, and the newest."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    known, newest = [script.revision for script in scripts.walk_revisions()], scripts.get_current_head()
    assert newest is not None
    return known, newest


def is_up_to_date(dsn: str) -> bool:
    """Whether the schemas are at this code's version, asked by any role of the ledger's.

    Raises ConfigError where they are newer, Unavailable where no server answers, or refuses the role: it is
    made with the schemas.
    """
    import psycopg2

    known, newest = versions()
    try:
        connection = _connect(dsn)
    except psycopg2.OperationalError as error:
        raise Unavailable(f"the warehouse does not answer: {' '.join(str(error).split())}") from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("select to_regclass('ledger.schema_version') is not null")
            if cursor.fetchone() != (True,):
                return False
            cursor.execute("select version_num from ledger.schema_version")
            row = cursor.fetchone()
    except psycopg2.errors.InsufficientPrivilege:
        return False
    finally:
        connection.close()
    if row is not None and row[0] not in known:
        raise _newer(row[0], newest)
    return row is not None and bool(row[0] == newest)


def _newer(found: str, newest: str) -> ConfigError:
    return ConfigError(
        f"the ledger has version {found}, and this mlcycle knows {newest} at the most: "
        "install the mlcycle that made it, or a newer one"
    )


def _parsed(variable: str, dsn: str) -> dict[str, str]:
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        parsed = dict(parse_dsn(dsn))
    except psycopg2.ProgrammingError:
        raise dsns.not_one(variable) from None
    dsns.check(variable, dsn)
    return parsed


def _connect(dsn: str) -> Any:
    import psycopg2

    return psycopg2.connect(dsn, connect_timeout=10, application_name="mlcycle:migrate")


def _translated(error: BaseException) -> MlcycleError | BaseException:
    """The error a person can act on; an error of our own SQL stays what it is."""
    import psycopg2
    from psycopg2 import errors

    text = " ".join(str(error).split())
    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigError(
            f"the owner may not do this: {text}; {OWNER} needs a superuser, or the database's owner with "
            "CREATEROLE who made the roles mlcycle_* or holds them with admin option"
        )
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        refused = ("authentication failed", "does not exist", "no password supplied", "no pg_hba.conf entry")
        if any(words in text for words in refused):
            return ConfigError(f"the warehouse refused the owner's login: {text}; check {OWNER}")
        return Unavailable(f"the warehouse does not answer: {text}; check {OWNER}, or try again")
    return error


def _ensure_roles(cursor: object, passwords: dict[str, str]) -> None:
    from psycopg2 import sql
    from psycopg2.extensions import cursor as Cursor

    assert isinstance(cursor, Cursor)
    cursor.execute("select 1 from pg_roles where rolname = %s", (view_logins.GROUP,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("create role {} nologin").format(sql.Identifier(view_logins.GROUP)))
    for name in ALL_ROLES:
        role = sql.Identifier(f"mlcycle_{name}")
        cursor.execute(
            "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = %s",
            (f"mlcycle_{name}",),
        )
        found = cursor.fetchone()
        # Only a superuser may say NOSUPERUSER of a role that exists: not said where there is nothing to take.
        limits = "" if found == (False,) else " nosuperuser nocreatedb nocreaterole"
        statement = sql.SQL(("alter" if found else "create") + " role {} login" + limits).format(role)
        cursor.execute(statement)
        set_password(cursor, f"mlcycle_{name}", passwords[name])
        # Default privileges are a member's to set, and the creator of a role is none from PostgreSQL 16 on.
        cursor.execute("select pg_has_role(%s, 'usage')", (f"mlcycle_{name}",))
        if cursor.fetchone() == (False,):
            cursor.execute(sql.SQL("grant {} to current_user").format(role))
