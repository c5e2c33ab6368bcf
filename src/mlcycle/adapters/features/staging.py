"""A window of a view's values: computed from one snapshot into a file, put in place of what there is later.

What is computed and what it was computed from are read on one snapshot, which is closed before anything
is published: no transaction waits for another one's work.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features import view_sql
from mlcycle.adapters.features.tables import build_table
from mlcycle.adapters.warehouse.connection import Warehouse, feature_table
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import features as ledger
from mlcycle.project import Project
from mlcycle.settings import Settings


@dataclass(frozen=True)
class Generation:
    """A view's values of one definition: those that are read, or those that are being built."""

    project: Project
    view: str
    definition: str
    building: bool

    @property
    def records(self) -> str:
        """The name under which the ledger records the partitions."""
        return ledger.records_of(self.view, self.definition) if self.building else self.view

    @property
    def table(self) -> sql.Identifier:
        """Where the values are."""
        if self.building:
            return build_table(self.project.name, self.view, self.definition)
        return feature_table(self.project.name, self.view)


@dataclass(frozen=True)
class Staged:
    """Values of the partitions from first to last in a file, as COPY takes them.

    ``inputs`` is what each partition was computed from, ``before`` what was recorded of them then.
    """

    first: Partition
    last: Partition
    inputs: Mapping[Partition, str]
    before: Mapping[str, tuple[str, datetime]]
    path: Path


def stage(
    settings: Settings,
    warehouse: Warehouse,
    values: Generation,
    partitions: tuple[Partition, Partition],
    path: Path,
) -> Staged:
    """Compute the partitions from the first to the last into a file, as CSV.

    The view's own login reads on the very snapshot that its inputs were read on. Raises ConfigError for
    SQL that does not run, TookTooLong where a shorter window may.
    """
    project, view, (first, last) = values.project, values.view, partitions
    with ExitStack() as opened:
        with warehouse.reading() as cursor:
            batches = ledger.batches(cursor, project, view, first, last)
            before = ledger.records(cursor, project.name, values.records, first, last)
            snapshot = view_sql.exported(cursor)  # the reader has it by the time this transaction ends
            reader = opened.enter_context(
                view_sql.reading(settings, project, view, snapshot=snapshot, asking=warehouse)
            )
        stream = opened.enter_context(path.open("wb"))
        view_sql.write(reader, project, view, (first.start, last.end), stream)
    return Staged(first, last, ledger.inputs(project, view, batches, first, last), before, path)


def overtaken(cursor: Cursor, values: Generation, staged: Staged) -> bool:
    """Whether somebody has published one of the partitions meanwhile. Call with the view locked."""
    now = ledger.records(cursor, values.project.name, values.records, staged.first, staged.last)
    return now != staged.before


def replace(cursor: Cursor, values: Generation, staged: Staged) -> int:
    """Put the values in the place of those there are, and record what they are; how many rows.

    Call with the view locked. Raises ConfigError where the view gave an entity two values at once.
    """
    project, table, first, last = values.project, values.table, staged.first, staged.last
    view = project.features[values.view]
    columns = [*view.entities, "event_timestamp", *view.columns]
    window = (first.start, last.end)
    cursor.execute(
        sql.SQL("delete from {} where event_timestamp > %s and event_timestamp <= %s").format(table), window
    )
    into = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with staged.path.open("rb") as source:
        view_sql.copy_in(cursor, values.view, into, source)
    # A value known at a partition's end is the partition's own.
    cursor.execute(
        sql.SQL(
            """select date_trunc(%s, event_timestamp - interval '1 microsecond', %s), count(*) from {}
               where event_timestamp > %s and event_timestamp <= %s group by 1"""
        ).format(table),
        (str(first.unit), first.unit.zone, *window),
    )
    rows = {Partition.containing(start, first.unit).key: int(count) for start, count in cursor.fetchall()}
    ledger.record(cursor, project.name, values.records, staged.inputs, rows)
    return sum(rows.values())
