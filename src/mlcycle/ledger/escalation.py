"""Messages that people's acts, or their absence, make due beside an alert's first one."""

from collections.abc import Iterable
from datetime import timedelta

from psycopg2.extensions import cursor as Cursor


def escalate(cursor: Cursor, project: str, channels: Iterable[str], after: timedelta) -> int:
    """Make pages that nobody acknowledged in time due to these channels, each once; how many alerts.

    The time counts from when it began to page, or from the end of the silence that it was under.
    """
    cursor.execute(
        """with due as (
               select n.alert_id from ledger.alert_now n join ledger.alert a using (alert_id)
               where n.project = %s and a.severity = 'page'
                 and n.acknowledged_by is null and n.silenced_until is null
                 and n.spoken_at <= now() - %s
                 and not exists (
                     select from ledger.delivery d where d.alert_id = n.alert_id and d.what = 'escalated')),
           told as (
               insert into ledger.delivery (alert_id, channel, what)
               select alert_id, channel, 'escalated' from due cross join unnest(%s) as channel
               on conflict do nothing returning alert_id)
           select count(distinct alert_id) from told""",
        (project, after, list(channels)),
    )
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def pass_on(cursor: Cursor, project: str, channels: Iterable[str]) -> None:
    """Make it due to those of the channels that were told of an alert that a person has it now."""
    cursor.execute(
        """insert into ledger.delivery (alert_id, channel, what)
           select distinct d.alert_id, d.channel, 'acknowledged'
           from ledger.delivery d join ledger.alert_now n using (alert_id)
           where n.project = %s and d.channel = any(%s) and d.what in ('open', 'escalated')
             and d.delivered_at is not null and n.acknowledged_by is not null
           on conflict do nothing""",
        (project, list(channels)),
    )
