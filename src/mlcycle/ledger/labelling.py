"""Rows that people are asked to label, their answers, and how each row stands by them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain.labelling.settled import Said, settle
from mlcycle.errors import InputError
from mlcycle.ledger.document import as_json

#: Answers may be committed so long after their own time.
SLOW = "10 minutes"


@dataclass(frozen=True)
class Asked:
    """A row to be labelled. ``shown`` is what a labeller sees of it."""

    partition: str
    entity_key: str
    event_time: datetime
    shown: Mapping[str, Any]
    reason: str
    score: float | None = None


@dataclass(frozen=True)
class Task:
    """A row as a labeller gets it. ``answers`` are those of others, which only a judge sees."""

    task_id: int
    partition: str
    entity_key: str
    event_time: datetime
    shown: Mapping[str, Any]
    reason: str
    state: str
    answers: Sequence[Said] = ()


def ask(cursor: Cursor, project: str, rows: Iterable[Asked], wanted: int, actor: str) -> int:
    """Put rows into the queue; those that are there already stay as they are. Returns how many are new."""
    values = [
        (
            project,
            row.partition,
            row.entity_key,
            row.event_time,
            as_json(dict(row.shown)),
            row.reason,
            row.score,
        )
        for row in rows
    ]
    if not values:
        return 0
    found = execute_values(
        cursor,
        """insert into ledger.label_task
             (project, partition, entity_key, event_time, shown, reason, score, wanted, asked_by)
           values %s on conflict (project, entity_key, event_time) do nothing returning task_id""",
        [(*value, wanted, actor) for value in values],
        fetch=True,
    )
    return len(found)


def next_for(cursor: Cursor, project: str, labeller: str) -> Task | None:
    """The next row for somebody who has not answered it; one with answers before one without.

    Disputed rows are for judges (:func:`disputed`).
    """
    cursor.execute(
        """select t.task_id, t.partition, t.entity_key, t.event_time, t.shown, t.reason, t.state
           from ledger.label_task t
           where t.project = %(project)s and t.state = 'open' and not exists (
             select from ledger.label_answer a where a.task_id = t.task_id and a.labeller = %(who)s)
           order by (select count(*) from ledger.label_answer a where a.task_id = t.task_id) desc, t.task_id
           limit 1""",
        {"project": project, "who": labeller},
    )
    row = cursor.fetchone()
    return None if row is None else Task(*row)


def disputed(cursor: Cursor, project: str) -> Task | None:
    """The oldest row that labellers do not agree on, with their answers."""
    cursor.execute(
        """select task_id, partition, entity_key, event_time, shown, reason, state from ledger.label_task
           where project = %s and state = 'disputed' order by task_id limit 1""",
        (project,),
    )
    row = cursor.fetchone()
    return None if row is None else replace(Task(*row), answers=_said(cursor, row[0]))


def answer(
    cursor: Cursor,
    project: str,
    task_id: int,
    labeller: str,
    said: str | None,
    *,
    judges: bool = False,
    comment: str = "",
) -> str:
    """Keep an answer; returns how the row stands by it. Raises InputError for no such row."""
    cursor.execute(
        "select wanted from ledger.label_task where task_id = %s and project = %s for update",
        (task_id, project),
    )
    row = cursor.fetchone()
    if row is None:
        raise InputError(f"{project} asks no label of number {task_id}")
    cursor.execute(
        """insert into ledger.label_answer (task_id, labeller, answer, judges, comment)
           values (%s, %s, %s, %s, %s)""",
        (task_id, labeller[:200], said, judges, comment[:1000]),
    )
    state, label = settle(_said(cursor, task_id), int(row[0]))
    cursor.execute(
        """update ledger.label_task set state = %s, label = %s, changed_at = clock_timestamp()
           where task_id = %s and (state, label) is distinct from (%s, %s)""",
        (state, label, task_id, state, label),
    )
    return state


def _said(cursor: Cursor, task_id: int) -> list[Said]:
    """The newest answer of each labeller, in order of time."""
    cursor.execute(
        """select labeller, answer, judges from (
             select distinct on (labeller) answer_id, labeller, answer, judges from ledger.label_answer
             where task_id = %s order by labeller, answer_id desc) newest order by answer_id""",
        (task_id,),
    )
    return [Said(*row) for row in cursor.fetchall()]


def due(cursor: Cursor, project: str, table: str) -> list[str]:
    """Partitions whose settled labels may be others than those that are published."""
    cursor.execute(
        f"""select t.partition from ledger.label_task t
            left join ledger.batch b on b.project = t.project and b.table_name = %s
                 and b.partition = t.partition and b.current
            where t.project = %s
            group by t.partition, b.published_at
            having bool_or(t.state = 'settled' and t.label is not null or b.published_at is not null)
               and max(t.changed_at) > coalesce(b.published_at, '-infinity') - interval '{SLOW}'
            order by t.partition""",
        (table, project),
    )
    return [key for (key,) in cursor.fetchall()]


@dataclass(frozen=True)
class Standing:
    """How a project's labelling stands."""

    states: Mapping[str, int]
    reasons: Mapping[str, int]
    answers: Sequence[tuple[int, str, str]]  # task, labeller, what was said: the newest of each


def standing(cursor: Cursor, project: str) -> Standing:
    """Rows by state and by reason, and all answers that say something."""
    cursor.execute(
        "select state, reason, count(*) from ledger.label_task where project = %s group by 1, 2", (project,)
    )
    states: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for state, reason, count in cursor.fetchall():
        states[state] = states.get(state, 0) + int(count)
        reasons[reason] = reasons.get(reason, 0) + int(count)
    cursor.execute(
        """select distinct on (a.task_id, a.labeller) a.task_id, a.labeller, a.answer
           from ledger.label_answer a join ledger.label_task t using (task_id)
           where t.project = %s and not a.judges order by a.task_id, a.labeller, a.answer_id desc""",
        (project,),
    )
    answers = [row for row in cursor.fetchall() if row[2] is not None]
    return Standing(states, reasons, answers)


def exported(cursor: Cursor, project: str) -> list[dict[str, Any]]:
    """Every row with its state, label and answers, the first asked for first."""
    cursor.execute(
        """select t.partition, t.entity_key, t.event_time, t.reason, t.state, t.label,
                  coalesce(jsonb_agg(jsonb_build_object('labeller', a.labeller, 'answer', a.answer,
                    'judges', a.judges, 'comment', a.comment, 'answered_at', a.answered_at)
                    order by a.answer_id) filter (where a.task_id is not null), '[]')
           from ledger.label_task t left join ledger.label_answer a using (task_id)
           where t.project = %s group by t.task_id order by t.task_id""",
        (project,),
    )
    names = ("partition", "entity_key", "event_time", "reason", "state", "label", "answers")
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def find(
    cursor: Cursor, project: str, rows: Sequence[tuple[str, datetime]]
) -> dict[tuple[str, datetime], int]:
    """Tasks of rows that were asked for, by key and event time."""
    found = execute_values(
        cursor,
        """select t.entity_key, t.event_time, t.task_id from ledger.label_task t
           join (values %s) as wanted (entity_key, event_time)
             on wanted.entity_key = t.entity_key and wanted.event_time = t.event_time
           where t.project = """
        + cursor.mogrify("%s", (project,)).decode().replace("%", "%%"),
        list(rows),
        template="(%s, %s::timestamptz)",
        fetch=True,
    )
    return {(key, moment): int(task) for key, moment, task in found}
