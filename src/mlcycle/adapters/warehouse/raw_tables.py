"""Raw tables: made from what a project declares, and filled with COPY.

Beside the declared columns a row has ``_batch_id``, the ledger's batch it came in. The primary key
begins with the event time, so that one index serves the key, a partition and a time window.
"""

from typing import IO

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import SQL_TYPES, raw_table
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError
from mlcycle.project import Table

BUFFER = 1 << 20


def ensure(cursor: Cursor, project: str, name: str, table: Table) -> None:
    """Create the raw table, or add columns the project has gained since.

    Safe to run at once from several sessions. Raises ConfigError where a column's type or the key
    has changed: that needs a person.
    """
    if _has_all(cursor, project, name, table):
        return
    table_lock(cursor, project, name)
    found = found_columns(cursor, project, name)
    if not found:
        _create(cursor, project, name, table)
    for column, kind in table.columns.items():
        if found and column not in found:
            cursor.execute(
                sql.SQL("alter table {} add column {} {}").format(
                    raw_table(project, name), sql.Identifier(column), sql.SQL(SQL_TYPES[kind])
                )
            )


def clear(cursor: Cursor, project: str, name: str, table: Table, partition: Partition) -> None:
    """Take a partition's rows away."""
    cursor.execute(
        sql.SQL("delete from {} where {time} >= %s and {time} < %s").format(
            raw_table(project, name), time=sql.Identifier(table.event_time)
        ),
        (partition.start, partition.end),
    )


def fill(cursor: Cursor, project: str, name: str, table: Table, rows: IO[bytes]) -> int:
    """COPY rows into the table; how many there were.

    ``rows`` is CSV with the declared columns in declared order under a header, which COPY compares.
    The transaction must have the setting ``mlcycle.batch_id``.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    statement = sql.SQL("copy {} ({}) from stdin (format csv, header match)")
    cursor.copy_expert(statement.format(raw_table(project, name), columns), rows, BUFFER)
    return int(cursor.rowcount)


def analyze(cursor: Cursor, project: str, name: str) -> None:
    """Tell the planner about rows that have just come; a large load makes its old figures wrong.

    From a small sample: a tenth of the time, and autovacuum takes a larger one later.
    """
    cursor.execute("set local default_statistics_target = 10")
    cursor.execute(sql.SQL("analyze {}").format(raw_table(project, name)))


def table_lock(cursor: Cursor, project: str, name: str) -> None:
    """Hold the table's shape until the transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"raw:{project}/{name}",))


def key_of(table: Table) -> list[str]:
    """Columns of the primary key: the event time first."""
    return list(dict.fromkeys([table.event_time, *table.key]))


def _create(cursor: Cursor, project: str, name: str, table: Table) -> None:
    declared = [
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(SQL_TYPES[kind]))
        for column, kind in table.columns.items()
    ]
    cursor.execute(
        sql.SQL(
            "create table {} ({}, _batch_id bigint not null"
            " default current_setting('mlcycle.batch_id')::bigint, primary key ({}))"
        ).format(
            raw_table(project, name),
            sql.SQL(", ").join(declared),
            sql.SQL(", ").join(map(sql.Identifier, key_of(table))),
        )
    )


def _has_all(cursor: Cursor, project: str, name: str, table: Table) -> bool:
    """Whether the table is there with every declared column. Raises ConfigError where they differ."""
    found = found_columns(cursor, project, name)
    for column, kind in table.columns.items():
        if column in found and found[column] != long_name(kind):
            raise ConfigError(
                f"raw table {project}__{name}: column {column!r} is {found[column]} in the warehouse and "
                f"{kind} in the project file: {_cure(project)}"
            )
    if found and sorted(primary_key(cursor, project, name)) != sorted(key_of(table)):
        raise ConfigError(
            f"raw table {project}__{name} has another key in the warehouse than in the project file: "
            f"{_cure(project)}"
        )
    return bool(found) and all(column in found for column in table.columns)


def _cure(project: str) -> str:
    return f"mlcycle project migrate {project} changes it where nothing is lost, and says what to do else"


def long_name(kind: str) -> str:
    """What the catalog calls a type of the project file."""
    return {"timestamp": "timestamp with time zone"}.get(kind, SQL_TYPES[kind])


def found_columns(cursor: Cursor, project: str, name: str) -> dict[str, str]:
    """Columns of the table in the warehouse with PostgreSQL's names of their types; none: no table."""
    cursor.execute(
        """select column_name, data_type from information_schema.columns
           where table_schema = 'raw' and table_name = %s""",
        (f"{project}__{name}",),
    )
    return dict(cursor.fetchall())


def primary_key(cursor: Cursor, project: str, name: str) -> list[str]:
    """Columns of the key in the warehouse."""
    cursor.execute(
        """select a.attname from pg_index i
           join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
           where i.indisprimary and n.nspname = 'raw' and c.relname = %s""",
        (f"{project}__{name}",),
    )
    return [column for (column,) in cursor.fetchall()]
