"""Does a feature view know the future? Its values computed again from what was known at a moment.

A view dates its own values, and SQL can date them too early. So for a few moments the view runs over
its raw tables cut off at that moment (a lagged table by its lag earlier); the values dated at the
moment must be the stored ones. Which moments: :mod:`mlcycle.domain.leakage.moments`.
"""

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features import view_sql
from mlcycle.adapters.features.tables import readable
from mlcycle.adapters.warehouse.arrow import arrow_type, parse_csv, read_table
from mlcycle.adapters.warehouse.connection import feature_table
from mlcycle.domain.leakage import check_replay
from mlcycle.domain.leakage.moments import choose
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import batches
from mlcycle.ledger import features as ledger
from mlcycle.project import Project
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


def check_views(cursor: Cursor, settings: Settings, project: Project, start: datetime, end: datetime) -> int:
    """Replay every view at a few moments of a window. Raises LeakageError that names the feature.

    Moments whose values are stale are left out: they differ without leaking. Returns how many moments
    were checked. Call on one snapshot (:meth:`Warehouse.reading`); the views' own logins read the same.
    """
    # This transaction waits while a view's own one computes, and its snapshot must outlive that.
    cursor.execute("set local idle_in_transaction_session_timeout = %s", (2 * 1000 * view_sql.TIME_LIMIT,))
    snapshot = view_sql.exported(cursor)
    checked = 0
    for view in project.features:
        if not readable(cursor, project.name, view):
            continue
        moments = [
            moment
            for moment in _moments(cursor, project, view, start, end)
            if not _stale(cursor, project, view, moment)
        ]
        stored = {moment: _stored(cursor, project, view, moment) for moment in moments}
        if not moments:
            continue
        with view_sql.reading(settings, project, view, snapshot=snapshot) as reader:
            for moment in moments:
                check_replay(view, stored[moment], _replayed(reader, project, view, moment), moment)
                checked += 1
    return checked


def _stale(cursor: Cursor, project: Project, view: str, moment: datetime) -> bool:
    own = _own(project, moment)
    return bool(ledger.stale_within(cursor, project, view, own, own))


def _moments(cursor: Cursor, project: Project, view: str, start: datetime, end: datetime) -> list[datetime]:
    """Moments at which the view dates values, one an hour at most, of which some are chosen."""
    cursor.execute(
        sql.SQL(
            """select max(event_timestamp) from {} where event_timestamp > %s and event_timestamp <= %s
               group by date_trunc('hour', event_timestamp - interval '1 microsecond')"""
        ).format(feature_table(project.name, view)),
        (start, end),
    )
    known = [moment for (moment,) in cursor.fetchall()]
    seed = f"{project.name} {view} {start.isoformat()} {end.isoformat()}"
    return choose(known, seed, _delivered(cursor, project, view, known))


def _delivered(
    cursor: Cursor, project: Project, view: str, moments: list[datetime]
) -> dict[datetime, list[str]]:
    """Which tables of a view had rows for the partition that a moment ends or lies in."""
    partitions = {moment: _own(project, moment) for moment in moments}
    if not partitions:
        return {}
    first, last = min(partitions.values()), max(partitions.values())
    rows = {
        name: batches.rows(cursor, project.name, name, first, last) for name in project.features[view].reads
    }
    found = {
        moment: [name for name, counts in rows.items() if counts.get(partition.key)]
        for moment, partition in partitions.items()
    }
    always = {name for name in rows if all(name in there for there in found.values())}
    return {moment: [name for name in there if name not in always] for moment, there in found.items()}


def _own(project: Project, moment: datetime) -> Partition:
    """A value known at a partition's end is the partition's own."""
    return Partition.containing(moment - timedelta(microseconds=1), project.unit)


def _stored(cursor: Cursor, project: Project, view: str, moment: datetime) -> dict[Any, Any]:
    schema = _schema(project, view)
    query = sql.SQL("select {} from {} where event_timestamp = %(moment)s").format(
        sql.SQL(", ").join(map(sql.Identifier, schema.names)), feature_table(project.name, view)
    )
    return _by_key(project, view, read_table(cursor, query, {"moment": moment}, schema), moment)


def _replayed(cursor: Cursor, project: Project, view: str, moment: datetime) -> dict[Any, Any]:
    start = moment - project.unit.length
    buffer = io.BytesIO()
    view_sql.write(cursor, project, view, (start, moment), buffer, known_at=moment)
    return _by_key(project, view, parse_csv(buffer, _schema(project, view)), moment)


def _schema(project: Project, view_name: str) -> "pa.Schema":
    import pyarrow as pa

    view = project.features[view_name]
    keys = [(key, arrow_type(project.entity_table.columns[key])) for key in view.entities]
    columns = [(name, arrow_type(kind)) for name, kind in view.columns.items()]
    return pa.schema([*keys, ("event_timestamp", arrow_type("timestamp")), *columns])


def _by_key(project: Project, view_name: str, table: "pa.Table", moment: datetime) -> dict[Any, Any]:
    view = project.features[view_name]
    return {
        ", ".join(str(row[key]) for key in view.entities): {name: row[name] for name in view.columns}
        for row in table.to_pylist()
        if row["event_timestamp"] == moment
    }
