"""A table or query of somebody's database: its columns, their order, and how they write times."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery import database_duckdb
from mlcycle.adapters.delivery.database_place import Place
from mlcycle.adapters.delivery.database_times import Clock, clock_of
from mlcycle.domain.sql_guard import query_problem
from mlcycle.errors import ConfigError, DataRejected
from mlcycle.project import Table
from mlcycle.project.database import Database

if TYPE_CHECKING:
    import sqlalchemy as sa


class Relation:
    """A table or query as the database has it just now."""

    def __init__(self, connection: "sa.Connection", place: Place, table: Table) -> None:
        import sqlalchemy as sa

        assert table.database is not None
        self._table, self._sa = table, sa
        self.typed = connection.dialect.name != "sqlite"
        self._dialect = connection.dialect.name
        self.rows = rows_of(table.database, place)
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
        code = self.types[name] if self.typed else None
        return clock_of(name, code, self._table.times, self._dialect)

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


def rows_of(named: Database, place: Place) -> Any:
    """What stands behind FROM. Raises ConfigError for a query that is not one SELECT."""
    import sqlalchemy as sa

    if named.table is None:
        return sa.text(f"({_one_select(named.query or '', place)}\n) as rows_")
    *schema, name = (sa.sql.quoted_name(part, quote=True) for part in named.table.split("."))
    return sa.table(name, schema=schema[0] if schema else None)


def _one_select(query: str, place: Place) -> str:
    """A query as part of a statement. Raises ConfigError where it is not one SELECT.

    PostgreSQL's and DuckDB's own parsers say so. SQLite holds a query to reading by itself, a MySQL to the
    rights of its login and a transaction that reads; both take one statement at a time.
    """
    query = query.strip().rstrip(";").rstrip()
    problem = None
    if place.kind == "postgresql":
        problem = query_problem(query)
    elif place.kind == "duckdb":
        query = query.replace(database_duckdb.FOLDER, place.folder.replace("'", "''"))
        problem = database_duckdb.problem(query)
    if problem is not None:
        raise ConfigError(f"database.query, line {problem[0]}: {problem[1]}")
    return query.replace("\\", "\\\\").replace(":", "\\:")
