"""Deliveries out of a database: the rows of a partition by event time, in the order of their key.

Each reading is one statement in a transaction that only reads, fetched in chunks by a cursor of the server.
"""

import hashlib
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery import database_rows
from mlcycle.adapters.delivery.database_engine import Place, engine_of, read_only, translated
from mlcycle.adapters.delivery.database_times import Clock, clock_of
from mlcycle.adapters.delivery.source import Fetched, NotDelivered
from mlcycle.domain.partitions import Partition
from mlcycle.domain.sql_guard import query_problem
from mlcycle.errors import ConfigError, DataRejected, MlcycleError
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
        with engine.connect() as connection:
            read_only(connection)
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

    with reading(*engine_of(url, secret, project, settings)) as connection:
        typed = connection.dialect.name != "sqlite"
        found = connection.execute(sa.select(sa.text("*")).select_from(rows_of(named, typed)).limit(most))
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
            found = Relation(connection, table)
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
            found = Relation(connection, table)
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


class Relation:
    """A table or query as the database has it just now."""

    def __init__(self, connection: "sa.Connection", table: Table) -> None:
        import sqlalchemy as sa

        assert table.database is not None
        self._table, self._sa = table, sa
        self.typed = connection.dialect.name != "sqlite"
        self.rows = rows_of(table.database, self.typed)
        probe = sa.select(sa.text("*")).select_from(self.rows).where(sa.text("1 = 0"))
        description = connection.execution_options(stream_results=False).execute(probe).cursor.description
        self.types: dict[str, Any] = {column[0]: column[1] for column in description}
        connection.execution_options(stream_results=True)

    def delivered(self, name: str) -> str:
        """A column's name in the database."""
        return self._delivered.get(name, name)

    @cached_property
    def _delivered(self) -> dict[str, str]:
        return {own: delivered for delivered, own in self._table.rename.items()}

    @property
    def names(self) -> list[str]:
        """Columns to read: those declared, and where undeclared ones hold a delivery, all."""
        if self._table.extra_columns == "hold":
            return list(self.types)
        wanted = {self.delivered(each) for each in self._table.columns}
        return [each for each in self.types if each in wanted]

    def raw(self, name: str) -> Any:
        """A column by its name in the database."""
        return self._sa.column(self._sa.sql.quoted_name(name, quote=True))

    def column(self, name: str) -> Any:
        """A column by its name in the project."""
        return self.raw(self.delivered(name))

    def clock(self, name: str) -> Clock:
        """How a column of the project writes times."""
        return self.clock_by(self.delivered(name))

    def clock_by(self, name: str) -> Clock:
        """The same of a column by its name in the database.

        Raises DataRejected where it is not there, ConfigError where it holds no time.
        """
        if name not in self.types:
            raise DataRejected(f"column {name!r} is missing, by whose times rows are asked for")
        return clock_of(name, self.types[name] if self.typed else None, self._table.times)

    def select(self) -> Any:
        """The columns of all rows."""
        return self._sa.select(*map(self.raw, self.names)).select_from(self.rows)

    @property
    def order(self) -> Sequence[Any]:
        """The key and the event time; where the row's number is of the key, all else too, as text."""
        wanted = [self.delivered(each) for each in (*self._table.key, self._table.event_time)]
        own = [self.raw(each) for each in wanted if each in self.types]
        if not self._table.row_number:
            return own
        rest = [each for each in self.names if each not in wanted]
        return [*own, *(self._sa.cast(self.raw(each), self._sa.Text) for each in rest)]


def rows_of(named: Database, typed: bool) -> Any:
    """What stands behind FROM. Raises ConfigError for a query that is not one SELECT."""
    import sqlalchemy as sa

    if named.table is None:
        return sa.text(f"({_one_select(named.query or '', typed)}\n) as rows_")
    *schema, name = (sa.sql.quoted_name(part, quote=True) for part in named.table.split("."))
    return sa.table(name, schema=schema[0] if schema else None)


def _one_select(query: str, checked: bool) -> str:
    """A query as part of a statement. Raises ConfigError where it is not one SELECT.

    SQLite's is held by SQLite itself: it may only read, one statement at a time.
    """
    query = query.strip().rstrip(";").rstrip()
    problem = query_problem(query) if checked else None
    if problem is not None:
        raise ConfigError(f"database.query, line {problem[0]}: {problem[1]}")
    return query.replace("\\", "\\\\").replace(":", "\\:")


def _fetched(file: Path) -> Fetched:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Fetched(digest, file.stat().st_size, None, file)
