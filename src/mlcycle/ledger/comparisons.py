"""Comparisons of challengers with champions, as the gate judged them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.errors import InputError
from mlcycle.ledger.document import as_json


@dataclass(frozen=True)
class Comparison:
    """One comparison; ``champion_seq`` is 0 where there was no champion."""

    comparison_id: int
    challenger: int
    champion: int | None
    champion_seq: int
    dataset_digest: str
    verdict: str
    reasons: list[str]
    statistics: dict[str, Any]


def record(
    cursor: Cursor,
    project: str,
    *,
    challenger: int,
    champion: int | None,
    champion_seq: int,
    dataset_digest: str,
    verdict: str,
    reasons: Sequence[str],
    statistics: Mapping[str, Any],
) -> int:
    """Add a comparison and return its number."""
    cursor.execute(
        """insert into ledger.comparison
           (project, challenger, champion, champion_seq, dataset_digest, verdict, reasons, statistics)
           values (%s, %s, %s, %s, %s, %s, %s, %s) returning comparison_id""",
        (
            *(project, challenger, champion, champion_seq, dataset_digest, verdict),
            *(as_json(list(reasons)), as_json(dict(statistics))),
        ),
    )
    (number,) = cursor.fetchone() or (0,)
    return int(number)


def looks(cursor: Cursor, project: str, start: datetime, end: datetime) -> int:
    """How many comparisons have used rows of these event times."""
    cursor.execute(
        """select count(*) from ledger.comparison c
           join ledger.dataset d on d.project = c.project and d.digest = c.dataset_digest
           where c.project = %s and c.statistics ? 'gain'
             and coalesce((c.statistics ->> 'since')::timestamptz,
                          (d.manifest #>> '{splits,holdout,start}')::timestamptz) < %s
             and (d.manifest #>> '{splits,holdout,end}')::timestamptz > %s""",
        (project, end, start),
    )
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def get(cursor: Cursor, project: str, comparison_id: int) -> Comparison:
    """A comparison. Raises InputError where there is none of this number."""
    cursor.execute(
        """select comparison_id, challenger, champion, champion_seq, dataset_digest, verdict, reasons,
                  statistics
           from ledger.comparison where project = %s and comparison_id = %s""",
        (project, comparison_id),
    )
    row = cursor.fetchone()
    if row is None:
        raise InputError(f"{project} has no comparison {comparison_id}")
    return Comparison(*row)
