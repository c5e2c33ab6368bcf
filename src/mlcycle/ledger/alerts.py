"""Alerts and their deliveries. Findings of one key are one alert while it is open.

Those of one matter that are due at once go out in one message. Who was told of an alert is told of its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from psycopg2.extensions import cursor as Cursor

Severity = Literal["info", "warn", "page"]
What = Literal["open", "escalated", "acknowledged", "resolved"]
MATTER = "coalesce(nullif(a.matter, ''), a.key)"  # an alert of before it had one is a matter of its own
SHOWN = 12  # subjects that a title names
RANK: dict[str, int] = {"info": 0, "warn": 1, "page": 2}

#: What is not told yet and may be: nothing of what is silenced, and no escalation of what a person has.
DUE = """ledger.delivery d join ledger.alert a using (alert_id) left join ledger.alert_now n using (alert_id)
    where a.project = %s and d.state = 'pending'
      and not (d.what in ('open', 'escalated') and n.silenced_until is not null)
      and not (d.what = 'escalated' and n.acknowledged_by is not null)"""


@dataclass(frozen=True)
class Alert:
    """Something a person should know.

    ``link`` leads to the evidence; ``picture`` is a path in the artifact store.

    ``key`` names it: a matter, or a subject of one. An empty ``matter`` is the key.
    """

    key: str
    severity: Severity
    title: str
    body: str
    link: str = ""
    matter: str = ""
    subject: str = ""
    picture: str = ""

    @property
    def head(self) -> str:
        """The title without the subject."""
        return self.title.removesuffix(f" ({self.subject})") if self.subject else self.title


@dataclass(frozen=True)
class Pending:
    """A message that a channel has not got yet: an alert, or several of one matter as one.

    ``others`` are keys of the matter that are open beside these, and that nobody acknowledged where the
    message says that these are. ``owner`` is to whom they are assigned, ``runbook`` a link.
    """

    alert_ids: tuple[int, ...]
    channel: str
    tries: int
    project: str
    alert: Alert
    first_partition: str
    last_partition: str
    keys: tuple[str, ...] = ()
    what: What = "open"
    others: tuple[str, ...] = ()
    owner: str = ""
    runbook: str = ""

    @property
    def alert_id(self) -> int:
        """Of the oldest one."""
        return self.alert_ids[0]

    @property
    def idempotency_key(self) -> str:
        """The same for every try of this message; a receiver that keeps it sees none twice.

        Where another subject joins before it was delivered, it is another message.
        """
        several = f"-{len(self.alert_ids)}-{self.alert_ids[-1]}" if len(self.alert_ids) > 1 else ""
        told = "" if self.what == "open" else f"-{self.what}"
        return f"{self.project}-{self.alert_id}-{self.alert.severity}{several}{told}"


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
                   (project, key, severity, title, body, link, first_partition, last_partition,
                    matter, subject, picture, paged_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, case when %s then now() end)
               returning alert_id""",
            (
                *(project, alert.key, alert.severity, alert.title, alert.body, alert.link),
                *(partition, partition, alert.matter, alert.subject, alert.picture, alert.severity == "page"),
            ),
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
                """update ledger.alert set title = %s, body = %s, link = %s, picture = %s,
                       severity = case when %s then %s else severity end,
                       paged_at = case when %s then now() else paged_at end
                   where alert_id = %s""",
                (
                    *(alert.title, alert.body, alert.link, alert.picture, worse, alert.severity),
                    *(worse and alert.severity == "page", alert_id),
                ),
            )
        if worse:
            cursor.execute(
                """update ledger.delivery set state = 'pending'
                   where alert_id = %s and what = 'open' and state = 'delivered'""",
                (alert_id,),
            )
    for channel in channels:
        cursor.execute(
            "insert into ledger.delivery (alert_id, channel) values (%s, %s) on conflict do nothing",
            (alert_id, channel),
        )
    return row is None


def close(
    cursor: Cursor, project: str, matters: Iterable[str], partition: str, held: Iterable[str] = ()
) -> list[str]:
    """Close the open alerts of these matters but the ``held`` keys. Returns the closed ones' keys.

    One that a later partition raised stays open. Who was told, or will be, is told that it is over; what
    was silenced and is over is told to nobody any more.
    """
    cursor.execute(
        f"""update ledger.alert a set state = 'closed', closed_at = now()
           where project = %s and {MATTER} = any(%s) and not key = any(%s)
             and state = 'open' and last_partition <= %s
           returning alert_id, key""",
        (project, list(matters), list(held), partition),
    )
    closed = cursor.fetchall()
    ids = [alert_id for alert_id, _ in closed]
    cursor.execute(
        """update ledger.delivery d set state = 'given_up', last_error = 'over while it was silenced'
           from ledger.alert a
           where a.alert_id = any(%s) and d.alert_id = a.alert_id and d.state = 'pending' and exists (
               select from ledger.alert_act t
               where t.alert_id is null and t.project = a.project and t.name in (a.key, a.matter)
                 and t.action = 'silence' and t.until > a.opened_at and not exists (
                     select from ledger.alert_act u
                     where u.alert_id is null and u.project = t.project and u.name = t.name
                       and u.action = 'unsilence' and u.act_id > t.act_id and u.acted_at <= a.opened_at))""",
        (ids,),
    )
    cursor.execute(
        """insert into ledger.delivery (alert_id, channel, what)
           select distinct alert_id, channel, 'resolved' from ledger.delivery
           where alert_id = any(%s) and what <> 'resolved' and (state = 'pending' or delivered_at is not null)
           on conflict do nothing""",
        (ids,),
    )
    cursor.execute(
        """update ledger.delivery set state = 'given_up', last_error = 'over before it was told'
           where alert_id = any(%s) and state = 'pending' and what in ('escalated', 'acknowledged')""",
        (ids,),
    )
    return [key for _, key in closed]


