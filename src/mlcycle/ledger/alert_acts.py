"""What people do about alerts: acknowledge, assign, silence. Rows are only added: who, when, why.

An acknowledgement and an owner are an open alert's, and go with it. A silence is a name's, a key or a
matter, and holds for alerts that open later too, until it ends.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain.durations import format_duration
from mlcycle.errors import InputError
from mlcycle.ledger.alerts import MATTER, some

Action = Literal["acknowledge", "assign", "silence", "unsilence"]
ACTIONS: tuple[Action, ...] = get_args(Action)
LONGEST = timedelta(days=90)  # of a silence: what lasts longer belongs into the project file
NAMED = 20  # open alerts that an error names


@dataclass(frozen=True)
class Act:
    """What a person wants done about the alerts of a name, which is a key or a matter."""

    action: str
    name: str
    actor: str
    reason: str = ""
    owner: str = ""  # of ``assign``
    lasting: timedelta | None = None  # of ``silence``

    def checked(self) -> "Act":
        """The same on one line each. Raises InputError for what is missing or too much."""
        if self.action not in ACTIONS:
            raise InputError(f"{self.action!r} is no act on an alert: there are {', '.join(ACTIONS)}")
        name, actor, reason, owner = (
            " ".join(text.split()) for text in (self.name, self.actor, self.reason, self.owner)
        )
        if not name:
            raise InputError("which alert? Name its key, like drift:distance, or its matter, like drift")
        if not actor:
            raise InputError("nobody is named who does this: an act is kept with who did it")
        if self.action == "assign" and not owner:
            raise InputError("assign it to whom? Name the owner")
        if self.action == "silence":
            if not reason:
                raise InputError("say why: a silence is kept with its reason")
            if self.lasting is None or not timedelta() < self.lasting <= LONGEST:
                raise InputError(
                    f"a silence ends: say for how long, {format_duration(LONGEST)} at most, like '2 hours'"
                )
        return Act(self.action, name[:200], actor[:200], reason[:1000], owner[:200], self.lasting)


@dataclass(frozen=True)
class Open:
    """An open alert, and how it stands by what people did."""

    project: str
    key: str
    matter: str
    subject: str
    severity: str
    title: str
    link: str
    count: int
    first_partition: str
    last_partition: str
    opened_at: Any
    owner: str  # to whom it was assigned
    acknowledged_by: str
    acknowledged_at: Any
    silenced_until: Any
    silenced_by: str
    silenced_because: str
    escalated: bool


def act(cursor: Cursor, project: str, wanted: Act) -> str:
    """Add what a person did; says in a line what came of it.

    Done again, an acknowledgement or an assignment adds nothing. Raises InputError where no alert, or no
    silence, of that name is there, and for what the act lacks.
    """
    asked = wanted.checked()
    # Acts wait for acts alone: who delivers holds the project's alerts for as long as a receiver answers.
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"alert-acts:{project}",))
    if asked.action == "silence":
        return _silence(cursor, project, asked)
    if asked.action == "unsilence":
        return _unsilence(cursor, project, asked)
    return _on_open_ones(cursor, project, asked)


def open_alerts(cursor: Cursor, project: str | None = None, limit: int = 500) -> list[Open]:
    """Open alerts of a project, or of all, the gravest first."""
    cursor.execute(
        f"""select a.project, a.key, {MATTER}, a.subject, a.severity, a.title, a.link, a.count,
                  a.first_partition, a.last_partition, a.opened_at, n.owner,
                  coalesce(n.acknowledged_by, ''), n.acknowledged_at, n.silenced_until,
                  coalesce(n.silenced_by, ''), coalesce(n.silenced_because, ''),
                  exists (select from ledger.delivery d
                          where d.alert_id = a.alert_id and d.what = 'escalated')
           from ledger.alert a join ledger.alert_now n using (alert_id)
           where a.state = 'open' and (%s::text is null or a.project = %s)
           order by array_position(array['page', 'warn', 'info'], a.severity), a.opened_at desc, alert_id
           limit %s""",
        (project, project, limit),
    )
    return [Open(*row) for row in cursor.fetchall()]


def _on_open_ones(cursor: Cursor, project: str, asked: Act) -> str:
    """Acknowledge or assign each open alert of the name that is not yet."""
    cursor.execute(
        f"""select alert_id, a.key, a.severity, coalesce(n.acknowledged_by, ''), n.owner
           from ledger.alert a join ledger.alert_now n using (alert_id)
           where a.project = %s and a.state = 'open' and (a.key = %s or {MATTER} = %s) order by alert_id""",
        (project, asked.name, asked.name),
    )
    rows = cursor.fetchall()
    if not rows:
        raise InputError(f"{project} has no open alert {asked.name!r}: {_there(cursor, project)}")
    acknowledging = asked.action == "acknowledge"
    fresh = [row for row in rows if (not row[3] if acknowledging else row[4] != asked.owner)]
    for alert_id, _, severity, *_ in fresh:
        _add(cursor, project, asked, alert_id, severity if acknowledging else "")
    if not fresh:
        return (
            f"{asked.name} is acknowledged by {rows[0][3]} already"
            if acknowledging
            else (f"{asked.name} is {asked.owner}'s already")
        )
    keys = some([key for _, key, *_ in fresh])
    return f"{keys}: acknowledged" if acknowledging else f"{keys}: assigned to {asked.owner}"


def _silence(cursor: Cursor, project: str, asked: Act) -> str:
    cursor.execute(
        """select exists (select from ledger.alert where project = %s)
               or exists (select from ledger.batch where project = %s)""",
        (project, project),
    )
    if cursor.fetchone() == (False,):
        raise InputError(f"nothing is known of a project {project!r}: look at how it is written")
    until = _add(cursor, project, asked)
    cursor.execute(
        f"""select count(*) from ledger.alert a
           where project = %s and state = 'open' and (key = %s or {MATTER} = %s)""",
        (project, asked.name, asked.name),
    )
    (count,) = cursor.fetchone() or (0,)
    concerns = f"{count} open now" if count else "none is open now, it is for those to come"
    return f"{asked.name}: silenced until {until:%Y-%m-%d %H:%M} UTC ({concerns})"


def _unsilence(cursor: Cursor, project: str, asked: Act) -> str:
    cursor.execute(
        """select distinct on (name) name, action, until > now() from ledger.alert_act
           where project = %s and alert_id is null order by name, act_id desc""",
        (project,),
    )
    silent = [name for name, action, lasts in cursor.fetchall() if action == "silence" and lasts]
    if asked.name not in silent:
        there = f"silenced are {some(silent)}" if silent else "nothing is"
        raise InputError(f"{asked.name!r} of {project} is not silenced: {there}")
    _add(cursor, project, asked)
    return f"{asked.name}: no longer silenced"


def _add(cursor: Cursor, project: str, asked: Act, alert_id: int | None = None, severity: str = "") -> Any:
    owner = asked.owner if asked.action == "assign" else ""
    lasting = asked.lasting if asked.action == "silence" else None
    cursor.execute(
        """insert into ledger.alert_act
               (project, action, name, alert_id, severity, owner, until, actor, reason)
           values (%s, %s, %s, %s, %s, %s, now() + %s, %s, %s) returning until""",
        (
            *(project, asked.action, asked.name, alert_id, severity, owner, lasting),
            *(asked.actor, asked.reason),
        ),
    )
    (until,) = cursor.fetchone() or (None,)
    return until


def _there(cursor: Cursor, project: str) -> str:
    found = [alert.key for alert in open_alerts(cursor, project, NAMED)]
    return f"open are {', '.join(found)}" if found else "none is open"
