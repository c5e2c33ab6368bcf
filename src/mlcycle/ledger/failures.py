"""What failed for good, or was stopped, and is not mended: rows by key and partitions, an alert by key.

An alert stays open while its key has a row: the same step may have failed for several partitions, and
each is mended by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import ErrorInfo, Result
from mlcycle.ledger import alerts
from mlcycle.ledger.alerts import Alert

LATEST = "9999"  # later than any partition's key
ALL = ("", LATEST)  # partitions that a success mends whose step's newest run alone counts


@dataclass(frozen=True)
class Ended:
    """How the newest attempt of a task ended; ``error`` is None where it left no result."""

    work: str
    error: ErrorInfo | None
    link: str


def last_attempt(cursor: Cursor, project: str, task: str) -> Ended | None:
    """The newest attempt of a task named ``dag/run/task``; None where none was begun."""
    cursor.execute(
        """select work, state, result from ledger.attempt
           where project = %s and starts_with(work, %s) order by token desc limit 1""",
        (project, f"{task}/"),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    work, state, document = row
    result = Result.model_validate(document) if document and state != "running" else None
    links = list(result.links.values()) if result else []
    return Ended(work, result.error if result else None, links[0] if links else "")


def note(
    cursor: Cursor,
    project: str,
    alert: Alert,
    span: tuple[str, str],
    work: str,
    channels: Iterable[str],
) -> bool:
    """Note a failure and open its alert, or count it onto the open one. True where it was opened.

    Noted again by the same work it changes nothing.

    Args:
        cursor: of a transaction.
        project: its name.
        alert: what people are told; its key names the failure.
        span: first and last partition; empty texts where it is of none.
        work: that failed, or that found it.
        channels: that want to know.
    """
    alerts.hold(cursor, project)
    cursor.execute(
        """insert into ledger.failure as f
               (project, key, first_partition, last_partition, matter, work, reason)
           values (%s, %s, %s, %s, %s, %s, %s)
           on conflict (project, key, first_partition, last_partition) do update
               set work = excluded.work, reason = excluded.reason, noted_at = now()
               where f.work <> excluded.work""",
        (project, alert.key, *span, alert.matter or alert.key, work, alert.body[:1000]),
    )
    return bool(cursor.rowcount) and alerts.raise_alert(cursor, project, span[1], alert, channels)


def mend(cursor: Cursor, project: str, key: str, spans: Iterable[tuple[str, str]]) -> list[str]:
    """Failures of the key within these spans of partitions are over; closes alerts that have no other.

    Returns the keys of the alerts closed. Where there is nothing to mend it locks and writes nothing.
    """
    matters = set()
    for first, last in spans:
        cursor.execute(
            """delete from ledger.failure
               where project = %s and key = %s
                 and (last_partition = '' or (first_partition >= %s and last_partition <= %s))
               returning matter""",
            (project, key, first, last),
        )
        matters |= {matter for (matter,) in cursor.fetchall()}
    if not matters:
        return []
    alerts.hold(cursor, project)
    cursor.execute("select key from ledger.failure where project = %s", (project,))
    return alerts.close(cursor, project, sorted(matters), LATEST, [key for (key,) in cursor.fetchall()])


def stands(cursor: Cursor, project: str, key: str) -> bool:
    """Whether a failure of the key is not mended yet."""
    cursor.execute(
        "select exists (select from ledger.failure where project = %s and key = %s)", (project, key)
    )
    return cursor.fetchone() == (True,)
