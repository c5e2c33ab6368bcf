"""Alerts and their deliveries. Findings of one key are one alert while it is open."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from psycopg2.extensions import cursor as Cursor

Severity = Literal["info", "warn", "page"]
RANK: dict[str, int] = {"info": 0, "warn": 1, "page": 2}


@dataclass(frozen=True)
class Alert:
    """Something a person should know. ``key`` names the matter, ``link`` leads to the evidence."""

    key: str
    severity: Severity
    title: str
    body: str
    link: str = ""


@dataclass(frozen=True)
class Pending:
    """An alert that a channel has not got yet."""

    alert_id: int
    channel: str
    tries: int
    project: str
    alert: Alert
    first_partition: str
    last_partition: str

    @property
    def idempotency_key(self) -> str:
        """The same for every try of this delivery; a receiver that keeps it sees no alert twice."""
        return f"{self.project}-{self.alert_id}-{self.alert.severity}"


def hold(cursor: Cursor, project: str) -> None:
    """One writer of a project's alerts at a time, until the transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"alerts:{project}",))


def raise_alert(cursor: Cursor, project: str, partition: str, alert: Alert, channels: Iterable[str]) -> bool:
    """Open an alert, or count it onto the open one of its key; due to these channels. True if opened.

    An open alert that gets more severe is due again. What it says is what its newest partition
    found: runs side by side end in any order.
    """
    cursor.execute(
        """select alert_id, severity, last_partition from ledger.alert
           where project = %s and key = %s and state = 'open' for update""",
        (project, alert.key),
    )
    row = cursor.fetchone()
    if row is None:
        cursor.execute(
            """insert into ledger.alert
                   (project, key, severity, title, body, link, first_partition, last_partition)
               values (%s, %s, %s, %s, %s, %s, %s, %s) returning alert_id""",
            (project, alert.key, alert.severity, alert.title, alert.body, alert.link, partition, partition),
        )
        (alert_id,) = cursor.fetchone() or (0,)
    else:
        alert_id, severity, newest = row
        worse = RANK[alert.severity] > RANK[severity] and partition >= newest
        cursor.execute(
            """update ledger.alert set count = count + 1,
                   first_partition = least(first_partition, %s),
                   last_partition = greatest(last_partition, %s)
               where alert_id = %s""",
            (partition, partition, alert_id),
        )
        if partition >= newest:
            cursor.execute(
                """update ledger.alert set title = %s, body = %s, link = %s,
                       severity = case when %s then %s else severity end
                   where alert_id = %s""",
                (alert.title, alert.body, alert.link, worse, alert.severity, alert_id),
            )
        if worse:
            cursor.execute(
                "update ledger.delivery set state = 'pending' where alert_id = %s and state = 'delivered'",
                (alert_id,),
            )
    for channel in channels:
        cursor.execute(
            "insert into ledger.delivery (alert_id, channel) values (%s, %s) on conflict do nothing",
            (alert_id, channel),
        )
    return row is None


def close(cursor: Cursor, project: str, keys: Iterable[str], partition: str) -> list[str]:
    """Close the open alerts of these keys, unless a later partition raised them. Returns their keys."""
    cursor.execute(
        """update ledger.alert set state = 'closed', closed_at = now()
           where project = %s and key = any(%s) and state = 'open' and last_partition <= %s
           returning key""",
        (project, list(keys), partition),
    )
    return [key for (key,) in cursor.fetchall()]


def next_pending(cursor: Cursor, project: str, skip: Iterable[str] = ()) -> Pending | None:
    """The oldest undelivered alert of the project, channels in ``skip`` left out."""
    cursor.execute(
        """select d.alert_id, d.channel, d.tries, a.key, a.severity, a.title, a.body, a.link,
                  a.first_partition, a.last_partition
           from ledger.delivery d join ledger.alert a using (alert_id)
           where a.project = %s and d.state = 'pending' and not d.channel = any(%s)
           order by d.alert_id, d.channel limit 1""",
        (project, list(skip)),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    alert_id, channel, tries, key, severity, title, body, link, first, last = row
    return Pending(alert_id, channel, tries, project, Alert(key, severity, title, body, link), first, last)


def waiting(cursor: Cursor, project: str) -> int:
    """How many deliveries of the project's alerts are still to be made."""
    cursor.execute(
        """select count(*) from ledger.delivery d join ledger.alert a using (alert_id)
           where a.project = %s and d.state = 'pending'""",
        (project,),
    )
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def note_delivery(cursor: Cursor, pending: Pending, state: str, error: str = "") -> None:
    """Note a try: ``delivered``, ``pending`` (it will be tried again) or ``given_up``."""
    cursor.execute(
        """update ledger.delivery set state = %s, tries = tries + 1, last_error = %s,
               delivered_at = case when %s = 'delivered' then now() else delivered_at end
           where alert_id = %s and channel = %s""",
        (state, error[:500], state, pending.alert_id, pending.channel),
    )
