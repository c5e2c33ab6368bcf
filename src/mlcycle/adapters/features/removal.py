"""Feature views taken out of the warehouse: their values, online values, registry entries and logins.

Asked as the database's owner, in the transaction that forgets them in the ledger.
"""

from collections.abc import Iterable

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features.tables import build_table, lock_view

#: Begins the comment on each view's login (ledger.ensure_view_role).
_LOGIN_OF = "SQL of the feature view "


def tables_of(cursor: Cursor, schema: str, project: str) -> list[str]:
    """Names, without the project's, of its tables in a schema of the warehouse."""
    cursor.execute(
        r"""select substr(tablename, length(%(begin)s) + 1) from pg_tables
            where schemaname = %(schema)s and starts_with(tablename, %(begin)s)
              and substr(tablename, length(%(begin)s) + 1) ~ '^[a-z]' order by 1""",
        {"schema": schema, "begin": f"{project}__"},
    )
    return [name for (name,) in cursor.fetchall()]


def drop_values(cursor: Cursor, project: str, views: Iterable[str], built: Iterable[tuple[str, str]]) -> None:
    """Drop the values of views, and those ``(view, definition)`` that are being built beside them."""
    for view in sorted(views):
        lock_view(cursor, project, view)
        drop(cursor, "features", project, view)
    for view, definition in built:
        cursor.execute(sql.SQL("drop table if exists {}").format(build_table(project, view, definition)))


def empty_online(cursor: Cursor, project: str, views: Iterable[str]) -> None:
    """Take away the online values of views: what is written anew may be older than what was there."""
    there = set(tables_of(cursor, "online", project))
    for view in sorted(there & set(views)):
        cursor.execute(sql.SQL("delete from {}").format(sql.Identifier("online", f"{project}__{view}")))


def drop(cursor: Cursor, schema: str, project: str, name: str) -> None:
    """Drop one of a project's tables, if it is there."""
    cursor.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(schema, f"{project}__{name}")))


def drop_registered(cursor: Cursor, project: str) -> int:
    """Take a project out of Feast's registry; how many of its objects went."""
    cursor.execute(
        """select table_name from information_schema.columns
           where table_schema = 'features' and column_name = 'project_id' and strpos(table_name, '__') = 0"""
    )
    gone = 0
    for (table,) in cursor.fetchall():
        cursor.execute(
            sql.SQL("delete from {} where project_id = %s").format(sql.Identifier("features", table)),
            (f"{project}_",),
        )
        gone += cursor.rowcount
    return gone


def logins(cursor: Cursor, project: str) -> list[str]:
    """The logins of a project's views that this warehouse made; another one on the server has others."""
    cursor.execute(
        """select rolname from (
               select r.rolname, substr(d.description, length(%(of)s) + 1) as view
               from pg_roles r join pg_shdescription d on d.objoid = r.oid
               where d.classoid = 'pg_authid'::regclass
                 and starts_with(d.description, %(of)s || %(project)s || '__')) made
           where rolname = left('mlcycle_view_' || view, 46) || '_'
                           || left(ledger.view_secret('login ' || view), 16)
             and substr(view, length(%(project)s) + 3) ~ '^[a-z]' order by 1""",
        {"of": _LOGIN_OF, "project": project},
    )
    return [name for (name,) in cursor.fetchall()]


def drop_logins(cursor: Cursor, project: str) -> int:
    """Drop them; the tables that they may read are dropped before. How many there were.

    One that another database of the server knows stays: a copy of this warehouse, restored beside it, has the
    same logins, and its views read with them. Here it may read nothing any more.
    """
    found = logins(cursor, project)
    for name in found:
        cursor.execute("savepoint login")
        try:
            cursor.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
        except errors.DependentObjectsStillExist:
            cursor.execute("rollback to savepoint login")
        cursor.execute("release savepoint login")
    return len(found)
