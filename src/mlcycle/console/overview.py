"""What the console shows of the projects, read from the ledger with the ``serve`` role."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.ledger import gaps
from mlcycle.ledger import overview as ledger
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
    entity: str = ""  # its entity table, where its file could be read
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
            self.entity = found.entity.table
        else:
            self.problem = found or ""

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
    """An open alert."""

    severity: str
    title: str
    link: str
    count: int
    first: str
    last: str


@dataclass(frozen=True)
class Detail:
    """One project's tables, the last partitions of its entity table, and its open alerts."""

    overview: Overview
    totals: dict[str, tuple[int, int]]  # table -> published partitions, rows
    table: str  # whose rows are drawn
    volumes: list[tuple[str, int]]
    alerts: list[Alert]

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


def read_overviews(cursor: Cursor, projects: list[Overview]) -> list[Overview]:
    """Fill in every project's state; those that need a person first, then by name.

    Projects that the ledger alone knows are among them.
    """
    found = {project.name: project for project in projects}

    def of(name: str) -> Overview:
        return found.setdefault(name, Overview(name))

    for project, *row in ledger.champions(cursor):
        of(project).champion = Champion(*row)
    for project, table, newest in ledger.tables(cursor):
        of(project).newest[table] = newest or ""
    for project, table, count in ledger.stopped(cursor):
        of(project).stopped[table] = int(count)
    for project, severity, count in ledger.alert_counts(cursor):
        of(project).alerts[severity] = int(count)
    for project, count, first, last in gaps.overview(cursor):
        of(project).gaps = (count, first, last)
    return sorted(found.values(), key=lambda one: (not one.urgent, one.name))


def read_detail(cursor: Cursor, overview: Overview) -> Detail:
    """One project's page, from its line of the first one."""
    totals = ledger.totals(cursor, overview.name)
    newest = max(totals, key=lambda name: (overview.newest.get(name, ""), name), default="")
    table = overview.entity if overview.entity in totals else newest
    volumes = ledger.volumes(cursor, overview.name, table, BARS) if table else []
    alerts = [Alert(*row) for row in ledger.open_alerts(cursor, overview.name, ALERTS)]
    return Detail(overview, totals, table, volumes, alerts)


@contextmanager
def reading() -> Iterator[Cursor]:
    """A cursor of the ``serve`` role in a transaction of its own, its statements bounded.

    Raises ConfigError or Unavailable, one line.
    """
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
        connection.set_session(readonly=True)
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        raise Unavailable(f"the ledger could not be read: {' '.join(str(error).split())}") from None
    finally:
        connection.close()
