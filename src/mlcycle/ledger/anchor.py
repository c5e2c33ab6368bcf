"""The anchor of each project: the best model that was ever proven. History is only ever added to."""

from psycopg2.extensions import cursor as Cursor

from mlcycle.ledger import models


def current(cursor: Cursor, project: str) -> models.ModelVersion | None:
    """The anchor, or None where no model was ever promoted."""
    cursor.execute(
        "select version from ledger.anchor where project = %s order by seq desc limit 1", (project,)
    )
    row = cursor.fetchone()
    return models.get(cursor, project, row[0]) if row else None


def move(cursor: Cursor, project: str, version: int, comparison_id: int, reason: str) -> None:
    """Make a version the anchor; called with the promotion that proved it, in its transaction."""
    cursor.execute(
        """insert into ledger.anchor (project, seq, version, comparison_id, reason)
           select %(project)s, coalesce(max(seq), 0) + 1, %(version)s, %(comparison)s, %(reason)s
           from ledger.anchor where project = %(project)s""",
        {"project": project, "version": version, "comparison": comparison_id, "reason": reason},
    )
