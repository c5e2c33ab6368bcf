"""The rows of the entity table as they could be predicted: joined to what was known at their event time.

Rows come in chunks of whole partitions, so that memory is bounded whatever the window. All chunks
see one snapshot of the warehouse: it is copied to a file first, and no transaction is open while they are
joined and used. Training, evaluation and scoring read through here alone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features.tables import readable, table_exists
from mlcycle.adapters.warehouse import labels as labels_sql
from mlcycle.adapters.warehouse.arrow import Spool, arrow_type
from mlcycle.adapters.warehouse.connection import Warehouse, feature_table, raw_table
from mlcycle.adapters.warehouse.keys import entity_key, quoted
from mlcycle.domain.as_of import newest_known
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger import batches
from mlcycle.ledger import features as ledger
from mlcycle.ledger.datasets import known_until
from mlcycle.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcycle.adapters.warehouse.arrow import Segment

RESERVED = ("entity_key", "event_time", "partition", "label")
CHUNK_ROWS = 100_000
HASHED = 2**31  # values of the hash by which rows are drawn
LOOKUP = 50  # so many times a chunk's rows must a view's window hold for a look-up by entity to be quicker
COUNTS = b"mlcycle.counts"  # key of the schema metadata: unlabelled rows, newest lead of each view


def joined_rows(
    warehouse: Warehouse,
    project: Project,
    start: datetime,
    end: datetime,
    *,
    labels: bool,
    as_of: datetime | None = None,
    chunk_rows: int = CHUNK_ROWS,
    share: float = 1.0,
) -> "Iterator[pa.Table]":
    """Rows with ``start <= event_time < end``, sorted by event time and entity key.

    Each is joined to every feature view's newest value with ``event_timestamp <= event_time`` that is
    at most the view's ttl old; null where there is none.

    Args:
        warehouse: read on a connection of its own, closed before the first chunk.
        project: says entity table, views, inputs and label.
        start: start of the first partition.
        end: end of the last partition.
        labels: add the column ``label`` and leave out rows without one, counted.
        as_of: the moment the caller lives in: labels of later knowledge are left out, and with them
            the partitions they belong to. None knows everything the warehouse knows.
        chunk_rows: rows of a chunk, about; a single larger partition is one chunk.
        share: of the rows, drawn by the server out of their key and time: the same ones each time, whatever
            else is in the table; the others are neither sent nor joined.

    Yields:
        Tables with entity_key (text), event_time (UTC), partition, the project's inputs, the
        evaluation's slices, and label (double). :func:`counts` reads what was left out.

    Raises:
        ConfigError: an input bears a name of the columns above, or the label cannot be joined.
        InputError: the entity table was never published.
        Unavailable: a feature view was built anew while it was read.
    """
    columns = output_columns(project)
    if labels and as_of is not None:
        end = min(end, known_until(project, as_of))
    if end <= start:
        return
    with Spool(warehouse.scratch) as spool:
        with warehouse.reading() as cursor:
            if not table_exists(cursor, "raw", f"{project.name}__{project.entity.table}"):
                raise InputError(f"table {project.entity.table!r} holds no partition yet: run ingest first")
            views = [name for name in project.features if readable(cursor, project.name, name)]
            copies = [
                _copy(cursor, spool, project, first, last, views, set(columns), labels, share)
                for first, last in _chunks(cursor, project, start, end, chunk_rows / share)
            ]
        for copy in copies:
            table = _rows(project, spool, copy, columns, labels)
            if table.num_rows or json.loads(table.schema.metadata[COUNTS])["unlabelled"]:
                yield table


def counts(table: "pa.Table") -> dict[str, Any]:
    """What a chunk says beside its rows.

    ``unlabelled``: rows left out because they have no label, by partition. ``lead``: for each view the
    latest feature timestamp minus event time in seconds (never above 0), None where nothing was found.
    """
    found: dict[str, Any] = json.loads(table.schema.metadata[COUNTS])
    return found


def output_columns(project: Project) -> dict[str, str]:
    """The dataset's columns, in order, with their types. Raises ConfigError where a name is taken."""
    types: dict[str, str] = dict(project.entity_table.columns)
    for view in project.features.values():
        types.update(view.columns)
    for name in project.dataset_columns:
        if name in RESERVED:
            raise ConfigError(f"input, slice or group {name!r} bears a name of mlcycle's own: rename it")
    return {name: types[name] for name in project.dataset_columns}


