"""How a database's column writes times, so that partitions can be asked for in its own words."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from mlcycle.errors import ConfigError
from mlcycle.project.written import Times

#: Types of columns as drivers name them: of moments, of times without a zone, of numbers.
TYPES: dict[str, tuple[frozenset[Any], frozenset[Any], frozenset[Any]]] = {
    # numbers in PostgreSQL's catalog
    "postgresql": (frozenset({1184}), frozenset({1114, 1082}), frozenset({20, 21, 23, 700, 701, 1700})),
    # of MySQL's protocol: TIMESTAMP is a moment; DATE, DATETIME; numbers, DECIMAL as both
    "mysql": (frozenset({7}), frozenset({10, 12, 14}), frozenset({0, 1, 2, 3, 4, 5, 8, 9, 246})),
    "duckdb": (
        frozenset({"TIMESTAMP WITH TIME ZONE"}),
        frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}),
        frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE"}),
    ),
}
UNITS = {"unix": 1, "unix_ms": 1000}


@dataclass(frozen=True)
class Clock:
    """One column's way of writing times."""

    #: zoned; utc, which is a moment but compared without its zone; plain, which has none; text, ISO 8601
    #: without a zone or in UTC; number.
    how: str
    zone: tzinfo = UTC
    unit: int = 1  # of a number, per second

    def at_or_after(self, column: Any, moment: datetime) -> Any:
        """The condition that a column's time is not before a moment."""
        if self.how != "text":
            return column >= self._bound(moment)
        local = self._bound(moment)
        # The plain comparison is for an index: both ways of writing sort behind their day.
        return (column >= f"{local:%Y-%m-%d}") & (_seconds(column) >= f"{local:%Y-%m-%d %H:%M:%S}")

    def before(self, column: Any, moment: datetime) -> Any:
        """The condition that a column's time is before a moment."""
        if self.how != "text":
            return column < self._bound(moment)
        local = self._bound(moment)
        return (column < f"{local + timedelta(days=1):%Y-%m-%d}") & (
            _seconds(column) < f"{local:%Y-%m-%d %H:%M:%S}"
        )

    def read(self, value: Any) -> datetime | None:
        """A value of the column as a moment; None where it is none."""
        if value is None:
            return None
        if self.how == "number":
            return datetime.fromtimestamp(float(value) / self.unit, tz=UTC)
        if self.how == "text":
            try:
                value = datetime.fromisoformat(str(value))
            except ValueError:
                return None
        elif not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day) if isinstance(value, date) else None
        if value is None:
            return None
        zoned: datetime = value if value.tzinfo else value.replace(tzinfo=self.zone)
        return zoned.astimezone(UTC)

    def _bound(self, moment: datetime) -> Any:
        if self.how == "number":
            return int(moment.timestamp() * self.unit)
        if self.how == "zoned":
            return moment
        if self.how == "utc":
            return moment.astimezone(UTC).replace(tzinfo=None)
        local = moment.astimezone(self.zone)
        while local.fold:  # the hour that comes twice means the first: behind it, the next time there is
            moment += timedelta(minutes=1)
            local = moment.astimezone(self.zone)
        return local.replace(tzinfo=None)


def clock_of(name: str, code: Any, times: Times, dialect: str = "postgresql") -> Clock:
    """The clock of a column.

    Args:
        name: for people.
        code: its type as the driver names it; None: SQLite, which has none.
        times: how the table says that its times are written.
        dialect: of the database.

    Raises ConfigError for a type that holds no time.
    """
    unix = times.formats[0] if times.formats else None
    if code is None:
        return Clock("number", unit=UNITS[unix]) if unix else Clock("text", times.timezone)
    moments, plain, numbers = TYPES[dialect]
    if dialect == "duckdb":
        code = str(code)
    if code in moments:
        return Clock("utc" if dialect == "mysql" else "zoned")
    if code in plain:
        return Clock("plain", times.timezone)
    if code in numbers and unix:
        return Clock("number", unit=UNITS[unix])
    raise ConfigError(
        f"column {name!r} has a type that holds no time: make it a timestamp in a query, or, for a number, "
        "say times: {format: unix}"
    )


def _seconds(column: Any) -> Any:
    """Text of a time to the second, however it parts day and hour, and where it says no more than the day."""
    import sqlalchemy as sa

    text = sa.func.replace(sa.func.replace(sa.func.substr(column, 1, 19), "T", " "), "Z", "")
    return text.op("||")(sa.func.substr("0000-00-00 00:00:00", sa.func.length(text) + 1))
