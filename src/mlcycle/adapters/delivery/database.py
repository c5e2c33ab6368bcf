"""Deliveries out of a database: the rows of a partition by event time, in the order of their key.

Each reading is one statement in a transaction that only reads, fetched in chunks by a cursor of the server.
"""

import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.adapters.delivery import database_rows
from mlcycle.adapters.delivery.database_engine import engine_of, held, translated
from mlcycle.adapters.delivery.database_place import Place
from mlcycle.adapters.delivery.database_relation import Relation, rows_of
from mlcycle.adapters.delivery.source import Fetched, NotDelivered
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected, MlcycleError
from mlcycle.project import Project, Table
from mlcycle.project.database import Database
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

AT_ONCE = 4  # connections to somebody's database
MOST_BYTES = 1 << 28  # of a sample


@dataclass(frozen=True)
class Changed:
    """What a database has that is newer than what was read."""

    partitions: list[Partition]  # in order
    newest: datetime | None  # of the watermark's column; None: there is no row


@contextmanager
def reading(engine: "sa.Engine", place: Place) -> "Iterator[sa.Connection]":
    """A connection that only reads, with its errors by what to do about them."""
    import sqlalchemy as sa

    try:
        with engine.connect() as connection, held(connection, place):
            yield connection.execution_options(stream_results=True)
    except MlcycleError:
        raise
    except sa.exc.SQLAlchemyError as error:
        raise translated(error, place) from None


def sample(
    url: str, secret: str, project: str, named: Database, settings: Settings, file: Path, most: int
) -> int:
    """Write the first rows that a database gives to a Parquet file, and return how many there were.

    Args:
        url: of the database, as a project writes it.
        secret: the word for its password; empty: none.
        project: its name.
        named: the table or query.
        settings: of who asks.
        file: to write; it is there afterwards if a row is.
        most: rows.

    Raises as ``SourceDatabase.fetch``.
    """
    import sqlalchemy as sa

    engine, place = engine_of(url, secret, project, settings)
    with reading(engine, place) as connection:
        typed = connection.dialect.name != "sqlite"
        found = connection.execute(sa.select(sa.text("*")).select_from(rows_of(named, place)).limit(most))
        names, chunks = list(found.keys()), found.partitions(database_rows.ROWS)
        return database_rows.write(chunks, names, {}, file, typed=typed, max_bytes=MOST_BYTES)


class SourceDatabase:
    """The tables and queries of one project's database."""

    def __init__(self, project: Project, settings: Settings, scratch: Path) -> None:
        source = project.source
        self._engine, self._place = engine_of(source.url, source.secret, project.name, settings)
        self._unit, self._scratch = project.unit, scratch
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def fetch(self, name: str, table: Table, partition: Partition) -> Fetched:
        """The rows of one partition of a table, as Parquet.

        Raises NotDelivered where there is none, Unavailable where the database does not answer, ConfigError
        where it refuses, DataRejected for more than the table's ``max_bytes``.
        """
        with self._reading() as connection:
            found = Relation(connection, self._place, table)
            moment = found.column(table.event_time)
            clock = found.clock(table.event_time)
            query = (
                found.select()
                .where(clock.at_or_after(moment, partition.start), clock.before(moment, partition.end))
                .order_by(*found.order)
            )
            file = self._scratch / f"{uuid.uuid4().hex}.parquet"
            try:
                rows = database_rows.write(
                    connection.execute(query).partitions(database_rows.ROWS),
                    found.names,
                    {found.delivered(each): kind for each, kind in table.columns.items()},
                    file,
                    typed=found.typed,
                    max_bytes=table.max_bytes,
                )
            except BaseException as error:
                file.unlink(missing_ok=True)
                if isinstance(error, DataRejected):
                    raise DataRejected(f"{name} of {partition.key}: {error.message}") from None
                raise
        if not rows:
            raise NotDelivered(f"{name} of {partition.key} is not delivered yet: no row has such a time")
        return _fetched(file)

    def changed(self, table: Table, first: Partition, end: Partition, since: datetime | None) -> Changed:
        """Partitions in ``[first, end)`` with rows written after a moment, the look-back included.

        Args:
            table: of the project; its ``database`` names the watermark's column.
            first: the earliest that is looked at.
            end: the first that is not.
            since: up to where the table was read; None: it never was, and nothing has changed.

        Raises as ``fetch``.
        """
        import sqlalchemy as sa

        assert table.database is not None
        assert table.database.watermark is not None
        column = table.database.watermark
        with self._reading() as connection:
            found = Relation(connection, self._place, table)
            written, written_at = found.raw(column), found.clock_by(column)
            moment, clock = found.column(table.event_time), found.clock(table.event_time)
            (newest,) = connection.execute(sa.select(sa.func.max(written)).select_from(found.rows)).one()
            keys: set[Partition] = set()
            if since is not None:
                query = (
                    sa.select(moment)
                    .select_from(found.rows)
                    .where(
                        clock.at_or_after(moment, first.start),
                        clock.before(moment, end.start),
                        written_at.at_or_after(written, since - table.database.look_back),
                    )
                    .distinct()
                )
                for rows in connection.execute(query).partitions(database_rows.ROWS):
                    moments = (clock.read(value) for (value,) in rows)
                    keys |= {Partition.containing(each, self._unit) for each in moments if each is not None}
        return Changed(sorted(keys), None if newest is None else written_at.read(newest))

    @contextmanager
    def _reading(self) -> "Iterator[sa.Connection]":
        with self._turn, reading(self._engine, self._place) as connection:
            yield connection


def _fetched(file: Path) -> Fetched:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Fetched(digest, file.stat().st_size, None, file)
