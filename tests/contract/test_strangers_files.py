"""A stranger's file, as it stands, through ingest: one large file cut by event time, and one a partition."""

from pathlib import Path

import pytest

from mlcycle.contract import Status
from mlcycle.project import Project
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest

HEADER = "No;year;month;day;hour;pm2.5;TEMP;cbwd"
TABLE = {
    "csv": {"separator": ";", "encoding": "cp1252"},
    "rename": {"No": "number", "pm2.5": "pm25", "TEMP": "temp", "cbwd": "wind"},
    "nulls": ["NA"],
    "numbers": {"decimal": ","},
    "times": {"parts": ["year", "month", "day", "hour"], "format": "%Y %m %d %H", "zone": "Asia/Shanghai"},
    "constants": {"station": "main"},
    "columns": {
        "station": "text",
        "number": "integer",
        "at": "timestamp",
        "pm25": "double",
        "temp": "double",
        "wind": "text",
    },
    "key": ["station"],
    "event_time": "at",
    "max_bad_rows": 0.2,
}


def line(number: int, temp: str = "-1,5") -> str:
    """An hour, by Shanghai's clocks: eight hours ahead of Greenwich."""
    day, hour = divmod(number, 24)
    return f"{number};2013;1;{day + 1};{hour};{'NA' if number % 7 else 129};{temp};Süd"


def project(**more: object) -> Project:
    return Project.model_validate(
        {
            "version": 1,
            "name": "air",
            "scope": {**FLIGHTS.scope.model_dump()},
            "value": {"currency": "EUR", "per_unit_error": -1},
            "monitors": {"window": "7 days"},
            "retrain": {"cooldown": "14 days", "budget": 2, "per": "30 days"},
            "source": {
                "url": "{source}/air",
                "partition": "day",
                "start": "2012-12-31",
                "tables": {"pm": {**TABLE, **more}},
            },
            "entity": {"table": "pm"},
            "label": {
                "name": "later",
                "task": "regression",
                "table": "pm",
                "column": "pm25",
                "ahead": "6 hours",
                "delay": "0 hours",
            },
            "inputs": {"categorical": ["wind"], "numeric": ["temp"]},
            "split": {"holdout": "1 day", "validation": "1 day", "history": "10 days"},
            "candidates": {"mean": {"family": "rate_table", "params": {"by": ["wind"]}}},
            "evaluation": {"metric": "rmse", "heuristic": "mean"},
        }
    )


def written(platform: Platform, name: str, lines: list[str]) -> Path:
    path = platform.folder / "source" / "air" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join([HEADER, *lines, ""]).encode("cp1252"))
    return path


@pytest.fixture
def lines() -> list[str]:
    return [line(number) for number in range(24 * 4)]


def test_a_large_file_is_cut_by_event_time_and_follows_its_corrections(
    platform: Platform, lines: list[str]
) -> None:
    ingest = Ingest(platform, project(file="pm_*.csv"), "pm")
    lines[30] = line(30, temp="-1.5")  # not as the table is written
    lines.insert(50, "50;2013;never;1;1;1;1;N")
    path = written(platform, "pm_2013.csv", lines)
    done = ingest.run("2012-12-31", "2013-01-04")
    assert done["publish"].status is Status.OK, list(done.values())[-1].message
    assert "1 rows belong to no partition: file://" in done["extract"].message
    assert ingest.rows("(at at time zone 'UTC')::date::text, count(*)", "true group by 1 order by 1") == [
        ("2012-12-31", 8),
        ("2013-01-01", 23),
        ("2013-01-02", 24),
        ("2013-01-03", 24),
        ("2013-01-04", 16),
    ]
    first = ingest.rows("station, number, at at time zone 'UTC', pm25, temp, wind", "number = 7")
    assert [str(value) for value in first[0]] == ["main", "7", "2012-12-31 23:00:00", "129.0", "-1.5", "Süd"]
    ((number, reasons, data),) = ingest.quarantine()
    assert reasons == ["column temp: '-1.5' is not a number with ',' before decimals"]
    assert data["number"] == "30"
    assert number == 23
    batches = ingest.batches()

    lines[40] = line(40, temp="9,9")
    path.write_bytes("\n".join([HEADER, *lines, ""]).encode("cp1252"))
    again = ingest.run("2012-12-31", "2013-01-04")
    assert again["publish"].status is Status.OK
    assert ingest.rows("temp", "number = 40") == [(9.9,)]
    assert len(ingest.batches()) == len(batches) + 1  # the others are as they were


def test_a_file_with_too_many_rows_that_have_no_time_is_refused_with_the_commonest_reason(
    platform: Platform, lines: list[str]
) -> None:
    ingest = Ingest(platform, project(file="pm.csv"), "pm")
    written(platform, "pm.csv", [text.replace("2013;1;", "2013;13;") for text in lines[:40]] + lines[40:])
    refused = ingest.step("extract", "2013-01-01", "2013-01-03")
    assert refused.status is Status.REJECTED
    assert "40 of 96 rows of pm.csv have no time that can be read" in refused.message
    assert "'2013 13 1 0' is not a time like '%Y %m %d %H'" in refused.message


def test_a_partition_that_the_file_does_not_hold_is_not_delivered_yet(
    platform: Platform, lines: list[str]
) -> None:
    ingest = Ingest(platform, project(file="pm.csv"), "pm")
    written(platform, "pm.csv", lines)
    done = ingest.step("extract", "2013-01-04", "2013-01-06")
    assert done.status is Status.OK
    assert "2 not delivered" in done.message
    nothing = Ingest(platform, project(file="pm_*.csv"), "pm").step("extract", "2013-01-01", "2013-01-02")
    assert "2 not delivered" in nothing.message


def test_one_file_a_partition_wherever_it_lies(platform: Platform, lines: list[str]) -> None:
    ingest = Ingest(platform, project(path="{year}/{month}/pm-{day}.txt"), "pm")
    written(platform, "2013/01/pm-02.txt", lines[32:56])  # Shanghai's 2 January, from 8 o'clock on
    done = ingest.run("2013-01-02")
    assert done["publish"].status is Status.OK, list(done.values())[-1].message
    assert ingest.rows("count(*), min(number), max(number)") == [(24, 32, 55)]
