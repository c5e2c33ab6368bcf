"""Tables as strangers write them: what each spelling means, and what becomes of a cell that is none."""

import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from mlcycle.adapters.delivery.checking import Batch, Checker
from mlcycle.adapters.delivery.cut import as_cut, cut
from mlcycle.adapters.delivery.readers import reader_of
from mlcycle.adapters.delivery.source import Fetched, NotDelivered
from mlcycle.contract import Output
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import DataRejected
from mlcycle.project import Table

DAY = Partition.parse("2013-03-31", Unit.DAY)  # the day on which Berlin's clocks go forward
COLUMNS = {"station": "text", "at": "timestamp", "temp": "double", "count": "integer", "ok": "boolean"}


def table(**more: Any) -> Table:
    shape = {"columns": COLUMNS, "key": ["station"], "event_time": "at", "max_bad_rows": 1.0}
    return Table.model_validate({**shape, **more})


def checked(data: bytes | Path, declared: Table, form: str = "csv") -> Batch:
    checker = Checker("t", declared, reader_of(declared, form))
    batch = checker.read(DAY, Output(uri="file:///x", digest="d"), 1, data)
    checker.check([batch])
    return batch


def accepted(batch: Batch) -> list[list[str]]:
    assert not batch.stopped, batch.why
    assert batch.text is not None
    rendered = batch.rendered()
    assert rendered is not None
    return [line.split(",") for line in rendered.decode().replace('"', "").splitlines()[1:]]


def reasons(batch: Batch) -> list[tuple[int, list[str]]]:
    return [(row.number, row.reasons) for row in batch.bad]


ROW = ["a", "2013-03-31 10:00:00.000000Z", "1234.5", "1000", "true"]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (
            b"station;at;temp;count;ok\na;31.03.2013 12:00;1.234,5;1.000;ja\n",
            {
                "csv": {"separator": ";"},
                "numbers": {"decimal": ",", "thousands": "."},
                "booleans": {"true": ["Ja"], "false": ["nein"]},
                "times": {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
            },
        ),
        (
            b"# made by hand\nStation\tZeit\tTEMP\tNo\tok\na\t2013-03-31T12:00+02:00\t1234.5\t1000\tT\n",
            {
                "csv": {"separator": "\t", "comment": "#"},
                "rename": {"Station": "station", "Zeit": "at", "TEMP": "temp", "No": "count"},
                "times": {"zone": "Asia/Tokyo"},
            },
        ),
        (
            "Messung in °C\n\n station  at temp count ok\na   1364724000  1234.5   1000 1\n".encode("cp1252"),
            {
                "csv": {"separator": "whitespace", "skip": 2, "encoding": "cp1252"},
                "times": {"format": "unix"},
            },
        ),
        (
            b"a|1364724000000|1,234.5|1,000|yes\r\n",
            {
                "csv": {"separator": "|", "header": False},
                "numbers": {"thousands": ","},
                "times": {"format": "unix_ms"},
                "booleans": {"true": ["yes"], "false": ["no"]},
            },
        ),
        (
            b"year,month,day,hour,station,temp,count,ok\n2013,3,31,10, a ,1234.5,1000,1\n",
            {"trim": True, "times": {"format": "%Y %m %d %H", "parts": ["year", "month", "day", "hour"]}},
        ),
        (
            "station,at,temp,count,ok\na,2013-03-31T10:00:00Z,1234.5,1000,true\n".encode("utf-16"),
            {"csv": {"encoding": "utf-16"}},
        ),
        (
            gzip.compress(b"station,at,temp,count,ok\na,2013-03-31 10:00,1234.5,1000,true\n"),
            {"compression": "gzip"},
        ),
        (
            pa.compress(
                b"station,at,temp,count,ok\na,2013-03-31 10:00,1234.5,1000,true\n", codec="zstd", asbytes=True
            ),
            {"compression": "zstd"},
        ),
    ],
    ids=["german", "renamed", "whitespace", "no header", "parts", "utf-16", "gzip", "zstd"],
)
@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_row_means_the_same_however_it_is_written(
    data: bytes, more: dict[str, Any], where: str, tmp_path: Path
) -> None:
    given: bytes | Path = data
    if where == "file":
        given = tmp_path / "delivery.csv"
        given.write_bytes(data)
    (row,) = accepted(checked(given, table(**more)))
    assert row[1][:16].replace("T", " ") == ROW[1][:16]
    assert [row[0], float(row[2]), int(row[3]), row[4].lower() in ("true", "t", "1")] == [
        "a",
        1234.5,
        1000,
        True,
    ]
    assert [path.name for path in tmp_path.iterdir()] == (["delivery.csv"] if where == "file" else [])


