"""One project held by whoever changes what is there of it: no attempt begins, nobody computes or writes."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.errors
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import Conflict, Unavailable
from mlcycle.ledger import removal

PATIENCE = "20s"  # for readers and writers of one table
SHOWN = 3  # steps at work that a refusal names


@contextmanager
def holding(warehouse: Warehouse, project: str, *, abandon: bool = False) -> Iterator[Cursor]:
    """One transaction in which nothing of the project is at work.

    Args:
        warehouse: as its owner.
        project: name of the project.
        abandon: go on where the ledger has attempts that did not end; they must be forgotten in this
            transaction, after which they publish nothing.

    Raises:
        Conflict: a step is at work, or the ledger has not heard of its end.
        Unavailable: somebody has read or written one of the tables for ``PATIENCE``.
    """
    try:
        with warehouse.transaction() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", (PATIENCE,))
            removal.hold(cursor, project)
            if not abandon:
                refuse_at_work(cursor, project)
            # The sessions' own locks (adapters/warehouse/session_lock.py): who holds one is at work.
            for name in (f"computing features:{project}", f"online:{project}"):
                cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            yield cursor
    except Unavailable as error:
        if isinstance(error.__cause__, psycopg2.errors.LockNotAvailable):
            raise Unavailable(
                f"tables of {project} have been read or written for {PATIENCE}: nothing was changed; "
                "try again once nothing of it runs"
            ) from error
        raise


def refuse_at_work(cursor: Cursor, project: str) -> None:
    """Raises Conflict where the ledger has attempts that did not end."""
    found = removal.at_work(cursor, project)
    if not found:
        return
    named = [f"{one.step} on {one.host} since {one.since:%Y-%m-%d %H:%M} UTC" for one in found[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise Conflict(
        f"{project} is at work ({', '.join(named)}{more}): nothing was changed; wait until its runs have "
        "ended, or say --abandon: what is at work, or was killed, publishes nothing then"
    )
