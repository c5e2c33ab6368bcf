"""Query results as Arrow tables, through COPY: the fastest way out of PostgreSQL that keeps every type."""

import io
from typing import TYPE_CHECKING, Any

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
    from pyarrow import csv

    if not buffer.getbuffer().nbytes:
        return schema.empty_table()
    text = any(pa.types.is_string(kind) for kind in schema.types)
    return csv.read_csv(
        pa.py_buffer(buffer.getbuffer()),
        read_options=csv.ReadOptions(column_names=schema.names),
        parse_options=csv.ParseOptions(newlines_in_values=text),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            quoted_strings_can_be_null=False,
            strings_can_be_null=True,
            true_values=["t"],
            false_values=["f"],
        ),
    )
