"""The champion of each project: who it is, its whole history, and the compare-and-set that changes it.

History is only ever added to. A promotion names the sequence number it saw; of any number that saw
the same one, exactly one is written and the others are told who won.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg2.extensions import cursor as Cursor

from mlcycle.errors import Conflict, InputError


@dataclass(frozen=True)
class Champion:
    """A reign: one row of the history with the model version that it crowned."""

    seq: int
    version: int
    candidate: str
    run_id: str
    model_uri: str
    manifest: dict[str, str]  # path -> SHA-256 of every file of the model
    manifest_digest: str
    dataset_digest: str
    metrics: dict[str, float]  # on its own holdout
    action: str
    actor: str
    reason: str
    comparison_id: int | None
    crowned_at: datetime


_SELECT = """
    select c.seq, c.version, m.candidate, m.run_id, m.model_uri, m.manifest, m.manifest_digest,
           m.dataset_digest, m.metrics, c.action, c.actor, c.reason, c.comparison_id, c.crowned_at
    from ledger.champion c
    join ledger.model_version m using (project, version)
    where c.project = %s
"""


def current(cursor: Cursor, project: str) -> Champion | None:
    """The champion, or None where there has been none."""
    cursor.execute(_SELECT + " order by c.seq desc limit 1", (project,))
    row = cursor.fetchone()
    return _champion(row) if row else None


def when_begun(cursor: Cursor, project: str, work: str) -> Champion | None:
    """The champion when the first attempt at a piece of work began: the same for all of its attempts."""
    cursor.execute(
        _SELECT
        + """ and c.crowned_at <= (select min(started_at) from ledger.attempt where work = %s)
            order by c.seq desc limit 1""",
        (project, work),
    )
    row = cursor.fetchone()
    return _champion(row) if row else None


def history(cursor: Cursor, project: str) -> list[Champion]:
    """Every reign, the first one first."""
    cursor.execute(_SELECT + " order by c.seq", (project,))
    return [_champion(row) for row in cursor.fetchall()]


def at(cursor: Cursor, project: str, seq: int) -> Champion:
    """The reign of this sequence number. Raises InputError that says which there are."""
    cursor.execute(_SELECT + " and c.seq = %s", (project, seq))
    row = cursor.fetchone()
    if row is None:
        newest = current(cursor, project)
        known = f"it goes from 1 to {newest.seq}" if newest else "it is empty"
        raise InputError(f"{project} has no champion number {seq} in its history: {known}")
    return _champion(row)


def before(cursor: Cursor, project: str, champion: Champion) -> Champion | None:
    """The last reign of another version than the champion's, or None."""
    cursor.execute(
        _SELECT + " and c.seq < %s and c.version <> %s order by c.seq desc limit 1",
        (project, champion.seq, champion.version),
    )
    row = cursor.fetchone()
    return _champion(row) if row else None


def crown(
    cursor: Cursor,
    project: str,
    version: int,
    *,
    expected_seq: int,
    action: Literal["promote", "rollback"],
    actor: str,
    reason: str,
    comparison_id: int | None = None,
) -> int:
    """Make a version the champion if the champion is still number ``expected_seq`` (0: none yet).

    Returns the new sequence number. Raises Conflict, naming the winner, where the history moved on.
    """
    cursor.execute(
        """insert into ledger.champion (project, seq, version, action, actor, reason, comparison_id)
           select %(project)s, %(seen)s + 1, %(version)s, %(action)s, %(actor)s, %(reason)s, %(comparison)s
           where (select coalesce(max(seq), 0) from ledger.champion where project = %(project)s) = %(seen)s
           on conflict (project, seq) do nothing
           returning seq""",
        {
            "project": project,
            "seen": expected_seq,
            "version": version,
            "action": action,
            "actor": actor,
            "reason": reason,
            "comparison": comparison_id,
        },
    )
    row = cursor.fetchone()
    if row is not None:
        return int(row[0])
    winner = current(cursor, project)
    if winner is None:
        raise Conflict(f"{project} has no champion, but number {expected_seq} was expected: compare again")
    raise Conflict(
        f"the champion of {project} is now number {winner.seq}, version {winner.version} "
        f"({winner.action} by {winner.actor}), not number {expected_seq} as when this began: compare again"
    )


def record_approval(
    cursor: Cursor, project: str, version: int, decision: str, decided_by: str, reason: str
) -> None:
    """Note what a person decided about a version."""
    cursor.execute(
        """insert into ledger.approval (project, version, decision, decided_by, reason)
           values (%s, %s, %s, %s, %s)""",
        (project, version, decision, decided_by, reason),
    )


def _champion(row: tuple[Any, ...]) -> Champion:
    return Champion(*row)
