"""Bring the newest feature values online: only forward, one run at a time.

What is written is each entity's newest value that is not older than its view's ttl, seen from the
newest moment that was ever materialised. So nothing is left out by a run that died or overtook
another, a value computed again is written again, and a backfill of old days writes nothing old.
Runs take turns by a lock that is no transaction: none is open while Feast writes.
"""

from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features import online_writer
from mlcycle.adapters.features import store as feature_store
from mlcycle.adapters.features.tables import readable
from mlcycle.adapters.warehouse.arrow import Segment, Spool, arrow_type
from mlcycle.adapters.warehouse.connection import feature_table
from mlcycle.contract import Status
from mlcycle.errors import InputError
from mlcycle.ledger import watermarks
from mlcycle.project import Project
from mlcycle.steps.context import Outcome, StepContext

STREAM = "online"


def run(context: StepContext) -> Outcome:
    """Materialise up to the end of the last partition. Skipped where the project has no views."""
    project, settings = context.project, context.settings
    if not project.features:
        return Outcome(Status.SKIPPED, "the project has no feature views")
    asked = context.partitions[-1].end
    with (
        online_writer.lock(settings, project.name, context.request.work, context.token) as still_held,
        Spool(context.scratch) as spool,
    ):
        newest = _copy(context, spool, asked)
        if feature_store.ensure(context.warehouse, settings, project):
            context.progress("feature definitions applied")
        writer = online_writer.OnlineWriter(settings, project, still_held)
        written = {
            view: sum(writer.write(view, values) for values in spool.tables(segment))
            for view, segment in newest.items()
        }
    total = sum(written.values())
    outcome = Outcome(
        message=f"{total} entities moved forward online" if total else "everything online was the newest",
        values={"written": written},
        metrics={"written": total},
    )
    with context.publication() as publication:
        watermarks.advance(publication.cursor, project.name, STREAM, asked)
        publication.outcome = outcome
    return outcome


def _copy(context: StepContext, spool: Spool, asked: datetime) -> dict[str, Segment]:
    """The newest values of every view, in a file, all of one snapshot."""
    project = context.project
    with context.warehouse.reading() as cursor:
        position = watermarks.position(cursor, project.name, STREAM)
        as_of = max(asked, position) if position else asked
        return {view: _newest(cursor, spool, project, view, as_of) for view in project.features}


def _newest(cursor: Cursor, spool: Spool, project: Project, view_name: str, as_of: datetime) -> Segment:
    """The newest value of each entity that is known and still valid at a moment."""
    import pyarrow as pa

    view = project.features[view_name]
    if not readable(cursor, project.name, view_name):
        raise InputError(f"feature view {view_name!r} was never computed: run the step features first")
    moment = arrow_type("timestamp")
    fields = {key: arrow_type(project.entity_table.columns[key]) for key in view.entities}
    fields |= {"event_timestamp": moment, "created_timestamp": moment}
    fields |= {name: arrow_type(kind) for name, kind in view.columns.items()}
    keys = [sql.Identifier(key) for key in view.entities]
    query = sql.SQL(
        """select distinct on ({keys}) {columns} from {table}
           where event_timestamp > %(since)s and event_timestamp <= %(as_of)s
           order by {order}, event_timestamp desc"""
    ).format(
        keys=sql.SQL(", ").join(keys),
        columns=sql.SQL(", ").join(map(sql.Identifier, fields)),
        table=feature_table(project.name, view_name),
        order=sql.SQL(", ").join(keys),
    )
    window = {"since": as_of - view.ttl, "as_of": as_of}
    return spool.copy(cursor, query, window, pa.schema(list(fields.items())))
