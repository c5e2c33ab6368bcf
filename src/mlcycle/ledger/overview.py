"""Every project at a glance: what the console and the command line show of the ledger.

Nothing here reads all of a table that grows with every partition: the newest of each is found by a
step in an index, and only one project's page adds up that project's rows.
"""

from typing import Any

from psycopg2.extensions import cursor as Cursor

Row = tuple[Any, ...]

CHAMPIONS = """
select c.project, c.seq, m.version, m.candidate, c.action, c.crowned_at, m.metrics
from (select distinct on (project) project, version, seq, action, crowned_at
      from ledger.champion order by project, seq desc) c
join ledger.model_version m using (project, version)
"""
#: One step in the index for each table, however many partitions it has; PostgreSQL 18's skip scan
#: does not do this for DISTINCT.
TABLES = """
with recursive found as (
    (select project, table_name from ledger.batch order by project, table_name limit 1)
    union all
    select next.project, next.table_name from found cross join lateral (
        select project, table_name from ledger.batch b
        where (b.project, b.table_name) > (found.project, found.table_name)
        order by project, table_name limit 1) next)
select project, table_name, newest.partition, newest.rows
from found left join lateral (
    select partition, rows from ledger.batch b
    where b.project = found.project and b.table_name = found.table_name and current
    order by partition desc limit 1) newest on true
"""
#: Partitions whose last delivery was not published; one that was mended since is no matter any more.
STOPPED = """
select project, table_name, count(*) from (
    select project, table_name, partition, max(batch_id) as batch_id from ledger.batch
    where status <> 'published'
    group by project, table_name, partition) s
where not exists (
    select from ledger.batch b
    where b.project = s.project and b.table_name = s.table_name and b.partition = s.partition
      and b.batch_id > s.batch_id and b.status = 'published')
group by project, table_name
"""
TOTALS = """
select table_name, count(*), sum(rows) from ledger.batch where project = %s and current group by table_name
"""
VOLUMES = """
select partition, rows from ledger.batch where project = %s and table_name = %s and current
order by partition desc limit %s
"""
ALERT_COUNTS = """
select project, severity, count(*) from ledger.alert where state = 'open' group by project, severity
"""


def champions(cursor: Cursor) -> list[Row]:
    """Each project's champion: project, seq, version, candidate, action, since, metrics."""
    cursor.execute(CHAMPIONS)
    return cursor.fetchall()


def tables(cursor: Cursor) -> list[Row]:
    """Each table: project, name, newest published partition and its rows, None where there is none."""
    cursor.execute(TABLES)
    return cursor.fetchall()


def stopped(cursor: Cursor) -> list[Row]:
    """Tables with partitions whose last delivery was stopped or held: project, name, how many."""
    cursor.execute(STOPPED)
    return cursor.fetchall()


def totals(cursor: Cursor, project: str) -> dict[str, tuple[int, int]]:
    """Published partitions of each of a project's tables, and their rows."""
    cursor.execute(TOTALS, (project,))
    return {name: (int(partitions), int(rows)) for name, partitions, rows in cursor.fetchall()}


def volumes(cursor: Cursor, project: str, table: str, partitions: int) -> list[tuple[str, int]]:
    """Rows of each of a table's last partitions, in order: partition, rows."""
    cursor.execute(VOLUMES, (project, table, partitions))
    return [(partition, int(rows)) for partition, rows in reversed(cursor.fetchall())]


def alert_counts(cursor: Cursor) -> list[Row]:
    """Open alerts: project, severity, how many."""
    cursor.execute(ALERT_COUNTS)
    return cursor.fetchall()
