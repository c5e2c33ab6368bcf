"""Feature tables: ``features."<project>__<view>"``, a row for each entity and moment a value was known.

A view whose definition changes is built in a table of its own beside the one that is read, piece by
piece, and takes its place by name once it is whole. A reader whose snapshot is older than that would
find the new table and none of its rows: :func:`readable` tells it, so that it starts again.
"""

import hashlib

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import SQL_TYPES, feature_table
from mlcycle.errors import Unavailable
from mlcycle.project import Project

SWAP_PATIENCE = "5s"  # readers that come after a swap that waits for earlier ones wait with it


def table_exists(cursor: Cursor, schema: str, name: str) -> bool:
    """Whether there is such a table."""
    cursor.execute("select 1 from pg_tables where schemaname = %s and tablename = %s", (schema, name))
    return cursor.fetchone() is not None


def readable(cursor: Cursor, project: str, view: str) -> bool:
    """Whether a view has values. If so its table stays the same until the transaction ends.

    Raises Unavailable where the view was built anew after the cursor's snapshot: its rows are not to be
    seen there, and that is not the same as values that are missing.
    """
    name = f"{project}__{view}"
    # The catalog as the snapshot sees it; names are resolved as of now.
    cursor.execute(
        """select c.oid::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'features' and c.relname = %s and c.relkind = 'r'""",
        (name,),
    )
    found = cursor.fetchone()
    if found is None:
        return False
    table = feature_table(project, view)
    cursor.execute(sql.SQL("lock table {} in access share mode").format(table))
    cursor.execute("select to_regclass(%s)::oid::bigint", (table.as_string(cursor),))
    if cursor.fetchone() != found:
        raise Unavailable(
            f"feature view {view!r} was built anew while it was being read; it will be tried again"
        )
    return True


def lock_view(cursor: Cursor, project: str, view: str) -> None:
    """Hold the view until the transaction ends: whoever publishes its values is alone."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"features:{project}:{view}",))


def as_declared(cursor: Cursor, project: Project, view_name: str) -> bool:
    """Whether a view's table is there with the columns that the project declares."""
    cursor.execute(
        """select column_name, data_type from information_schema.columns
           where table_schema = 'features' and table_name = %s""",
        (f"{project.name}__{view_name}",),
    )
    declared = _columns(project, view_name)
    return dict(cursor.fetchall()) == {**declared, "created_timestamp": "timestamp with time zone"}


def build_table(project: str, view: str, definition: str) -> sql.Identifier:
    """Where a view of this definition is built. No project can bear such a name."""
    digest = hashlib.sha256(f"{project}/{view}/{definition}".encode()).hexdigest()[:24]
    return sql.Identifier("features", f"~{digest}")


def ensure_build_table(cursor: Cursor, project: Project, view_name: str, definition: str) -> None:
    """Create the table in which a view is built. Call with the view locked."""
    table, view = build_table(project.name, view_name, definition), project.features[view_name]
    cursor.execute("select to_regclass(%s) is null", (table.as_string(cursor),))
    if cursor.fetchone() == (False,):
        return
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
        for column, kind in _columns(project, view_name).items()
    ]
    cursor.execute(
        sql.SQL(
            "create table {} ({}, created_timestamp timestamptz not null default now(), primary key ({}))"
        ).format(
            table,
            sql.SQL(", ").join(definitions),
            sql.SQL(", ").join(map(sql.Identifier, [*view.entities, "event_timestamp"])),
        )
    )
    cursor.execute(sql.SQL("create index on {} (event_timestamp)").format(table))


def drop_build_table(cursor: Cursor, project: str, view: str, definition: str) -> None:
    """Give up a view that was being built."""
    cursor.execute(sql.SQL("drop table if exists {}").format(build_table(project, view, definition)))


def hold_for_swap(cursor: Cursor, project: str, view: str) -> None:
    """Wait, not for long, until nobody reads a view's table, and keep readers out until the end.

    Call with the view locked, before anything is written that would be in vain: raises psycopg2's
    LockNotAvailable.
    """
    table = feature_table(project, view)
    cursor.execute("select to_regclass(%s) is not null", (table.as_string(cursor),))
    if cursor.fetchone() == (True,):
        cursor.execute("select set_config('lock_timeout', %s, true)", (SWAP_PATIENCE,))
        cursor.execute(sql.SQL("lock table {} in access exclusive mode").format(table))
        cursor.execute("set local lock_timeout to default")


def swap(cursor: Cursor, project: str, view: str, definition: str) -> None:
    """Put the table that was built in the place of the one that is read."""
    cursor.execute(sql.SQL("drop table if exists {}").format(feature_table(project, view)))
    cursor.execute(
        sql.SQL("alter table {} rename to {}").format(
            build_table(project, view, definition), sql.Identifier(f"{project}__{view}")
        )
    )


def _columns(project: Project, view_name: str) -> dict[str, str]:
    """Columns of a view's table in order, with PostgreSQL's full names of their types."""
    view, entity = project.features[view_name], project.entity_table
    kinds = {**SQL_TYPES, "timestamp": "timestamp with time zone"}
    return {
        **{name: kinds[entity.columns[name]] for name in view.entities},
        "event_timestamp": "timestamp with time zone",
        **{name: kinds[kind] for name, kind in view.columns.items()},
    }