def _chunks(
    cursor: Cursor, project: Project, start: datetime, end: datetime, rows: float
) -> Iterator[tuple[datetime, datetime]]:
    """Windows of consecutive partitions with about so many rows, by the ledger's counts."""
    first = Partition.containing(start, project.unit)
    last = Partition.containing(end - timedelta(microseconds=1), project.unit)
    sizes = batches.rows(cursor, project.name, project.entity.table, first, last)
    since, taken = start, 0
    for partition in first.to(last):
        size = sizes.get(partition.key, 0)
        if taken and taken + size > rows:
            yield since, partition.start
            since, taken = partition.start, 0
        taken += size
    yield since, end


@dataclass(frozen=True)
class _Copy:
    """A chunk as it lies in the spool: its entity rows, and the values of each view that has some."""

    entity: "Segment"
    values: "dict[str, Segment]"


def _copy(
    cursor: Cursor,
    spool: Spool,
    project: Project,
    start: datetime,
    end: datetime,
    views: list[str],
    wanted: set[str],
    labels: bool,
    share: float,
) -> _Copy:
    """Copy what a chunk is made of out of the warehouse; nothing is computed meanwhile."""
    entity = _entity_rows(cursor, spool, project, start, end, labels, share)
    values = {
        name: _feature_values(cursor, spool, project, name, start, end, wanted, entity.rows, share)
        for name in views
    }
    return _Copy(entity, values)


def _rows(project: Project, spool: Spool, copy: _Copy, columns: dict[str, str], labels: bool) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    entity = spool.table(copy.entity)
    facts: dict[str, Any] = {"unlabelled": {}, "lead": {}}
    if labels:
        without = _partition_keys(project, entity.filter(pc.is_null(entity["label"])))
        facts["unlabelled"] = {
            item["values"]: item["counts"] for item in pc.value_counts(without).to_pylist()
        }
        entity = entity.filter(pc.is_valid(entity["label"]))
    entity = _in_order(entity.combine_chunks())
    found = {name: entity[name] for name in entity.column_names}
    for view in project.features:
        values = spool.table(copy.values[view]) if view in copy.values else None
        joined, lead = known_values(project, view, entity, values, set(columns))
        found.update(joined)
        facts["lead"][view] = lead
    names = ["entity_key", "event_time", "partition", *columns, *(["label"] if labels else [])]
    found["partition"] = _partition_keys(project, entity)
    table = pa.table({name: found[name] for name in names})
    return table.replace_schema_metadata({COUNTS: json.dumps(facts, sort_keys=True)})


