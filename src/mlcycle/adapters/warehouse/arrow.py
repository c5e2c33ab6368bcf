"""Query results as Arrow tables, through COPY: the fastest way out of PostgreSQL that keeps every type."""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.project import ColumnType

if TYPE_CHECKING:
    import pyarrow


def arrow_type(column: ColumnType) -> "pyarrow.DataType":
    """The Arrow type of a project's column type; times are microseconds in UTC, as PostgreSQL's are."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return types[column]


def read_table(
    cursor: Cursor, query: sql.Composable, params: Any, schema: "pyarrow.Schema"
) -> "pyarrow.Table":
    """Rows of a query, its columns in the schema's order and types. Empty text stays apart from null."""
    statement = cursor.mogrify(sql.SQL("copy ({}) to stdout (format csv)").format(query), params)
    buffer = io.BytesIO()
    cursor.copy_expert(statement, buffer)
    return parse_csv(buffer, schema)


def parse_csv(buffer: io.BytesIO, schema: "pyarrow.Schema") -> "pyarrow.Table":
    """What COPY wrote as CSV, without a header, as a table."""
    import pyarrow as pa

    return _parse(pa.py_buffer(buffer.getbuffer()), schema)


def _parse(buffer: "pyarrow.Buffer", schema: "pyarrow.Schema") -> "pyarrow.Table":
    from pyarrow import csv

    if not buffer.size:
        return schema.empty_table()
    return csv.read_csv(buffer, **_options(schema))


def _options(schema: "pyarrow.Schema") -> dict[str, Any]:
    """How COPY writes CSV. Empty text stays apart from null."""
    import pyarrow as pa
    from pyarrow import csv

    text = any(pa.types.is_string(kind) for kind in schema.types)
    return {
        "read_options": csv.ReadOptions(column_names=schema.names),
        "parse_options": csv.ParseOptions(newlines_in_values=text),
        "convert_options": csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            quoted_strings_can_be_null=False,
            strings_can_be_null=True,
            true_values=["t"],
            false_values=["f"],
        ),
    }


@dataclass(frozen=True)
class Segment:
    """The rows of one query in a spool: where they are, and how many."""

    start: int
    size: int
    rows: int
    schema: "pyarrow.Schema"


class Spool:
    """Rows of queries in one temporary file, so that their transaction ends before anybody works on them.

    Memory stays with what is looked at; the file is gone once the spool is closed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._named = tempfile.NamedTemporaryFile(prefix="mlcycle-spool-", dir=folder)  # noqa: SIM115
        self._file = self._named.file  # without the wrapper's detour on every write

    def copy(self, cursor: Cursor, query: sql.Composable, params: Any, schema: "pyarrow.Schema") -> Segment:
        """Add the rows of a query, its columns in the schema's order and types."""
        start = self._file.tell()
        cursor.copy_expert(
            cursor.mogrify(sql.SQL("copy ({}) to stdout (format csv)").format(query), params), self._file
        )
        return Segment(start, self._file.tell() - start, max(0, cursor.rowcount), schema)

    def table(self, segment: Segment) -> "pyarrow.Table":
        """The rows of a segment."""
        import pyarrow as pa

        self._file.flush()
        with pa.memory_map(self._named.name) as mapped:
            mapped.seek(segment.start)
            return _parse(mapped.read_buffer(segment.size), segment.schema)

    def tables(self, segment: Segment) -> "Iterator[pyarrow.Table]":
        """The rows of a segment, about a megabyte at a time."""
        import pyarrow as pa
        from pyarrow import csv

        self._file.flush()
        if not segment.size:
            return
        with pa.memory_map(self._named.name) as mapped:
            mapped.seek(segment.start)
            source = pa.BufferReader(mapped.read_buffer(segment.size))
            for batch in csv.open_csv(source, **_options(segment.schema)):
                yield pa.Table.from_batches([batch])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._named.close()
