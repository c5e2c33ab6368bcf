"""How a raw table differs from what the project file declares, and what can be mended where it stands.

A change of type is tried on every value first. What is mended so holds what a new ingest of the same
deliveries would bring; what cannot be mended says why, and is for a person to empty and fill again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import SQL_TYPES, raw_table
from mlcycle.adapters.warehouse.raw_tables import (
    found_columns,
    key_of,
    long_name,
    primary_key,
    table_lock,
)
from mlcycle.project import Table

_BIG = 2**53  # a double holds every integer up to it

#: (from, to) -> rows whose value would not come through, and the value; {c} is the column. What text may
#: say is what ingest reads (domain/typed_rows.py), so that PostgreSQL's freer input is not asked.
_CASTS: dict[tuple[str, str], tuple[str, str]] = {
    ("integer", "double"): (f"abs({{c}}::numeric) > {_BIG}", "{c}::double precision"),
    ("double", "integer"): (
        f"{{c}} = 'NaN' or abs({{c}}) > {_BIG} or {{c}} <> trunc({{c}})",
        "{c}::bigint",
    ),
    ("boolean", "integer"): ("false", "{c}::integer::bigint"),
    ("boolean", "double"): ("false", "{c}::integer::double precision"),
    ("integer", "boolean"): ("{c} not in (0, 1)", "({c} = 1)"),
    ("integer", "text"): ("false", "{c}::text"),
    ("boolean", "text"): ("false", "{c}::text"),
    ("text", "integer"): (r"{c} !~ '^[+-]?[0-9]{{1,18}}$'", "{c}::bigint"),
    ("text", "double"): (
        r"{c} !~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{{1,4}})?$'"
        " or not pg_input_is_valid({c}, 'double precision')",
        "{c}::double precision",
    ),
    ("text", "boolean"): (
        "lower({c}) not in ('true', 't', '1', 'false', 'f', '0')",
        "lower({c}) in ('true', 't', '1')",
    ),
    ("text", "timestamp"): (
        r"{c} !~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?"
        r"(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?$'"
        " or not pg_input_is_valid({c}, 'timestamptz')",
        "{c}::timestamptz",
    ),
}


@dataclass(frozen=True)
class Change:
    """One thing in which a raw table and its declaration differ.

    Args:
        table: its name in the project file.
        what: for people.
        action: the statement that mends it; None where there is nothing to do, or nothing that can be done.
        loss: why it cannot be mended where it stands; empty where it can, or need not be.
        other_values: what was computed from the table may be other than it was.
    """

    table: str
    what: str
    action: sql.Composable | None = None
    loss: str = ""
    other_values: bool = False


def hold(cursor: Cursor, project: str, tables: Iterable[str]) -> None:
    """Keep ingest from changing the tables until the transaction ends."""
    for name in sorted(tables):
        table_lock(cursor, project, name)


def changes(
    cursor: Cursor, project: str, name: str, table: Table, renamed: Mapping[str, str] | None = None
) -> list[Change]:
    """In what the warehouse's table differs; nothing where there is no such table yet.

    Args:
        cursor: of a role that reads the table.
        project: name of the project.
        name: of the table in the project file.
        table: its declaration.
        renamed: new name of a column -> its name before.
    """
    there = found_columns(cursor, project, name)
    if not there:
        return []
    kinds = {long_name(kind): kind for kind in SQL_TYPES}
    found: list[Change] = []
    whole = raw_table(project, name)
    key = primary_key(cursor, project, name)
    for column, before in (renamed or {}).items():
        if column in there or before not in there or column not in table.columns:
            continue
        found.append(
            Change(
                name,
                f"column {before!r} is called {column!r} now",
                sql.SQL("alter table {} rename column {} to {}").format(
                    whole, sql.Identifier(before), sql.Identifier(column)
                ),
            )
        )
        there[column] = there.pop(before)
        key = [column if each == before else each for each in key]
    names = {column: (renamed or {}).get(column, column) for column in there}  # as they are until renamed
    for column, kind in table.columns.items():
        if column not in there:
            found.append(_gained(project, name, column, kind))
        elif there[column] != long_name(kind):
            held = kinds.get(there[column], there[column])
            found.append(_retyped(cursor, project, name, column, names.get(column, column), held, kind))
    found += [
        Change(
            name, f"column {column!r} is not in the file any more: its values stay, and nothing reads them"
        )
        for column in there
        if column not in table.columns and column != "_batch_id" and column not in key
    ]
    if sorted(key) != sorted(key_of(table)):
        found.append(_rekeyed(cursor, project, name, table, key, names))
    return found


def _gained(project: str, name: str, column: str, kind: str) -> Change:
    return Change(
        name,
        f"column {column!r} ({kind}) is new: rows that are there have no value in it",
        sql.SQL("alter table {} add column {} {}").format(
            raw_table(project, name), sql.Identifier(column), sql.SQL(SQL_TYPES[kind])
        ),
    )


def _retyped(
    cursor: Cursor, project: str, name: str, column: str, stored: str, held: str, kind: str
) -> Change:
    what = f"column {column!r} is {held} in the warehouse and {kind} in the file"
    if (held, kind) not in _CASTS:
        return Change(name, what, loss=f"no value of type {held} is one of type {kind}")
    bad, value = _CASTS[held, kind]
    there = sql.Identifier(stored)
    cursor.execute(
        sql.SQL(
            """select count({c}), count(*) filter (where {c} is not null and ({bad})),
                      min({c}::text) filter (where {c} is not null and ({bad})) from {t}"""
        ).format(c=there, t=raw_table(project, name), bad=sql.SQL(bad).format(c=there))
    )
    values, failing, example = cursor.fetchone() or (0, 0, "")
    if failing:
        return Change(name, what, loss=f"{failing} of {values} values are no {kind}, like {example[:40]!r}")
    now = sql.Identifier(column)
    return Change(
        name,
        f"{what}: each of the {values} values is one",
        sql.SQL("alter table {} alter column {} type {} using {}").format(
            raw_table(project, name), now, sql.SQL(SQL_TYPES[kind]), sql.SQL(value).format(c=now)
        ),
        other_values=True,
    )


def _rekeyed(
    cursor: Cursor, project: str, name: str, table: Table, key: list[str], names: Mapping[str, str]
) -> Change:
    """Another key: only where no row was ever refused by the key before, and none would be by this one."""
    wanted = key_of(table)
    what = f"the key was {', '.join(key)}, and is {', '.join(wanted)} in the file"
    if table.event_time not in key:
        return Change(name, what, loss="the time of an event is another column: rows are in other partitions")
    if lacking := [column for column in wanted if column not in names]:
        return Change(name, what, loss=f"rows that are there have no {', '.join(lacking)}")
    columns = sql.SQL(", ").join(sql.Identifier(names[column]) for column in wanted)
    cursor.execute(
        sql.SQL(
            """select (select coalesce(sum(n - 1), 0) from (
                          select count(*) as n from {t} group by {c} having count(*) > 1) twice),
                      (select count(*) from {t} where not ({present})),
                      (select coalesce(sum(clashing), 0) from ledger.batch
                       where project = %s and table_name = %s and current)"""
        ).format(
            t=raw_table(project, name),
            c=columns,
            present=sql.SQL(" and ").join(
                sql.SQL("{} is not null").format(sql.Identifier(names[column])) for column in wanted
            ),
        ),
        (project, name),
    )
    twice, absent, refused = cursor.fetchone() or (0, 0, 0)
    reasons = [
        said
        for count, said in (
            (twice, f"{twice} rows have the key of another row"),
            (absent, f"{absent} rows lack a value in it"),
            (refused, f"{refused} rows were quarantined by the key before, and may be good by this one"),
        )
        if count
    ]
    if reasons:
        return Change(name, what, loss="; ".join(reasons))
    constraint = _constraint(cursor, project, name)
    parts = [
        sql.SQL("drop constraint {}").format(sql.Identifier(constraint)),
        *(  # what was in the key is left without gaps allowed
            sql.SQL("alter column {} drop not null").format(sql.Identifier(column))
            for column in key
            if column not in wanted
        ),
        sql.SQL("add primary key ({})").format(sql.SQL(", ").join(map(sql.Identifier, wanted))),
    ]
    action = sql.SQL("alter table {} {}").format(raw_table(project, name), sql.SQL(", ").join(parts))
    return Change(name, f"{what}: it is unique in every row", action)


def _constraint(cursor: Cursor, project: str, name: str) -> str:
    cursor.execute(
        "select conname from pg_constraint where contype = 'p' and conrelid = %s::regclass",
        (raw_table(project, name).as_string(cursor),),
    )
    (found,) = cursor.fetchone() or ("",)
    return str(found)
