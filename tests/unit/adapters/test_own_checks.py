"""Checks of a project's own: rows set aside by them, batches stopped by them, and what they must not return."""

from typing import Any

import pytest

from mlcycle.adapters.delivery.checking import Batch, Checker
from mlcycle.adapters.delivery.readers import reader_of
from mlcycle.contract import Output
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import ConfigError
from mlcycle.project import Table
from mlcycle.project_code import ProjectCode, using

CODE = ProjectCode(
    {
        "checks.py": """
def warm(rows):
    return rows["temp"] > 0

def enough(rows):
    return len(rows) >= 3

def as_objects(rows):
    return [bool(each) for each in rows["temp"] > 0]

def number(rows):
    return rows["temp"]

def broken(rows):
    return rows["humidity"] > 0
"""
    }
)
DAYS = {
    "2013-03-01": "a,2013-03-01T10:00:00Z,5\nb,2013-03-01T10:00:00Z,-5\nc,2013-03-01T11:00:00Z,1\n",
    "2013-03-02": "a,2013-03-02T10:00:00Z,5\n",
}


def checked(check: str, **more: Any) -> list[Batch]:
    shape = {"columns": {"station": "text", "at": "timestamp", "temp": "double"}, "key": ["station"]}
    shape |= {"event_time": "at", "max_bad_rows": 0.5, "checks": [{"check": check, **more}]}
    declared = Table.model_validate(shape)
    checker, batches = Checker("t", declared, reader_of(declared)), []
    for key, rows in DAYS.items():
        delivery = Output(uri="file:///none", digest="0" * 64)
        data = f"station,at,temp\n{rows}".encode()
        batches.append(checker.read(Partition.parse(key, Unit.DAY), delivery, len(data), data))
    with using(CODE):
        checker.check(batches)
    return batches


@pytest.mark.parametrize("name", ["checks:warm", "checks:as_objects"])
def test_rows_that_fail_are_set_aside_with_the_check_as_reason(name: str) -> None:
    first, second = checked(name)
    assert (first.counts.accepted, first.counts.quarantined, second.counts.accepted) == (2, 1, 1)
    (bad,) = first.bad
    assert (bad.number, bad.reasons) == (2, [f"fails {name}"])


def test_a_warning_sets_nothing_aside() -> None:
    first, _ = checked("checks:warm", severity="warning")
    assert (first.counts.accepted, dict(first.warnings)) == (3, {"checks:warm": 1})


def test_one_answer_is_of_the_partition() -> None:
    first, second = checked("checks:enough")
    assert (first.stopped, second.stopped, second.why) == (False, True, "fails checks:enough")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("checks:number", "returns float64 (3,) for 3 rows: a truth value for each is expected"),
        ("checks:broken", "checks.py:15: KeyError: 'humidity'"),
    ],
)
def test_what_a_check_must_not_do_is_one_line(name: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(name)
    assert expected in caught.value.message
