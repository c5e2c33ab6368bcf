"""Feature tables: ``features."<project>__<view>"``, a row for each entity and moment a value was known."""

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import SQL_TYPES, feature_table
from mlcycle.project import Project


def table_exists(cursor: Cursor, schema: str, name: str) -> bool:
    """Whether there is such a table."""
    cursor.execute("select 1 from pg_tables where schemaname = %s and tablename = %s", (schema, name))
    return cursor.fetchone() is not None


def lock_view(cursor: Cursor, project: str, view: str) -> None:
    """Hold the view until the transaction ends: whoever computes it is alone."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"features:{project}:{view}",))


def ensure_table(cursor: Cursor, project: Project, view_name: str) -> bool:
    """Create a view's table, or make it anew where the project's columns changed.

    Call with the view locked. Returns whether the table is new, and so empty: readers see the old one
    until the transaction that fills the new one commits.
    """
    name = f"{project.name}__{view_name}"
    declared = _columns(project, view_name)
    cursor.execute(
        """select column_name, data_type from information_schema.columns
           where table_schema = 'features' and table_name = %s order by ordinal_position""",
        (name,),
    )
    found = dict(cursor.fetchall())
    if found == {**declared, "created_timestamp": "timestamp with time zone"}:
        return False
    table, view = feature_table(project.name, view_name), project.features[view_name]
    cursor.execute(sql.SQL("drop table if exists {}").format(table))
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in declared.items()
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
    return True


def _columns(project: Project, view_name: str) -> dict[str, str]:
    """Columns of a view's table in order, with PostgreSQL's full names of their types."""
    view, entity = project.features[view_name], project.entity_table
    kinds = {**SQL_TYPES, "timestamp": "timestamp with time zone"}
    return {
        **{name: kinds[entity.columns[name]] for name in view.entities},
        "event_timestamp": "timestamp with time zone",
        **{name: kinds[kind] for name, kind in view.columns.items()},
    }
