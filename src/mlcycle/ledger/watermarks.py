"""How far a stream has got: a moment that only moves forward."""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor


def changes_of(table: str) -> str:
    """The stream of a table's changes: how far its source was read, by when rows were written there."""
    return f"changes/{table}"


def position(cursor: Cursor, project: str, stream: str) -> datetime | None:
    """The stream's position, or None before its first."""
    cursor.execute(
        "select position from ledger.watermark where project = %s and stream = %s", (project, stream)
    )
    row = cursor.fetchone()
    return row[0] if row else None


def advance(cursor: Cursor, project: str, stream: str, to: datetime) -> datetime:
    """Move a stream forward to a moment; an earlier one leaves it. Returns where it stands."""
    cursor.execute(
        """insert into ledger.watermark as w (project, stream, position) values (%s, %s, %s)
           on conflict (project, stream) do update
               set position = greatest(w.position, excluded.position),
                   updated_at = case when excluded.position > w.position then now() else w.updated_at end
           returning position""",
        (project, stream, to),
    )
    (found,) = cursor.fetchone() or (to,)
    moved: datetime = found
    return moved