@pytest.mark.parametrize("form", ["jsonl", "parquet", "orc"])
def test_other_formats(form: str) -> None:
    from datetime import datetime

    if form == "jsonl":
        data = (
            b'{"station": "a", "at": "2013-03-31T12:00:00", "v": {"temp": 1234.5}, "count": 1000, "ok": true}\n'
            b"\n{broken\n[1]\n"
        )
        more: dict[str, Any] = {"rename": {"v.temp": "temp"}}
    else:
        rows = pa.table(
            {
                "station": ["a"],
                "at": pa.array([datetime(2013, 3, 31, 12)], pa.timestamp("ns")),
                "temp": [1234.5],
                "count": pa.array([1000], pa.int32()),
                "ok": [True],
            }
        )
        sink = io.BytesIO()
        write = pa.parquet.write_table if form == "parquet" else pa.orc.write_table
        write(rows, sink)
        data, more = sink.getvalue(), {}
    batch = checked(data, table(**more, times={"zone": "Europe/Berlin"}), form)
    (row,) = accepted(batch)
    assert [row[0], row[1][:16], float(row[2]), row[3], row[4]] == [
        "a",
        "2013-03-31 10:00",
        1234.5,
        "1000",
        "true",
    ]
    assert [number for number, _ in reasons(batch)] == ([3, 4] if form == "jsonl" else [])


def test_what_is_not_written_so_is_set_aside_with_its_text() -> None:
    declared = table(
        csv={"separator": ";"},
        numbers={"decimal": ",", "thousands": "."},
        nulls=["NA", "-"],
        times={"format": ["%d.%m.%Y %H:%M", "%d.%m.%Y"], "zone": "Europe/Berlin"},
    )
    lines = [
        "station;at;temp;count;ok",
        "a;31.03.2013 04:00;NA;1;true",  # a missing value
        "b;31.03.2013 02:30;1;1;true",  # an hour that Berlin did not have
        "c;2013-03-31 10:00;1;1;true",  # a time, but not written so
        "d;31.03.2013 10:00;1.5;1;true",  # a point where a comma stands
        "e;31.03.2013 10:00;1,5;12.34;true",  # thousands by two
        "f;31.03.2013;1,5;-;false",  # the second format; midnight in Berlin is still the day before
        "g;31.03.2013 10:00;1,5;1",
        "h;31.03.2013 10:00;1,5;1.234.567;maybe",
    ]
    batch = checked("\n".join(lines).encode(), declared)
    (row,) = accepted(batch)
    assert row == ["a", "2013-03-31 02:00:00.000000Z", "", "1", "true"]
    told = dict(reasons(batch))
    assert told[2] == ["column at: '31.03.2013 02:30' is not a time like '%d.%m.%Y %H:%M' or '%d.%m.%Y'"]
    assert "'2013-03-31 10:00' is not a time like" in told[3][0]
    assert told[4] == [
        "column temp: '1.5' is not a number with ',' before decimals and '.' between thousands"
    ]
    assert "'12.34' is not an integer" in told[5][0]
    assert "not in partition" in told[6][0]
    assert told[7] == ["the row has 4 fields, the header 5"]
    assert told[8] == ["column ok: 'maybe' is not one of true, t, 1, false, f, 0"]
    assert batch.violations["column at: not a time like 2013-06-01T12:00:00Z"] == 2


def test_columns_that_no_delivery_has() -> None:
    declared = Table.model_validate(
        {
            "columns": {"series": "text", "no": "integer", "at": "timestamp", "temp": "double"},
            "key": ["series", "no"],
            "event_time": "at",
            "constants": {"series": "main"},
            "row_number": "no",
        }
    )
    data = b"temp,at\n1.5,2013-03-31T10:00:00Z\n2.5,2013-03-31T10:00:00Z\n"
    assert [row[:2] for row in accepted(checked(data, declared))] == [["main", "1"], ["main", "2"]]
    assert "the header names 'series' twice" in checked(data.replace(b"temp", b"series"), declared).why


