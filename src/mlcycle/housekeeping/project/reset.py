"""Raw tables emptied, with all that was computed from them: what a new ingest of the deliveries brings back.

What was said to the world stays: predictions, models with their data sets, the champions' history, alerts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features import removal as features
from mlcycle.adapters.warehouse import raw_changes
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import InputError
from mlcycle.housekeeping.project.held import holding, refuse_at_work
from mlcycle.ledger import removal
from mlcycle.project import Project


@dataclass(frozen=True)
class Plan:
    """What a reset takes away, and what stays."""

    tables: list[str]
    views: list[str]
    labels: bool
    held: removal.Held

    @property
    def lines(self) -> list[str]:
        """For people."""
        held = self.held
        goes = [
            f"{held.partitions:,} partitions of {', '.join(self.tables)}, {held.rows:,} rows and "
            f"{held.quarantined:,} in quarantine"
        ]
        if self.views:
            goes.append(f"the values of {', '.join(self.views)}, online too")
        if self.labels:
            goes.append(f"{held.labels:,} labels")
        return [
            *(f"goes    {text}" for text in goes),
            f"stays   {held.predictions:,} predictions, {held.datasets:,} data sets and {held.models:,} "
            f"models made of such rows, {held.champions:,} entries of the champions' history",
        ]


def touched(project: Project, tables: Iterable[str]) -> tuple[list[str], bool]:
    """Views that read one of the tables, and whether labels do."""
    names = set(tables)
    views = [name for name, view in project.features.items() if names & set(view.reads)]
    return views, bool(names & {project.entity.table, project.label.table or project.entity.table})


def plan(cursor: Cursor, project: Project, tables: Iterable[str] | None = None) -> Plan:
    """What would go; of all tables, those that the file has no more too, unless some are named.

    Raises InputError for a table that there is none of.
    """
    there = features.tables_of(cursor, "raw", project.name)
    known = list(dict.fromkeys([*project.source.tables, *there]))
    chosen = list(dict.fromkeys(tables)) if tables is not None else known
    if odd := [name for name in chosen if name not in known]:
        raise InputError(f"{project.name} has no table {odd[0]!r}: there are {', '.join(known)}")
    views, labels = touched(project, chosen)
    if tables is None:  # and what the file has no more
        views = list(dict.fromkeys([*views, *features.tables_of(cursor, "features", project.name)]))
    return Plan(chosen, views, labels, removal.held(cursor, project.name, chosen))


def look(warehouse: Warehouse, project: Project, tables: Iterable[str] | None, *, abandon: bool) -> Plan:
    """What would go, before a person is asked. Raises Conflict where a step is at work."""
    with warehouse.transaction() as cursor:
        if not abandon:
            refuse_at_work(cursor, project.name)
        return plan(cursor, project, tables)


def reset(
    warehouse: Warehouse, project: Project, tables: Iterable[str] | None = None, *, abandon: bool = False
) -> Plan:
    """Empty tables in one transaction: all of it, or nothing where it is killed. May be run again.

    Raises:
        Conflict: a step of the project is at work.
        InputError: there is no such table.
        Unavailable: somebody keeps one of the tables.
    """
    with holding(warehouse, project.name, abandon=abandon) as cursor:
        gone = plan(cursor, project, tables)
        name = project.name
        raw_changes.hold(cursor, name, gone.tables)
        built = [(view, made) for view, made, building in removal.known_views(cursor, name) if building]
        features.drop_values(cursor, name, gone.views, [one for one in built if one[0] in gone.views])
        features.empty_online(cursor, name, gone.views)
        removal.forget_views(cursor, name, gone.views)  # before the batches, each of which would be noted
        if set(project.features) <= set(gone.views):
            removal.forget_online(cursor, name)
        if gone.labels:
            removal.forget_labels(cursor, name)
        for table in gone.tables:
            features.drop(cursor, "raw", name, table)
        removal.forget_tables(cursor, name, gone.tables)
        removal.forget_attempts(cursor, name, removal.OF_DATA)
        return gone
