"""What people have settled of a partition's rows, as a delivery of the label table: the platform takes it
like any other, and a changed answer as a corrected delivery.
"""

import csv
import hashlib
import io

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.delivery.source import Fetched
from mlcycle.adapters.warehouse.connection import raw_table
from mlcycle.adapters.warehouse.keys import entity_key
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project


def delivery(cursor: Cursor, project: Project, partition: Partition) -> Fetched:
    """The settled labels of a partition of the label table as CSV, ordered by key.

    Rows that are gone from the entity table have none. The columns are the key's, the event time's and the
    label's, under their names in the label table.
    """
    label, entity = project.label, project.entity_table
    table = project.source.tables[label.table]
    names = [*entity.key, table.event_time, label.column]
    moment = sql.Identifier("e", entity.event_time)
    query = sql.SQL(
        """select {keys}, {moment} + %(ahead)s, t.label from ledger.label_task t
           join {entity} e on {moment} = t.event_time and {key} = t.entity_key
           where t.project = %(project)s and t.state = 'settled' and t.label is not null
             and {moment} + %(ahead)s >= %(start)s and {moment} + %(ahead)s < %(end)s
           order by t.event_time, t.entity_key"""
    ).format(
        keys=sql.SQL(", ").join(sql.Identifier("e", name) for name in entity.key),
        moment=moment,
        entity=raw_table(project.name, project.entity.table),
        key=sql.SQL(entity_key(project, "e").replace("%", "%%")),
    )
    window = {"start": partition.start, "end": partition.end, "ahead": label.ahead, "project": project.name}
    cursor.execute(query, window)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    for row in cursor.fetchall():
        writer.writerow(value.isoformat() if hasattr(value, "isoformat") else value for value in row)
    data = written.getvalue().encode()
    return Fetched(hashlib.sha256(data).hexdigest(), len(data), data, None)