DEALT = {
    "columns": {"id": "text", "no": "integer", "at": "timestamp", "x": "double"},
    "key": ["no"],
    "event_time": "at",
    "row_number": "no",
    "nulls": ["?"],
    "extra_columns": "ignore",
}


@pytest.mark.parametrize("by", [[], ["id"]])
def test_rows_without_a_time_are_dealt_over_days(by: list[str]) -> None:
    declared = Table.model_validate({**DEALT, "file": "a.csv", "dealt": {"over": 30, "by": by}})
    lines = [f"n{number % 500},{number % 7 or '?'},{number}" for number in range(6000)]
    data = "\n".join(["id,x,beside", *lines]).encode()
    days = [Partition.parse("2000-01-01", Unit.DAY).shift(at) for at in range(30)]
    found = cut([Fetched("d", 1, data, None)], declared, "csv", Unit.DAY, {day.key for day in days})
    assert (found.rows, found.unplaced_rows, len(found.parts)) == (6000, 0, 30)
    delivered, form = as_cut(declared, "csv")
    seen: dict[str, set[str]] = {}
    rows = 0
    for day in days:
        checker = Checker("t", delivered, reader_of(delivered, form))
        batch = checker.read(day, Output(uri="x", digest="d"), 1, found.parts[day.key])
        checker.check([batch])
        for row in accepted(batch):
            rows += 1
            seen.setdefault(row[0], set()).add(day.key)
    assert rows == 6000  # each is on the day that the check draws for it again
    sizes = [part.count(b"\n") for part in found.parts.values()]
    if by:
        assert all(len(on) == 1 for on in seen.values())
    else:
        assert 60 < min(sizes) < max(sizes) < 420


def test_an_hour_that_comes_twice_is_the_first_of_them() -> None:
    from datetime import UTC, datetime

    declared = table(times={"format": "%Y-%m-%d %H:%M", "zone": "Europe/Berlin"})
    day = Partition.parse("2013-10-27", Unit.DAY)
    checker = Checker("t", declared, reader_of(declared))
    batch = checker.read(
        day, Output(uri="x", digest="d"), 1, b"station,at,temp,count,ok\na,2013-10-27 02:30,1,1,1\n"
    )
    checker.check([batch])
    assert batch.event_min == datetime(2013, 10, 27, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "more", "form", "told"),
    [
        (b"station,at\n", {"compression": "gzip"}, "csv", "not gzip, or cut off"),
        (
            gzip.compress(b"x" * 5000),
            {"compression": "gzip", "max_bytes": 4000},
            "csv",
            "unpacks to more than 4000",
        ),
        (b"\xff\xfe\x00", {"csv": {"encoding": "utf-16"}}, "csv", "not utf-16"),
        (b"no json\n", {}, "jsonl", "no line is a JSON object"),
        (b"station,at\n", {}, "parquet", "not parquet"),
        (b"", {"csv": {"header": False}}, "csv", "the file is empty"),
        (
            b"y,station,temp,count,ok\n1,a,1,1,1\n",
            {"times": {"format": "%Y %m", "parts": ["y", "m"]}},
            "csv",
            "column 'm' is missing, a part of at",
        ),
    ],
)
def test_a_file_that_is_not_written_so_is_stopped_by_name(
    data: bytes, more: dict[str, Any], form: str, told: str, tmp_path: Path
) -> None:
    assert told in checked(data, table(**more), form).why
    path = tmp_path / "file"
    path.write_bytes(data)
    assert told in checked(path, table(**more), form).why
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"csv": {"separator": ";", "quote": ";"}}, "must be different characters"),
        ({"csv": {"names": ["a"]}}, "names are for a file without header"),
        ({"csv": {"encoding": "utf-9"}}, "is none that Python knows"),
        ({"numbers": {"decimal": ",", "thousands": ","}}, "are both ','"),
        ({"times": {"zone": "Mars/Olympus"}}, "is none of the IANA database"),
        ({"times": {"zone": "../etc"}}, "is none of the IANA database"),
        ({"times": {"format": "day/month"}}, "is not one like"),
        ({"times": {"parts": ["a", "b"]}}, "with the format of all of them"),
        ({"booleans": {"true": ["Y"], "false": ["y"]}}, "is both true and false"),
        ({"rename": {"A": "temp", "B": "temp"}}, "of two columns"),
        ({"rename": {"A": "nowhere"}}, "not among the columns"),
        ({"constants": {"temp": "1"}}, "must be a text column that is not delivered"),
        ({"row_number": "temp"}, "must be an integer column"),
        ({"path": "../{partition}.csv"}, "must lead from source.url downwards"),
        ({"path": "{table}/{who}.csv"}, "between braces stand"),
        ({"path": "{table}/{year}.csv"}, "names the same file"),
        ({"path": "{partition!r}.csv"}, "between braces stand"),
        ({"path": "{partition}.csv", "file": "a.csv"}, "take one out"),
    ],
)
def test_a_spelling_that_cannot_be_is_refused_in_words(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace("(", r"\(")):
        table(**more)


