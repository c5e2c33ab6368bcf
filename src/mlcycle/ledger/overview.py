"""Every project at a glance: what the console's first page and the command line show of the ledger."""

from typing import Any

from psycopg2.extensions import cursor as Cursor

Row = tuple[Any, ...]

CHAMPIONS = """
select c.project, c.seq, m.version, m.candidate, c.action, c.crowned_at, m.metrics
from ledger.champion c join ledger.model_version m using (project, version)
order by c.project, c.seq
"""
TABLES = """
select project, table_name, max(partition) filter (where status = 'published'),
       count(*) filter (where status = 'published' and current),
       coalesce(sum(rows) filter (where status = 'published' and current), 0),
       count(*) filter (where status = 'stopped')
from ledger.batch group by project, table_name order by project, table_name
"""
VOLUMES = """
select project, partition, sum(rows) from (
    select project, table_name, partition, rows,
           dense_rank() over (partition by project order by partition desc) as age
    from ledger.batch where status = 'published' and current) b
where age <= %s group by project, partition order by project, partition
"""
ALERTS = """
select project, severity, title, link, count, first_partition, last_partition
from ledger.alert where state = 'open' order by opened_at desc limit 200
"""


def champions(cursor: Cursor) -> list[Row]:
    """Each project's reigns in order: project, seq, version, candidate, action, since, metrics."""
    cursor.execute(CHAMPIONS)
    return cursor.fetchall()


def tables(cursor: Cursor) -> list[Row]:
    """Each table: project, name, newest partition, published partitions, their rows, stopped batches."""
    cursor.execute(TABLES)
    return cursor.fetchall()


def volumes(cursor: Cursor, partitions: int) -> list[Row]:
    """Rows of each of a project's last partitions: project, partition, rows."""
    cursor.execute(VOLUMES, (partitions,))
    return cursor.fetchall()


def open_alerts(cursor: Cursor) -> list[Row]:
    """Open alerts, newest first: project, severity, title, link, count, first and last partition."""
    cursor.execute(ALERTS)
    return cursor.fetchall()
