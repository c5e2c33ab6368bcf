"""What the console shows of the projects, read from the ledger with the ``serve`` role."""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.alerts.contacts import contact
from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.ledger import alert_acts, gaps
from mlcycle.ledger import overview as ledger
from mlcycle.ledger.alert_acts import Open
from mlcycle.ledger.alerts import some
from mlcycle.project import Project

BARS = 60  # partitions whose rows are drawn
ALERTS = 100  # open alerts that a project's page lists


@dataclass(frozen=True)
class Champion:
    """The last reign of a project; ``metrics`` are on its own holdout."""

    seq: int
    version: int
    candidate: str
    action: str
    since: datetime
    metrics: dict[str, Any] | None


@dataclass
class Overview:
    """One project at a glance: a line of the first page, and the head of the project's own."""

    name: str
    problem: str = ""  # what is wrong with its file
    project: Project | None = None  # where its file could be read
    champion: Champion | None = None
    newest: dict[str, str] = field(default_factory=dict)  # table -> its newest published partition
    stopped: dict[str, int] = field(
        default_factory=dict
    )  # table -> partitions that wait for a better delivery
    alerts: dict[str, int] = field(default_factory=dict)  # severity -> how many are open

    gaps: tuple[int, str, str] = (0, "", "")  # missing deliveries: how many, the first, the last

    def describe(self, found: Project | str | None) -> None:
        """Take over what its file says: the project, or what is wrong with it."""
        if isinstance(found, Project):
            self.project = found
        else:
            self.problem = found or ""

    @property
    def entity(self) -> str:
        """Its entity table."""
        return self.project.entity.table if self.project else ""

    @property
    def urgent(self) -> bool:
        """Its file is wrong, or an open alert pages somebody."""
        return bool(self.problem or self.alerts.get("page"))

    @property
    def last_partition(self) -> str:
        """Key of the newest published partition of any table."""
        return max(self.newest.values(), default="")


@dataclass(frozen=True)
class Alert:
    """An open alert, or all of one matter."""

    names: tuple[str, ...]  # what an act may name: the matter, and the keys of it
    severity: str
    title: str
    link: str
    count: int
    first: str
    last: str
    subjects: tuple[str, ...] = ()  # of the matter, with partitions of their own
    owner: str = ""
    runbook: str = ""
    notes: tuple[str, ...] = ()  # what people did, and whether it was escalated


def together(found: Iterable[Open], project: Project | None = None) -> list[Alert]:
    """Open alerts by matter, in the order of the first of each."""
    matters: dict[str, list[Open]] = {}
    for alert in found:
        matters.setdefault(alert.matter, []).append(alert)
    told = []
    for matter, own in matters.items():
        first = own[0]
        head = first.title.removesuffix(f" ({first.subject})") if len(own) > 1 else first.title
        since = [f"{one.subject} (since {one.first_partition})" for one in own if one.subject]
        assigned = ", ".join(dict.fromkeys(one.owner for one in own if one.owner))
        owner, runbook = contact(project, matter, assigned) if project else (assigned, "")
        told.append(
            Alert(
                tuple(dict.fromkeys([matter, *(one.key for one in own)])),
                *(first.severity, head, first.link, max(one.count for one in own)),
                first=min(one.first_partition for one in own),
                last=max(one.last_partition for one in own),
                subjects=tuple(since) if len(own) > 1 else (),
                owner=owner,
                runbook=runbook,
                notes=_notes(own),
            )
        )
    return told


def _notes(own: list[Open]) -> tuple[str, ...]:
    """What people did about a matter's alerts; by subject where it is not all of them."""
    by_note: dict[str, list[str]] = {}
    for one in own:
        said = ["escalated"] if one.escalated else []
        if one.acknowledged_by:
            said.append(f"acknowledged by {one.acknowledged_by}, {one.acknowledged_at:%Y-%m-%d %H:%M} UTC")
        if one.silenced_until:
            until = f"{one.silenced_until:%Y-%m-%d %H:%M} UTC"
            said.append(f"silenced until {until} by {one.silenced_by}: {one.silenced_because}")
        for note in said:
            by_note.setdefault(note, []).append(one.subject or one.key)
    return tuple(
        note if len(whose) == len(own) else f"{some(whose)}: {note}" for note, whose in by_note.items()
    )