def _in_order(rows: "pa.Table") -> "pa.Table":
    """Rows by event time, then entity key. Keys recur: ranking the distinct ones once halves the time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not rows.num_rows:
        return rows
    keys = rows["entity_key"].chunk(0).dictionary_encode()
    rank = np.empty(len(keys.dictionary), dtype=np.int64)
    rank[pc.sort_indices(keys.dictionary).to_numpy()] = np.arange(len(rank))
    moments = pc.cast(rows["event_time"], pa.int64()).to_numpy()
    return rows.take(pa.array(np.lexsort((rank[keys.indices.to_numpy()], moments))))


def _partition_keys(project: Project, rows: "pa.Table") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    # The same instants, told in the zone: arrow keeps them in UTC.
    local = pc.cast(rows["event_time"], pa.timestamp("us", tz=project.unit.zone))
    return pc.strftime(local, format=project.unit.key_format)


def _entity_rows(
    cursor: Cursor,
    spool: Spool,
    project: Project,
    start: datetime,
    end: datetime,
    labels: bool,
    share: float,
) -> "Segment":
    """The entity table's own columns that are asked for or joined on, and the label."""
    import pyarrow as pa

    table, label = project.entity_table, project.label
    needed = set(project.dataset_columns)
    needed.update(name for view in project.features.values() for name in view.entities)
    own = [name for name in table.columns if name in needed and name not in RESERVED]
    fields = [("entity_key", pa.string()), ("event_time", arrow_type("timestamp"))]
    fields += [(name, arrow_type(table.columns[name])) for name in own]
    select = [
        sql.SQL(entity_key(project, "e")),
        sql.Identifier("e", table.event_time),
        *(sql.Identifier("e", name) for name in own),
    ]
    source = sql.SQL("{} e").format(raw_table(project.name, project.entity.table))
    if labels:
        fields.append(("label", pa.float64()))
        select.append(_label_sql(cursor, project))
        source = sql.SQL("{} left join {} l on {}").format(
            source, raw_table(project.name, label.table), sql.SQL(labels_sql.match(project))
        )
    query = sql.SQL("select {} from {} where e.{time} >= %(start)s and e.{time} < %(end)s{drawn}").format(
        sql.SQL(", ").join(select),
        source,
        time=sql.Identifier(table.event_time),
        drawn=_drawn(project, share),
    )
    return spool.copy(cursor, query, {"start": start, "end": end}, pa.schema(fields))


def _drawn(project: Project, share: float) -> sql.Composable:
    """Keeps this share of the rows of the entity table ``e``, by key and time: no entity is always drawn."""
    if share >= 1:
        return sql.SQL("")
    return sql.SQL(
        " and (hashtextextended({key}, extract(epoch from e.{time})::bigint) & {all}) < {few}"
    ).format(
        key=sql.SQL(entity_key(project, "e").replace("%", "%%")),
        time=sql.Identifier(project.entity_table.event_time),
        all=sql.Literal(HASHED - 1),
        few=sql.Literal(round(share * HASHED)),
    )


def _label_sql(cursor: Cursor, project: Project) -> sql.Composable:
    table = project.label.table
    if not table_exists(cursor, "raw", f"{project.name}__{table}"):
        raise InputError(f"table {table!r} holds no partition yet, so no label is known: run ingest first")
    return sql.SQL(labels_sql.value(project))


def _feature_values(
    cursor: Cursor,
    spool: Spool,
    project: Project,
    name: str,
    start: datetime,
    end: datetime,
    wanted: set[str],
    rows: int,
    share: float,
) -> "Segment":
    """One view's values that a chunk of so many rows may need: its entities' alone, where that is quicker."""
    import pyarrow as pa

    view = project.features[name]
    types = {column: arrow_type(view.columns[column]) for column in view.columns if column in wanted}
    keys = {key: arrow_type(project.entity_table.columns[key]) for key in view.entities}
    schema = pa.schema([*keys.items(), ("event_timestamp", arrow_type("timestamp")), *types.items()])
    window = {"start": start, "since": start - view.ttl, "end": end}
    unit = project.unit
    first, last = Partition.containing(window["since"], unit), Partition.containing(end, unit)
    there = ledger.rows(cursor, project.name, name, first, last)
    if rows * LOOKUP < there:
        return spool.copy(cursor, _looked_up(project, name, schema.names, share), window, schema)
    query = sql.SQL(
        "select {} from {} where event_timestamp >= %(since)s and event_timestamp < %(end)s"
    ).format(sql.SQL(", ").join(map(sql.Identifier, schema.names)), feature_table(project.name, name))
    return spool.copy(cursor, query, window, schema)


