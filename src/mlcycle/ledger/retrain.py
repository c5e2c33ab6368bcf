"""Requests for a retrain, or for a shadow first; accepted and refused, each with its reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg2.extensions import cursor as Cursor

Wants = Literal["retrain", "shadow"]


@dataclass(frozen=True)
class RetrainRequest:
    """One request as the ledger holds it; ``as_of`` is the data's own time, UTC."""

    source: str
    reason: str
    as_of: datetime
    accepted: bool
    refused_because: str
    wants: Wants = "retrain"


def hold(cursor: Cursor, project: str) -> None:
    """One decision at a time for a project, until the transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"retrain:{project}",))


def accepted(cursor: Cursor, project: str, wants: Wants = "retrain") -> list[datetime]:
    """``as_of`` of every accepted request of the project for this."""
    cursor.execute(
        "select as_of from ledger.retrain_request where project = %s and wants = %s and accepted",
        (project, wants),
    )
    return [moment for (moment,) in cursor.fetchall()]


def promoted(cursor: Cursor, project: str) -> datetime | None:
    """The newest moment, in the data's own time, as of which any champion there was had been trained."""
    cursor.execute(
        """select max((d.manifest ->> 'as_of')::timestamptz)
           from ledger.champion c
           join ledger.model_version v on v.project = c.project and v.version = c.version
           join ledger.dataset d on d.project = v.project and d.digest = v.dataset_digest
           where c.project = %s""",
        (project,),
    )
    found: tuple[datetime | None] = cursor.fetchone() or (None,)
    return found[0]


def record(cursor: Cursor, project: str, work: str, request: RetrainRequest) -> None:
    """Note a decision; a piece of work makes one."""
    cursor.execute(
        """insert into ledger.retrain_request
               (project, work, source, reason, as_of, accepted, refused_because, wants)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            *(project, work, request.source, request.reason, request.as_of),
            *(request.accepted, request.refused_because, request.wants),
        ),
    )