@dataclass(frozen=True)
class Detail:
    """One project's tables, the last partitions of its entity table, and its open alerts."""

    overview: Overview
    totals: dict[str, tuple[int, int]]  # table -> published partitions, rows
    table: str  # whose rows are drawn
    volumes: list[tuple[str, int]]
    alerts: list[Alert]
    listed: int = 0  # alerts that these are

    @property
    def tables(self) -> list[tuple[str, str, int, int, int]]:
        """Each table: name, newest partition, partitions, rows, stopped ones."""
        overview = self.overview
        names = sorted({*overview.newest, *self.totals, *overview.stopped})
        return [
            (
                *(name, overview.newest.get(name, ""), *self.totals.get(name, (0, 0))),
                overview.stopped.get(name, 0),
            )
            for name in names
        ]


def read_overviews(cursor: Cursor, projects: list[Overview], hidden: Collection[str] = ()) -> list[Overview]:
    """Fill in every project's state; those that need a person first, then by name.

    Projects that the ledger alone knows are among them, but for the ``hidden`` ones.
    """
    with_file = {project.name for project in projects}
    found = {project.name: project for project in projects}

    def of(name: str) -> Overview:
        return found.setdefault(name, Overview(name))

    for project, *row in ledger.champions(cursor):
        of(project).champion = Champion(*row)
    for project, table, newest, _ in ledger.tables(cursor):
        of(project).newest[table] = newest or ""
    for project, table, count in ledger.stopped(cursor):
        of(project).stopped[table] = int(count)
    for project, severity, count in ledger.alert_counts(cursor):
        of(project).alerts[severity] = int(count)
    for project, count, first, last in gaps.overview(cursor):
        of(project).gaps = (count, first, last)
    shown = (one for one in found.values() if one.name in with_file or one.name not in hidden)
    return sorted(shown, key=lambda one: (not one.urgent, one.name))


def read_detail(cursor: Cursor, overview: Overview) -> Detail:
    """One project's page, from its line of the first one."""
    totals = ledger.totals(cursor, overview.name)
    newest = max(totals, key=lambda name: (overview.newest.get(name, ""), name), default="")
    table = overview.entity if overview.entity in totals else newest
    volumes = ledger.volumes(cursor, overview.name, table, BARS) if table else []
    alerts = alert_acts.open_alerts(cursor, overview.name, ALERTS)
    return Detail(overview, totals, table, volumes, together(alerts, overview.project), len(alerts))


@contextmanager
def reading() -> Iterator[Cursor]:
    """A cursor of the ``serve`` role that reads. Raises ConfigError or Unavailable, one line."""
    with _connected(readonly=True) as cursor:
        yield cursor


@contextmanager
def acting() -> Iterator[Cursor]:
    """A cursor of the same role in one transaction: all it may write is what people do about alerts."""
    with _connected(readonly=False) as cursor:
        yield cursor


@contextmanager
def _connected(*, readonly: bool) -> Iterator[Cursor]:
    import psycopg2

    dsn = os.environ.get("MLCYCLE_DSN_SERVE", "")
    if not dsn:
        raise ConfigError("MLCYCLE_DSN_SERVE is not set: the console reads the ledger through it")
    dsns.check("MLCYCLE_DSN_SERVE", dsn)
    try:
        connection = psycopg2.connect(
            dsn, connect_timeout=5, options="-c statement_timeout=5000 -c timezone=UTC"
        )
    except psycopg2.ProgrammingError:
        raise dsns.not_one("MLCYCLE_DSN_SERVE") from None
    except psycopg2.OperationalError as error:
        raise Unavailable(f"the warehouse does not answer: {' '.join(str(error).split())}") from None
    try:
        connection.set_session(readonly=readonly)
        with connection, connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        raise Unavailable(f"the ledger does not answer: {' '.join(str(error).split())}") from None
    finally:
        connection.close()
