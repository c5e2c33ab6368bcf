"""A stopped delivery says first what most of its rows have, and what to say in the project."""

import pytest

from mlcycle.adapters.delivery.checking import Batch, Checker
from mlcycle.contract import Output
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Table

TABLE = Table.model_validate(
    {
        "columns": {"dteday": "timestamp", "hr": "integer", "cnt": "double", "note": "text"},
        "key": ["hr"],
        "event_time": "dteday",
        "sparse": ["note"],
    }
)
HEADER = "dteday,hr,cnt,note"
DAY = Partition.parse("2011-01-13", Unit.DAY)


def stopped(lines: list[str], header: str = HEADER) -> str:
    data = "\n".join([header, *lines, ""]).encode()
    checker = Checker("bike", TABLE)
    output = Output(uri="file:///x.csv", digest="0" * 64, bytes=len(data))
    batch: Batch = checker.read(DAY, output, 0, data)
    checker.check([batch])
    assert batch.stopped
    return batch.why


@pytest.mark.parametrize(
    ("lines", "begins", "cure"),
    [
        (
            [f"13/01/2011,{hour},1.5," for hour in range(24)],
            "24 of 24 rows: column dteday: '13/01/2011' is not a time like 2013-06-01T12:00:00Z",
            ": say times: {format: '%d/%m/%Y'}; 24 of 24 rows are bad (100.0%), at most 10.0% may be",
        ),
        (
            [f'2011-01-13T{hour:02}:00:00Z,{hour},"1,5",' for hour in range(24)],
            "24 of 24 rows: column cnt: '1,5' is not a finite number",
            ': say numbers: {decimal: ","}',
        ),
        (
            [f"2011-01-13T{hour:02}:00:00Z,{hour},{'?' if hour % 3 else 2}," for hour in range(24)],
            "16 of 24 rows: column cnt: '?' is not a finite number",
            ": where it stands for a missing value say nulls: ['?']",
        ),
        (
            [f"2011-01-12T{hour:02}:00:00Z,{hour},1," for hour in range(24)],
            "24 of 24 rows: column dteday: 2011-01-12T00:00:00Z is not in partition 2011-01-13",
            ": say the zone of times that name none: times.zone",
        ),
        (
            [f"2011-01-13T00:00:00Z,1,{number}," for number in range(10)],
            "9 of 10 rows: a second row for hr '1', dteday '2011-01-13T00:00:00Z' with other values",
            ": say a key that tells rows apart, or row_number",
        ),
        (
            [f"2011-01-13T{hour:02}:00:00Z,{hour},1,a,b" for hour in range(10)],
            "10 of 10 rows: ",
            ": say how the file is written: csv.separator, csv.quote",
        ),
        (
            [f"2011-01-13T{hour:02}:00:00Z,{hour},," for hour in range(10)],
            "column 'cnt' is empty in every row: say sparse: [cnt] where that is usual",
            "",
        ),
    ],
    ids=["time format", "decimal", "nulls", "zone", "key", "fields", "sparse"],
)
def test_the_headline_is_the_commonest_reason_with_its_cure(lines: list[str], begins: str, cure: str) -> None:
    said = stopped(lines)
    assert said.startswith(begins)
    assert cure in said
    assert "\n" not in said


def test_a_header_of_another_separator_names_the_separator() -> None:
    said = stopped(["2011-01-13;1;2;"], HEADER.replace(",", ";"))
    assert said.endswith(': say csv: {separator: ";"}')
