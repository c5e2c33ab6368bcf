"""What a feature view reads in place of ``{table}``: events as they are, a snapshot as versions, static rows.

A version of a snapshot's key has ``valid_from``, when it was known, and ``valid_to``, when the next one was:
``valid_from <= t and t < valid_to`` picks what was known at ``t``. Of a whole state the next delivery ends
every version, so that a key which is missing from it is gone; of changes the next version of the same key
does. The newest ends at infinity.
"""

from datetime import datetime

from psycopg2 import sql

from mlcycle.adapters.warehouse.connection import raw_table
from mlcycle.project import Project, Table
from mlcycle.project.kinds import STAMP, UNTIL


def relation(project: Project, name: str, known_at: datetime | None = None) -> sql.Composable:
    """The rows of a table as a view reads them, with ``known_at`` those that were known then."""
    table = project.source.tables[name]
    raw: sql.Composable = raw_table(project.name, name)
    if known_at is not None:
        raw = sql.SQL("(select * from {} where {} <= {}::timestamptz)").format(
            raw,
            sql.Identifier(table.event_time),
            sql.Literal(project.unit.later(known_at, -table.lag * project.unit.length).isoformat()),
        )
    if table.kind == "snapshot":
        return _versions(project, table, raw)
    if table.kind == "static":
        return sql.SQL("(select {} from {} r)").format(_columns(table), raw)
    return raw


def _columns(table: Table) -> sql.Composable:
    own = [name for name in table.columns if name != STAMP]
    return sql.SQL(", ").join(sql.Identifier("r", name) for name in own)


def _versions(project: Project, table: Table, raw: sql.Composable) -> sql.Composable:
    at = sql.Identifier(table.event_time)
    if table.delivers == "state":
        following = sql.SQL(
            "{raw} r join (select d.{at}, lead(d.{at}) over (order by d.{at}) as next from "
            "(select distinct o.{at} from {raw} o) d) n using ({at})"
        ).format(raw=raw, at=at)
    else:
        key = sql.SQL(", ").join(sql.Identifier("o", name) for name in table.key)
        following = sql.SQL(
            "(select o.*, lead(o.{at}) over (partition by {key} order by o.{at}) as next from {raw} o) r"
        ).format(raw=raw, at=at, key=key)
    return sql.SQL(
        "(select {columns}, {begins} as {since}, coalesce({ends}, 'infinity') as {until} from {rows})"
    ).format(
        columns=_columns(table),
        begins=_known(project, table, f'r."{table.event_time}"'),
        since=sql.Identifier(STAMP),
        ends=_known(project, table, "next"),
        until=sql.Identifier(UNTIL),
        rows=following,
    )


def _known(project: Project, table: Table, moment: str) -> sql.Composable:
    """When a version was known. One without a time of its own is stamped just before its partition's end."""
    stamped = f"({moment} + interval '1 microsecond')" if table.stamped else moment
    return sql.SQL(project.unit.later_sql(stamped, table.lag * project.unit.length))