def _looked_up(project: Project, name: str, columns: list[str], share: float) -> sql.Composable:
    """For each entity of a window, its newest value as the window begins and those that follow in it."""
    keys = project.features[name].entities
    return sql.SQL(
        """select {columns} from (
             select distinct {keys} from {entity} e
             where {time} >= %(start)s and {time} < %(end)s{drawn}) e,
           lateral (
             (select * from {values} v where {match} and v.event_timestamp <= %(start)s
                and v.event_timestamp >= %(since)s order by v.event_timestamp desc limit 1)
             union all
             select * from {values} v where {match} and v.event_timestamp > %(start)s
                and v.event_timestamp < %(end)s) f"""
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier("f", column) for column in columns),
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        entity=raw_table(project.name, project.entity.table),
        time=sql.Identifier(project.entity_table.event_time),
        drawn=_drawn(project, share),
        values=feature_table(project.name, name),
        match=sql.SQL(" and ").join(sql.SQL("v.{0} = e.{0}").format(sql.Identifier(key)) for key in keys),
    )


def known_values(
    project: Project, name: str, entity: "pa.Table", values: "pa.Table | None", wanted: set[str]
) -> "tuple[dict[str, pa.ChunkedArray], float | None]":
    """One view's columns for the rows of a chunk, and by how many seconds the nearest value leads.

    Args:
        project: holds the view.
        name: of the view.
        entity: n rows with the view's entities and ``event_time``.
        values: what the view has within the rows' reach, None where it has nothing at all.
        wanted: columns to join.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    view = project.features[name]
    columns = [column for column in view.columns if column in wanted]
    if values is None:
        return {
            column: pa.nulls(entity.num_rows, arrow_type(view.columns[column])) for column in columns
        }, None
    values = values.combine_chunks()
    moments, known = (
        pc.cast(column, pa.int64()).to_numpy() for column in (entity["event_time"], values["event_timestamp"])
    )
    pairs = [(entity[key], values[key]) for key in view.entities]
    at = newest_known(pairs, moments, known, view.ttl // timedelta(microseconds=1))
    hit = at >= 0
    lead = float((known[at[hit]] - moments[hit]).max()) / 1e6 if hit.any() else None
    positions = pa.array(at, mask=np.logical_not(hit))
    return {column: values[column].take(positions) for column in columns}, lead


def equivalent_sql(project: Project) -> str:
    """One SELECT with the same rows, for people: between %(start)s and %(end)s, with their labels."""
    table = project.entity_table
    moment = quoted("e", table.event_time)
    joins, owners = [], dict.fromkeys(table.columns, "e")
    for number, (name, view) in enumerate(project.features.items()):
        alias = f"v{number}"
        owners |= dict.fromkeys(view.columns, alias)
        match = " and ".join(f"f.{quoted(key)} = e.{quoted(key)}" for key in view.entities)
        joins.append(
            f"left join lateral (\n  select * from {quoted('features', f'{project.name}__{name}')} f\n"
            f"  where {match} and f.event_timestamp <= {moment}\n"
            f"    and f.event_timestamp >= {moment} - interval '{int(view.ttl.total_seconds())} seconds'\n"
            f"  order by f.event_timestamp desc limit 1\n) {alias} on true"
        )
    columns = [f"{owners[name]}.{quoted(name)}" for name in output_columns(project)]
    key, value = entity_key(project, "e"), labels_sql.value(project)
    return (
        f"select {key} as entity_key, {moment} as event_time,\n  "
        + ", ".join(columns)
        + f",\n  {value} as label\n"
        + f"from {quoted('raw', f'{project.name}__{project.entity.table}')} e\n"
        + f"join {quoted('raw', f'{project.name}__{project.label.table}')} l\n"
        + f"  on {labels_sql.match(project)}\n"
        + "\n".join(joins)
        + f"\nwhere {moment} >= %(start)s and {moment} < %(end)s and {value} is not null\n"
        + f'order by event_time, ({key}) collate "C"'
    )
