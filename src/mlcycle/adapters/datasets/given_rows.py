"""Features for rows that somebody brings: what was known at each row's own moment, as training sees it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.datasets.point_in_time import known_values
from mlcycle.adapters.features.tables import readable
from mlcycle.adapters.warehouse.arrow import arrow_type, read_table
from mlcycle.adapters.warehouse.connection import Warehouse, feature_table
from mlcycle.errors import InputError
from mlcycle.project import Project

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

WINDOW: Final = timedelta(days=31)  # of rows that are joined at a time: memory stays bounded


def known_at(warehouse: Warehouse, project: Project, rows: "pd.DataFrame") -> "pd.DataFrame":
    """The rows with their features; see :func:`mlcycle.features`."""
    import numpy as np
    import pandas as pd

    wanted = {
        name: [column for column in view.columns if column in project.inputs.all]
        for name, view in project.features.items()
    }
    wanted = {name: columns for name, columns in wanted.items() if columns}
    keys = list(dict.fromkeys(key for name in wanted for key in project.features[name].entities))
    if missing := [name for name in [*keys, "event_time"] if name not in rows.columns]:
        raise InputError(f"rows lack {', '.join(missing)}: features are looked up by it")
    if not isinstance(rows["event_time"].dtype, pd.DatetimeTZDtype):
        raise InputError("event_time has no time zone: say pandas.to_datetime(..., utc=True)")
    if rows["event_time"].isna().any():
        raise InputError("event_time is missing in some rows: what was known is a question of when")
    taken = [column for columns in wanted.values() for column in columns]
    if clash := sorted(set(taken) & set(rows.columns)):
        raise InputError(f"rows have a column {clash[0]!r} already, which is a feature: drop it")
    moments = rows["event_time"].dt.tz_convert("UTC")
    number = (moments - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(WINDOW)
    found = pd.DataFrame(index=pd.RangeIndex(len(rows)), columns=taken, dtype=object)
    parts = []
    for each in np.unique(number):
        at = np.flatnonzero((number == each).to_numpy())
        entity = _entity(project, rows.iloc[at], keys, moments.iloc[at])
        joined: dict[str, pa.ChunkedArray] = {}
        with warehouse.reading() as cursor:
            for name, columns in wanted.items():
                there = readable(cursor, project.name, name)
                values = _values(cursor, project, name, entity, columns) if there else None
                joined |= known_values(project, name, entity, values, set(columns))[0]
        part = pd.DataFrame({column: values.to_pandas() for column, values in joined.items()})
        parts.append(part.set_index(at))
    found = pd.concat(parts).sort_index() if parts else found
    found.index = rows.index
    return pd.concat([rows, found[taken]], axis=1)


def _entity(project: Project, rows: "pd.DataFrame", keys: list[str], moments: "pd.Series") -> "pa.Table":
    import pyarrow as pa

    columns = {"event_time": pa.Array.from_pandas(moments, type=arrow_type("timestamp"))}
    for key in keys:
        kind = project.entity_table.columns[key]
        try:
            columns[key] = pa.Array.from_pandas(rows[key], type=arrow_type(kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            raise InputError(
                f"column {key!r} is not {kind} in all rows, as the project declares it"
            ) from None
    return pa.table(columns)


def _values(
    cursor: Cursor, project: Project, name: str, entity: "pa.Table", columns: list[str]
) -> "pa.Table":
    """A view's values that the rows of a window may need."""
    import pyarrow as pa
    import pyarrow.compute as pc

    view = project.features[name]
    fields = [(key, arrow_type(project.entity_table.columns[key])) for key in view.entities]
    fields += [("event_timestamp", arrow_type("timestamp"))]
    fields += [(column, arrow_type(view.columns[column])) for column in columns]
    schema = pa.schema(fields)
    bounds = pc.min_max(entity["event_time"]).as_py()
    query = sql.SQL(
        "select {} from {} where event_timestamp >= %(since)s and event_timestamp <= %(end)s"
    ).format(sql.SQL(", ").join(map(sql.Identifier, schema.names)), feature_table(project.name, name))
    window = {"since": bounds["min"] - view.ttl, "end": bounds["max"]}
    return read_table(cursor, query, window, schema)
