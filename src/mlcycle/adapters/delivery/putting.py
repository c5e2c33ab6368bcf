"""Putting events: a batch is read and checked, and all of it is in the queue once, or nothing of it."""

from dataclasses import dataclass

from mlcycle.adapters.delivery.event_rows import Refused, checked, parsed
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import InputError
from mlcycle.ledger import events
from mlcycle.ledger.events import Closed
from mlcycle.project import Project, Table

MOST = 10_000  # events of one batch


class EventsRefused(InputError):
    """Events of a batch may not be put; nothing of it was."""

    def __init__(self, message: str, rows: list[Refused]) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass(frozen=True)
class Taken:
    """A batch that is in the queue."""

    events: int
    new: int  # the others had been put before


def table_of(project: Project, name: str) -> Table:
    """A table that events may be put into. Raises InputError where it is none."""
    table = project.source.tables.get(name)
    if table is None or table.events is None:
        there = [each for each, table in project.source.tables.items() if table.events is not None]
        known = f"there are {', '.join(there)}" if there else "its source is not of kind: events"
        raise InputError(f"no table {name!r} of project {project.name!r} takes events: {known}")
    return table


def put(warehouse: Warehouse, project: Project, name: str, body: bytes) -> Taken:
    """Put the events of a body, in one transaction; what was put before is not put again.

    Args:
        warehouse: of the role that serves.
        project: the events' project.
        name: of the table.
        body: JSON lines, or a JSON list of objects.

    Raises:
        EventsRefused: with a line for each event that may not be put.
        InputError: the body is none, is empty, or holds more than ``MOST``.
        Unavailable: the warehouse does not answer; putting the same again is safe.
    """
    table = table_of(project, name)
    given = parsed(body)
    if not given:
        raise InputError("no event: put JSON lines, or a JSON list of objects")
    if len(given) > MOST:
        raise InputError(f"{len(given)} events: put {MOST} at once at the most")
    found, refused = checked(given, table, project.unit)
    if refused:
        raise EventsRefused(f"{len(refused)} of {len(given)} events refused, none put", refused)
    with warehouse.transaction() as cursor:
        new = events.put(cursor, project.name, name, found)
    if isinstance(new, Closed):
        closed = set(new.partitions)
        late = [
            Refused(
                row, f"partition {each.partition} has landed and takes no more events: it was too long ago"
            )
            for row, each in enumerate(found, 1)
            if each.partition in closed
        ]
        raise EventsRefused(f"{len(late)} of {len(given)} events refused, none put", late)
    return Taken(len(found), new)
