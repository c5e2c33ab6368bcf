"""Bring the warehouse's schemas up to date, and give each role its password.

Runs as the database's owner, never as a step. Several at once are safe: an advisory lock lets one
in at a time, and a migration is one transaction.
"""

from pathlib import Path

from mlcycle.cycle import ALL_ROLES

LOCK = 0x6D6C63  # any number that nobody else uses


def migrate(owner_dsn: str, passwords: dict[str, str]) -> None:
    """Create or upgrade the schemas and the roles ``mlcycle_<role>``.

    Args:
        owner_dsn: URL of a role that may create schemas and roles.
        passwords: one for each of ``cycle.ALL_ROLES``.
    """
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    engine = sqlalchemy.create_engine(
        owner_dsn.replace("postgresql://", "postgresql+psycopg2://", 1), poolclass=sqlalchemy.pool.NullPool
    )
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
        _ensure_roles(connection.connection.cursor(), passwords)
        connection.execute(sqlalchemy.text("create schema if not exists ledger"))
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _ensure_roles(cursor: object, passwords: dict[str, str]) -> None:
    from psycopg2 import sql
    from psycopg2.extensions import cursor as Cursor

    assert isinstance(cursor, Cursor)
    for name in ALL_ROLES:
        role = sql.Identifier(f"mlcycle_{name}")
        cursor.execute("select 1 from pg_roles where rolname = %s", (f"mlcycle_{name}",))
        verb = "alter" if cursor.fetchone() else "create"
        cursor.execute(
            sql.SQL(verb + " role {} login nosuperuser nocreatedb nocreaterole password {}").format(
                role, sql.Literal(passwords[name])
            )
        )