def any_open(cursor: Cursor, project: str, matter: str) -> bool:
    """Whether an alert of the matter is open."""
    cursor.execute(
        f"""select exists (select from ledger.alert a
               where project = %s and {MATTER} = %s and state = 'open')""",
        (project, matter),
    )
    return cursor.fetchone() == (True,)


def next_pending(cursor: Cursor, project: str, skip: Iterable[str] = ()) -> Pending | None:
    """The project's oldest message to be told and what else is due of its matter; no channel in ``skip``."""
    cursor.execute(
        f"""with due as (
               select d.channel, d.tries, d.what, n.owner, {MATTER} as about, a.*,
                      array_position(array['open', 'escalated', 'acknowledged', 'resolved'], d.what) as turn
               from {DUE} and not d.channel = any(%s)),
           oldest as (select channel, about, what from due order by alert_id, turn, channel limit 1)
           select alert_id, channel, tries, what, about, first_partition, last_partition, owner,
                  key, severity, title, body, link, subject, picture
           from due join oldest using (channel, about, what) order by alert_id""",
        (project, list(skip)),
    )
    rows = cursor.fetchall()
    if not rows:
        return None
    _, channel, tries, what, about, *_ = rows[0]
    alerts = [
        Alert(key, severity, title, body, link, about, subject, picture)
        for *_, key, severity, title, body, link, subject, picture in rows
    ]
    ids = tuple(row[0] for row in rows)
    others = _others(cursor, project, about, ids, unattended=what == "acknowledged")
    return Pending(
        ids,
        channel,
        tries,
        project,
        together(alerts, [subject for _, subject in others if subject]),
        first_partition=min(row[5] for row in rows),
        last_partition=max(row[6] for row in rows),
        keys=tuple(alert.key for alert in alerts),
        what=what,
        others=tuple(key for key, _ in others),
        owner=", ".join(dict.fromkeys(row[7] for row in rows if row[7])),
    )


def _others(
    cursor: Cursor, project: str, matter: str, but: Iterable[int], *, unattended: bool
) -> list[tuple[str, str]]:
    """Keys and subjects of a matter's other open alerts; ``unattended`` of those nobody acknowledged."""
    cursor.execute(
        f"""select a.key, a.subject from ledger.alert a join ledger.alert_now n using (alert_id)
           where a.project = %s and {MATTER} = %s and a.state = 'open' and not alert_id = any(%s)
             and not (%s and n.acknowledged_by is not null)
           order by alert_id""",
        (project, matter, list(but), unattended),
    )
    return cursor.fetchall()


def together(alerts: Sequence[Alert], others: Sequence[str] = ()) -> Alert:
    """Alerts of one matter as one message; ``others`` are subjects of it that were told of before."""
    newest = alerts[-1]
    body = "\n".join(alert.body for alert in alerts)
    if others:
        body += f"\nstill open: {some(others)}"
    if len(alerts) == 1:
        return replace(newest, body=body)
    severity = max((alert.severity for alert in alerts), key=lambda level: RANK[level])
    subjects = [alert.subject for alert in alerts if alert.subject]
    title = newest.head + (f" ({some(subjects)})" if subjects else "")
    return Alert(*(newest.matter, severity, title, body, newest.link, newest.matter), picture=newest.picture)


def some(subjects: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = len(subjects) - SHOWN
    return ", ".join(subjects[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def waiting(cursor: Cursor, project: str) -> int:
    """How many messages on the project's alerts are due and not told yet."""
    cursor.execute(f"select count(*) from {DUE}", (project,))
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def silenced(cursor: Cursor, project: str) -> int:
    """How many of the project's open alerts are silenced now."""
    cursor.execute(
        "select count(*) from ledger.alert_now where project = %s and silenced_until is not null", (project,)
    )
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def note_delivery(cursor: Cursor, pending: Pending, state: str, error: str = "") -> None:
    """Note a try: ``delivered``, ``pending`` (it will be tried again) or ``given_up``."""
    cursor.execute(
        """update ledger.delivery set state = %s, tries = tries + 1, last_error = %s,
               delivered_at = case when %s = 'delivered' then now() else delivered_at end
           where alert_id = any(%s) and channel = %s and what = %s""",
        (state, error[:500], state, list(pending.alert_ids), pending.channel, pending.what),
    )
