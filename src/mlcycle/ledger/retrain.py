"""Retrain requests, accepted and refused, each with its reason."""

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class RetrainRequest:
    """One request as the ledger holds it; ``as_of`` is the data's own time, UTC."""

    source: str
    reason: str
    as_of: datetime
    accepted: bool
    refused_because: str


def hold(cursor: Cursor, project: str) -> None:
    """One decision at a time for a project, until the transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"retrain:{project}",))


def accepted(cursor: Cursor, project: str) -> list[datetime]:
    """``as_of`` of every accepted request of the project."""
    cursor.execute("select as_of from ledger.retrain_request where project = %s and accepted", (project,))
    return [moment for (moment,) in cursor.fetchall()]


def record(cursor: Cursor, project: str, work: str, request: RetrainRequest) -> None:
    """Note a decision; a piece of work makes one."""
    cursor.execute(
        """insert into ledger.retrain_request
               (project, work, source, reason, as_of, accepted, refused_because)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        (
            *(project, work, request.source, request.reason, request.as_of),
            *(request.accepted, request.refused_because),
        ),
    )
