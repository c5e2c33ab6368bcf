"""What the console's first page shows of each project, read from the ledger with the ``serve`` role."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlcycle.errors import ConfigError, Unavailable
from mlcycle.ledger import overview as ledger


@dataclass
class Overview:
    """One project: its champion's history, its tables, rows of the last partitions, open alerts."""

    name: str
    problem: str = ""  # what is wrong with its file
    champions: list[tuple[Any, ...]] = field(default_factory=list)
    tables: list[tuple[Any, ...]] = field(default_factory=list)
    volumes: list[tuple[str, int]] = field(default_factory=list)
    alerts: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def champion(self) -> tuple[Any, ...] | None:
        """The last of the history: seq, version, candidate, action, since, metrics."""
        return self.champions[-1] if self.champions else None

    @property
    def last_partition(self) -> str:
        """Key of the newest published partition of any table."""
        return max((table[1] for table in self.tables if table[1]), default="")

    @property
    def since(self) -> datetime | None:
        """When the champion became it."""
        return self.champion[4] if self.champion else None


def read_overviews(projects: list[Overview], partitions: int = 60) -> list[Overview]:
    """Fill in every project's state; projects that the ledger alone knows come last.

    Raises ConfigError or Unavailable, one line.
    """
    import psycopg2

    dsn = os.environ.get("MLCYCLE_DSN_SERVE", "")
    if not dsn:
        raise ConfigError("MLCYCLE_DSN_SERVE is not set: the console reads the ledger through it")
    found = {project.name: project for project in projects}

    def of(name: str) -> Overview:
        return found.setdefault(name, Overview(name))

    try:
        connection = psycopg2.connect(
            dsn, connect_timeout=5, options="-c statement_timeout=5000 -c timezone=UTC"
        )
    except psycopg2.OperationalError as error:
        raise Unavailable(f"the warehouse does not answer: {' '.join(str(error).split())}") from None
    try:
        with connection.cursor() as cursor:
            for project, *row in ledger.champions(cursor):
                of(project).champions.append(tuple(row))
            for project, *row in ledger.tables(cursor):
                of(project).tables.append(tuple(row))
            for project, partition, rows in ledger.volumes(cursor, partitions):
                of(project).volumes.append((partition, int(rows)))
            for project, *row in ledger.open_alerts(cursor):
                of(project).alerts.append(tuple(row))
    except psycopg2.Error as error:
        raise Unavailable(f"the ledger could not be read: {' '.join(str(error).split())}") from None
    finally:
        connection.close()
    return list(found.values())
