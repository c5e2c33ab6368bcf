"""What the warehouse, the feature store and the ledger hold of a project, brought in line with its file.

Raw tables alone need a person: views and labels of another definition are made anew by their next run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg2.errors
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.features import removal as features
from mlcycle.adapters.features.tables import as_declared
from mlcycle.adapters.warehouse import raw_changes
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.raw_changes import Change
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.housekeeping.project.held import holding
from mlcycle.housekeeping.project.reset import touched
from mlcycle.ledger import features as feature_ledger
from mlcycle.ledger import removal
from mlcycle.project import Project

Renamed = Mapping[str, Mapping[str, str]]  # table -> new name of a column -> its name before


@dataclass
class Differences:
    """What differs: by raw table, and of which people are told alone."""

    tables: dict[str, list[Change]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def lost(self, table: str) -> bool:
        """Whether a table has a difference that cannot be mended where it stands."""
        return any(change.loss for change in self.tables[table])

    @property
    def can(self) -> list[str]:
        """Tables that can be brought in line without a loss."""
        return [
            name
            for name, found in self.tables.items()
            if not self.lost(name) and any(change.action for change in found)
        ]

    @property
    def cannot(self) -> list[str]:
        """Tables that only a reset brings in line."""
        return [name for name in self.tables if self.lost(name)]


def renames(project: Project, given: list[str]) -> dict[str, dict[str, str]]:
    """Columns as a person names them, ``table.before=after``. Raises InputError for what is none."""
    found: dict[str, dict[str, str]] = {}
    for text in given:
        place, equals, after = text.partition("=")
        table, dot, before = place.partition(".")
        if not (equals and dot and before and after):
            raise InputError(f"--rename {text!r} is not TABLE.BEFORE=AFTER")
        if table not in project.source.tables or after not in project.source.tables[table].columns:
            raise InputError(f"--rename {text}: the file has no column {after!r} in a table {table!r}")
        found.setdefault(table, {})[after] = before
    return found


def differences(cursor: Cursor, project: Project, renamed: Renamed | None = None) -> Differences:
    """Compare; every value is tried where a column's type differs."""
    found = Differences()
    ingested = removal.newest_keys(cursor, project.name)
    for name, table in project.source.tables.items():
        changes = raw_changes.changes(cursor, project.name, name, table, (renamed or {}).get(name))
        if name in ingested and not _is_key(ingested[name], project):
            loss = f"{ingested[name]!r} is the key of another length"
            changes.append(Change(name, f"partitions are {project.unit}s in the file", loss=loss))
        if changes:
            found.tables[name] = changes
    for name in features.tables_of(cursor, "raw", project.name):
        if name not in project.source.tables:
            found.notes.append(
                f"table {name!r} is not in the file any more: its rows stay; "
                f"mlcycle project reset {project.name} --tables {name} takes them away"
            )
    there = features.tables_of(cursor, "features", project.name)
    for name in there:
        if name not in project.features:
            found.notes.append(
                f"view {name!r} is not in the file any more: its values stay, and nothing reads them"
            )
    known = {view: made for view, made, building in removal.known_views(cursor, project.name) if not building}
    for name in project.features:
        other = name in known and known[name] != feature_ledger.definition(project, name)
        if name in there and (other or not as_declared(cursor, project, name)):
            found.notes.append(f"view {name!r} is defined otherwise: the next run of features builds it anew")
    return found


def migrate(warehouse: Warehouse, project: Project, table: str, renamed: Renamed | None = None) -> list[str]:
    """Bring one raw table in line in one transaction, tried on its values once more; what was done.

    What was computed from a column of another type is computed anew by the next runs, and read until then.

    Raises:
        Conflict: a step of the project is at work.
        InputError: rows that came meanwhile, or their key, do not allow it.
    """
    try:
        with holding(warehouse, project.name) as cursor:
            declared = project.source.tables[table]
            raw_changes.hold(cursor, project.name, [table])
            changes = raw_changes.changes(cursor, project.name, table, declared, (renamed or {}).get(table))
            if losses := [change for change in changes if change.loss]:
                raise InputError(f"table {table!r}: {losses[0].what}: {losses[0].loss}")
            done = [(change, change.action) for change in changes if change.action is not None]
            for _, action in done:
                cursor.execute(action)
            if any(change.other_values for change, _ in done):
                views, labels = touched(project, [table])
                removal.forget_views(cursor, project.name, views)
                if labels:
                    removal.forget_labels_made(cursor, project.name)
            return [change.what for change, _ in done]
    except psycopg2.errors.UniqueViolation as error:
        raise InputError(
            f"table {table!r}: as the types of the file two rows have one key "
            f"({error.diag.message_detail or ''}): mlcycle project reset {project.name} --tables {table}"
        ) from None


def _is_key(key: str, project: Project) -> bool:
    try:
        Partition.parse(key, project.unit)
    except InputError:
        return False
    return True
