"""Attempts and their fencing tokens; publications of a piece of work.

Retries of one task share a ``work``. Opening an attempt takes a higher token, and from then on an
older attempt of the same work (a worker that was stopped and woke up) cannot publish.
"""

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import Handover, PartitionRange, Request, Result
from mlcycle.errors import Superseded
from mlcycle.ledger.document import as_json


@dataclass(frozen=True)
class Left:
    """What a piece of work handed over, and when; ``partitions`` as people write them."""

    work: str
    finished_at: datetime
    partitions: str
    handover: Handover


def open_attempt(cursor: Cursor, request: Request, project: str) -> int:
    """Start an attempt and return its token. Waits while the project is being emptied or removed."""
    partitions = request.partitions
    cursor.execute(
        """select pg_advisory_xact_lock_shared(hashtextextended(%s, 0));
           insert into ledger.attempt (work, project, step, first_partition, last_partition, host)
           values (%s, %s, %s, %s, %s, %s) returning token""",
        (
            f"project:{project}",
            request.work,
            project,
            request.step,
            partitions.first if partitions else None,
            partitions.last if partitions else None,
            socket.gethostname(),
        ),
    )
    (token,) = cursor.fetchone() or (0,)
    return int(token)


def guard(cursor: Cursor, work: str, token: int) -> None:
    """Hold the work's lock until the transaction ends and check that the token is the newest.

    Raises Superseded where a newer attempt of the work has begun.
    """
    # One round trip, two statements: the second must see what was committed while the first waited.
    cursor.execute(
        """select pg_advisory_xact_lock(hashtextextended(%s, 0));
           select max(token) from ledger.attempt where work = %s""",
        (f"work:{work}", work),
    )
    (newest,) = cursor.fetchone() or (None,)
    if newest != token:
        raise Superseded(
            f"attempt {token} of this work was superseded by attempt {newest}; nothing was published"
        )


def newest(cursor: Cursor, work: str) -> int:
    """Token of the newest attempt of a piece of work; 0 where there is none."""
    cursor.execute("select coalesce(max(token), 0) from ledger.attempt where work = %s", (work,))
    (token,) = cursor.fetchone() or (0,)
    return int(token)


def published(cursor: Cursor, work: str, key: str) -> dict[str, Any] | None:
    """What an attempt of this work published under the key, or None."""
    cursor.execute("select outputs from ledger.publication where work = %s and key = %s", (work, key))
    row = cursor.fetchone()
    return dict(row[0]) if row else None


def record_publication(cursor: Cursor, work: str, key: str, token: int, outputs: dict[str, Any]) -> None:
    """Note a publication in the transaction that makes it."""
    cursor.execute(
        "insert into ledger.publication (work, key, token, outputs) values (%s, %s, %s, %s)",
        (work, key, token, as_json(outputs)),
    )


def finished(cursor: Cursor, work: str) -> Result | None:
    """The result of an attempt of this work that ended well (ok or skipped), or None."""
    cursor.execute(
        """select result from ledger.attempt where work = %s and state = 'done'
           order by token desc limit 1""",
        (work,),
    )
    row = cursor.fetchone()
    return Result.model_validate(row[0]) if row else None


def left_by(
    cursor: Cursor, project: str, step: str, variant: str, partitions: PartitionRange | None
) -> Left | None:
    """What the step last left for these partitions, or for any; None where it never ended ok.

    The variant, a table or a candidate, is read off the work's name: ``<dag>/<run>/<task>/...`` with the
    task ``flights.extract`` or ``train.boosting``, or ``here/<user>/<run>/<step>/<variant>``.
    """
    cursor.execute(
        """select work, finished_at, first_partition, last_partition, result from ledger.attempt
           where project = %(project)s and step = %(step)s and state = 'done' and result->>'status' = 'ok'
             and (%(first)s::text is null or (first_partition, last_partition) = (%(first)s, %(last)s))
             and (%(variant)s = '' or strpos(work, '/' || %(variant)s || '.' || %(step)s || '/') > 0
                  or strpos(work, '/' || %(step)s || '.' || %(variant)s || '/') > 0
                  or right(work, length(%(ending)s)) = %(ending)s)
           order by token desc limit 1""",
        {
            "project": project,
            "step": step,
            "variant": variant,
            "ending": f"/{step}/{variant}",
            "first": partitions.first if partitions else None,
            "last": partitions.last if partitions else None,
        },
    )
    row = cursor.fetchone()
    if row is None:
        return None
    work, finished_at, first, last, result = row
    where = "" if last is None else last if first == last else f"{first} to {last}"
    return Left(work, finished_at, where, Result.model_validate(result).handover)


def finish(cursor: Cursor, token: int, result: Result) -> None:
    """Close an attempt with its result."""
    state = "done" if result.exit_code == 0 else "failed"
    cursor.execute(
        """update ledger.attempt set state = %s, finished_at = now(), result = %s
           where token = %s and state = 'running'""",
        (state, result.model_dump_json(), token),
    )


def held(cursor: Cursor, project: str, last: timedelta) -> list[tuple[str, str, float]]:
    """Step, candidate where it has one, and seconds of the attempts that ended lately, by the clock."""
    cursor.execute(
        """select step, coalesce(substring(work from '/' || step || '[./]([a-z][a-z0-9_]*)(/|$)'), ''),
                  sum(extract(epoch from finished_at - started_at))::double precision
           from ledger.attempt
           where project = %s and finished_at >= now() - %s::interval
             and started_at >= now() - 3 * %s::interval  -- the index is on it
           group by 1, 2""",
        (project, last, last),
    )
    return [(step, candidate, float(seconds)) for step, candidate, seconds in cursor.fetchall()]
