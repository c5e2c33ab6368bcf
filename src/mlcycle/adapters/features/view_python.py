"""A feature view in Python: a function of frames, asked for a window as a view's SQL is.

It is given what its view declares and no more: the rows of its tables within the window and ``lookback``
before it, read by the view's own login. What it returns is held to the declaration.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features.versions import relation
from mlcycle.adapters.warehouse.arrow import arrow_type, read_table
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.kinds import UNTIL
from mlcycle.project_code import resolve, said

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def copy_out(
    cursor: Cursor,
    project: Project,
    view_name: str,
    start: datetime,
    end: datetime,
    stream: BinaryIO,
    known_at: datetime | None,
) -> None:
    """Write the values that became known in ``(start, end]`` to a stream, as CSV.

    With ``known_at`` of what was known then alone. Raises ConfigError, one line with the
    view, for a function that fails or returns what the view does not declare.
    """
    import pyarrow.csv

    view = project.features[view_name]
    window = (start, end)
    given = {name: _rows(cursor, project, view_name, name, window, known_at) for name in view.reads}
    function = resolve(str(view.python))
    where = f"feature view {view_name!r} ({view.python})"
    try:
        found = function(given, start, end)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever somebody's function raises
        raise ConfigError(f"{where}: {said(error)}") from None
    values = _declared(project, view_name, where, found, start, end)
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(values, stream, options)


def _rows(
    cursor: Cursor,
    project: Project,
    view_name: str,
    name: str,
    window: tuple[datetime, datetime],
    known_at: datetime | None,
) -> "pd.DataFrame":
    """Events within reach of the window; of a snapshot all versions, of a static table all rows."""
    import pyarrow as pa

    table, (start, end) = project.source.tables[name], window
    schema = pa.schema([(column, arrow_type(kind)) for column, kind in table.read_columns.items()])
    columns = [
        sql.SQL("nullif({}, 'infinity')").format(sql.Identifier(each))
        if each == UNTIL
        else sql.Identifier(each)
        for each in schema.names
    ]
    query = sql.SQL("select {} from {} as rows").format(
        sql.SQL(", ").join(columns), relation(project, name, known_at)
    )
    bounds = {}
    if table.kind == "events":
        query += sql.SQL(" where {time} > %(from)s and {time} <= %(end)s").format(
            time=sql.Identifier(table.event_time)
        )
        lag = -table.lag * project.unit.length
        since = start - project.features[view_name].lookback
        bounds = {"from": project.unit.later(since, lag), "end": project.unit.later(end, lag)}
    found: pd.DataFrame = read_table(cursor, query, bounds, schema).to_pandas()
    return found


def _declared(
    project: Project, view_name: str, where: str, found: Any, start: datetime, end: datetime
) -> "pa.Table":
    """The values within the window, of rows whose entities are known. Raises ConfigError."""
    import pandas as pd
    import pyarrow as pa

    view = project.features[view_name]
    if not isinstance(found, pd.DataFrame):
        raise ConfigError(f"{where} returns {type(found).__name__}: a pandas DataFrame is expected")
    kinds: dict[str, Any] = {key: project.entity_table.columns[key] for key in view.entities}
    kinds |= {"event_timestamp": "timestamp", **view.columns}
    if missing := [name for name in kinds if name not in found.columns]:
        there = ", ".join(map(str, found.columns)) or "nothing"
        raise ConfigError(f"{where} returns no column {missing[0]!r}: it returns {there}")
    moments = found["event_timestamp"]
    if not isinstance(moments.dtype, pd.DatetimeTZDtype):
        if len(found):
            raise ConfigError(
                f"{where} returns event_timestamp as {moments.dtype}: times with a zone "
                "are expected, such as those it was given"
            )
        return pa.schema([(name, arrow_type(kind)) for name, kind in kinds.items()]).empty_table()
    kept = (moments > start) & (moments <= end) & found[view.entities].notna().all(axis=1)
    columns = []
    for name, kind in kinds.items():
        try:
            columns.append(pa.Array.from_pandas(found.loc[kept, name], type=arrow_type(kind)))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"{where} returns {name} that is not {kind}: {reason}") from None
    return pa.table(dict(zip(kinds, columns, strict=True)))
