"""The seam of source formats: a reader of typed columns beside CSV, in one class, through checks and COPY."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from mlcycle.adapters.delivery.checking import Batch, Checker
from mlcycle.adapters.delivery.reader import Rows
from mlcycle.adapters.delivery.readers import READERS
from mlcycle.adapters.warehouse import raw_tables
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Output
from mlcycle.domain.delivery import Malformed
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Table
from tests.conftest import Platform

DAY = Partition.parse("2013-03-05", Unit.DAY)
TABLE = Table.model_validate(
    {
        "columns": {
            "plane": "text",
            "seats": "integer",
            "weight": "double",
            "ready": "boolean",
            "at": "timestamp",
        },
        "key": ["plane"],
        "event_time": "at",
        "max_bad_rows": 0.9,
        "expectations": [
            {"expect": "expect_column_values_to_be_between", "args": {"column": "seats", "min_value": 1}}
        ],
    }
)


@dataclass(frozen=True)
class ParquetFile:
    table: pa.Table

    @property
    def header(self) -> list[str]:
        return list(self.table.column_names)

    def rows(self, columns: list[str]) -> Rows:
        return Rows(self.table.select(columns), np.arange(1, len(self.table) + 1), {}, 0)

    def loadable(self, columns: list[str]) -> bool:
        return False


class ParquetReader:
    """All that a format needs."""

    def open(self, data: bytes | Path) -> ParquetFile:
        try:
            return ParquetFile(pa.parquet.read_table(io.BytesIO(data) if isinstance(data, bytes) else data))
        except pa.ArrowInvalid as error:
            raise Malformed(f"not Parquet: {' '.join(str(error).split())}") from None


def parquet(**columns: Any) -> bytes:
    at = [DAY.start.replace(tzinfo=None) + timedelta(hours=hour) for hour in range(4)]
    values = {
        "plane": ["N1", "N2", 'a "quoted", name', "N4"],
        "seats": [100, 0, 150, None],
        "weight": [1.5, 2.0, 0.1 + 0.2, None],
        "ready": [True, False, True, None],
        "at": at,
        **columns,
    }
    sink = io.BytesIO()
    pa.parquet.write_table(pa.table(values), sink)
    return sink.getvalue()


def checked(data: bytes) -> Batch:
    checker = Checker("planes", TABLE, ParquetReader())
    batch = checker.read(DAY, Output(uri="file:///x", digest="d"), 1, data)
    checker.check([batch])
    return batch


def test_typed_columns_are_checked_and_loaded_as_they_are(platform: Platform) -> None:
    batch = checked(parquet())
    assert not batch.stopped, batch.why
    (bad,) = batch.bad
    assert (bad.number, bad.data["seats"]) == (2, "0")
    loaded = batch.rendered()
    assert loaded is not None
    with Warehouse(platform.settings("ingest")).transaction() as cursor:
        raw_tables.ensure(cursor, "p", "planes", TABLE)
        cursor.execute("select set_config('mlcycle.batch_id', '1', true)")
        assert raw_tables.fill(cursor, "p", "planes", TABLE, io.BytesIO(loaded)) == 3
        cursor.execute("select plane, seats, weight, ready, at from raw.p__planes order by at")
        first, second, third = cursor.fetchall()
    assert first == ("N1", 100, 1.5, True, datetime(2013, 3, 5, tzinfo=UTC))
    assert second[:3] == ('a "quoted", name', 150, 0.1 + 0.2)
    assert third[1:4] == (None, None, None)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"seats": [100.5, 1.0, 1.0, 1.0]}, "column seats: '100.5' is not an integer"),
        ({"weight": [float("inf"), 1.0, 1.0, 1.0]}, "column weight: 'inf' is not a finite number"),
        ({"plane": [None, "b", "c", "d"]}, "column plane: empty, but it identifies the row"),
        ({"seats": ["many", "1", "1", "1"]}, "column seats: 'many' is not an integer"),
    ],
    ids=["not whole", "not finite", "no key", "text"],
)
def test_a_value_that_is_not_of_its_type_sets_its_row_aside(columns: dict[str, Any], reason: str) -> None:
    batch = checked(parquet(**columns))
    assert reason in [text for row in batch.bad if row.number == 1 for text in row.reasons]


def test_a_file_of_another_format_and_a_missing_column_are_stopped_by_name() -> None:
    assert checked(b"plane,seats\n").why.startswith("not Parquet")
    sink = io.BytesIO()
    pa.parquet.write_table(pa.table({"plane": ["a"]}), sink)
    assert "'seats'" in checked(sink.getvalue()).why


def test_every_format_a_project_may_name_has_a_reader() -> None:
    from typing import get_args

    from mlcycle.project.written import Format

    assert set(READERS) == set(get_args(Format))
