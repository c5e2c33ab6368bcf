"""What a metrics scraper is told of every project: each query a few steps in an index, whatever the history.

Counts of attempts are of the last day alone, so that a scrape costs the same in the tenth year.
"""

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor

Row = tuple[Any, ...]

#: What is open now, and since when the oldest is.
ALERTS = """
select project, severity, count(*),
       extract(epoch from min(opened_at))::float
from ledger.alert where state = 'open' group by project, severity
"""
PENDING = """
select a.project, count(*), extract(epoch from min(a.opened_at))::float
from ledger.delivery d join ledger.alert a using (alert_id) where d.state = 'pending' group by a.project
"""
FAILURES = """
select project, split_part(key, ':', 1), count(*) from ledger.failure group by 1, 2
"""
GAPS = """
select project, table_name, count(*) from ledger.gap g
where state = 'missing' and not exists (
    select from ledger.batch b
    where b.project = g.project and b.table_name = g.table_name and b.partition = g.partition and b.current)
group by project, table_name
"""
#: When a step last ended well or had nothing to do, by project.
FINISHED = """
select p.project, s.step, last.finished
from unnest(%s::text[]) p (project) cross join unnest(%s::text[]) s (step) cross join lateral (
    select extract(epoch from finished_at)::float as finished from ledger.attempt a
    where a.project = p.project and a.step = s.step and a.state = 'done'
    order by finished_at desc limit 1) last
"""
FAILED_LAST_DAY = """
select project, step, count(*) from ledger.attempt
where started_at > now() - interval '1 day' and state = 'failed' and result->>'status' <> 'waiting'
group by project, step
"""
LAST_DAY = """
select step, state, count(*), coalesce(sum(seconds), 0), coalesce(max(seconds), 0),
       coalesce(percentile_cont(0.5) within group (order by seconds), 0)
from (select step, case result->>'status' when 'waiting' then 'waiting' else state end as state,
             extract(epoch from finished_at - started_at)::float as seconds
      from ledger.attempt where started_at > now() - interval '1 day') a
group by step, state
"""
CHAMPIONS = """
select distinct on (project) project, version, extract(epoch from crowned_at)::float
from ledger.champion order by project, seq desc
"""
#: What the newest partition that was watched has of every monitor.
MEASURED = """
select p.project, r.monitor, extract(epoch from max(r.measured_at))::float,
       max(r.value) filter (where r.monitor = 'value')
from unnest(%s::text[]) p (project) cross join lateral (
    select partition from ledger.monitored m where m.project = p.project order by partition desc limit 1) m
join ledger.monitor_result r on r.project = p.project and r.partition = m.partition
group by p.project, r.monitor
"""


def rows(cursor: Cursor, query: str, *values: Sequence[str]) -> list[Row]:
    """What one of this module's queries finds."""
    cursor.execute(query, [list(value) for value in values] or None)
    return cursor.fetchall()
