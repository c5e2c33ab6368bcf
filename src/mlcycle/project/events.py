"""What a project says of a table whose rows are put into the platform's queue, one or a few at a time."""

from mlcycle.project.part import Part
from mlcycle.project.written import Delivered


class Events(Part):
    """Rows of this table are put as events (docs/events.md).

    ``id`` names a field of each event by which a producer's repeat is known. Left out, an event that says the
    same in all its columns is a repeat.
    """

    id: Delivered | None = None