def test_the_file_of_a_partition() -> None:
    assert table().place("t", DAY, "csv") == "t/2013-03-31.csv"
    assert table(compression="zstd", format="jsonl").place("t", DAY, "csv") == "t/2013-03-31.jsonl.zst"
    assert table(path="{year}/{month}/{table}_{day}.txt").place("t", DAY, "csv") == "2013/03/t_31.txt"


LARGE = (
    b"station;at;temp;count;ok\n"
    b"a;31.03.2013 12:00;1,5;1;true\n"
    b"a;01.04.2013 12:00;2,5;1;true\n"
    b"b;31.03.2013 23:59;x;1;true\n"  # 21:59 in Greenwich
    b"b;01.04.2013 00:30;3,5;1;true\n"  # 22:30 of the day before
    b"c;never;1,5;1;true\n"
    b"d;;1,5;1;true\n"
    b"e;31.03.2013 12:00\n"
)
SPELT = {
    "file": "all.csv",
    "csv": {"separator": ";"},
    "numbers": {"decimal": ","},
    "times": {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
}


def test_a_file_of_many_partitions_is_cut_by_event_time() -> None:
    declared = table(**SPELT)
    fetched = Fetched("d", len(LARGE), LARGE, None)
    found = cut([fetched], declared, "csv", Unit.DAY, {"2013-03-31"})
    assert (found.rows, found.first, found.last, found.unplaced_rows) == (7, "2013-03-31", "2013-04-01", 3)
    told = found.set_aside().decode().splitlines()
    assert [next(word for word in ("fields", "empty", "never") if word in line) for line in told] == [
        "never",
        "fields",
        "empty",
    ]
    delivered, form = as_cut(declared, "csv")
    one = found.fetch("t", declared, DAY)
    assert one.data is not None
    batch = checked(one.data, delivered, form)
    assert [row[0] for row in accepted(batch)] == ["a", "b"]
    assert reasons(batch) == [(2, ["column temp: 'x' is not a number with ',' before decimals"])]
    with pytest.raises(NotDelivered, match="has rows of 2013-03-31 to 2013-04-01, none of this one"):
        found.fetch("t", declared, DAY.shift(5))
    again = cut([Fetched("d", 1, LARGE, None)], declared, "csv", Unit.DAY, {"2013-03-31"})
    assert again.fetch("t", declared, DAY).digest == one.digest


def test_files_of_many_partitions_with_types_of_their_own(tmp_path: Path) -> None:
    from datetime import datetime

    files = []
    for number, hour in enumerate((10, 30)):
        path = tmp_path / f"{number}.parquet"
        moment = datetime(2013, 3, 31 if hour < 24 else 30, hour % 24)
        rows = {"station": [str(number)], "at": [moment], "temp": [0.1], "count": [number], "ok": [None]}
        pa.parquet.write_table(pa.table(rows), path)
        files.append(Fetched("d", 1, None, path))
    declared = table(file="*.parquet", sparse=["ok"])
    found = cut(files, declared, "parquet", Unit.DAY, {"2013-03-31", "2013-03-30"})
    assert sorted(found.parts) == ["2013-03-30", "2013-03-31"]
    assert not list(tmp_path.iterdir())
    delivered, form = as_cut(declared, "parquet")
    data = found.fetch("t", declared, DAY).data
    assert data is not None
    assert accepted(checked(data, delivered, form))[0][:3] == ["0", "2013-03-31 10:00:00.000000Z", "0.1"]


def test_a_file_without_its_time_is_refused() -> None:
    with pytest.raises(DataRejected, match="column 'at' is missing"):
        cut([Fetched("d", 1, b"a;b\n1;2\n", None)], table(**SPELT), "csv", Unit.DAY, set())
