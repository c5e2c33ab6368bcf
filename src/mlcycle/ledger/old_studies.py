"""Searches of long ago: Optuna's rows in the schema ``search``, as housekeeping counts and deletes them.

A study is as old as the newest start or end of its trials, or as its newest plan. All its rows go in one
transaction, under the lock that whoever takes one of its trials holds: there is a whole study or none.
"""

from datetime import UTC, datetime
from typing import Final

from psycopg2.extensions import cursor as Cursor

#: Optuna's tables, those first that lead to others (5.0).
OF_TRIALS: Final = (
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_heartbeats",
)
OF_STUDY: Final = (
    "trials",
    "study_directions",
    "study_user_attributes",
    "study_system_attributes",
    "studies",
)

#: Optuna's moments are without a zone, as the clock of who ran the trial has it.
_AGED = """
select s.study_id, s.study_name, count(t.trial_id) as trials, greatest(
    max(greatest(t.datetime_start, t.datetime_complete)),
    (select max((a.value_json::jsonb #>> '{}')::timestamp) from search.study_user_attributes a
     where a.study_id = s.study_id and a.key = 'planned')) as last
from search.studies s left join search.trials t using (study_id) group by s.study_id, s.study_name
"""


def count_studies(cursor: Cursor, before: datetime) -> int:
    """Studies, and trials of theirs, that :func:`delete_study` takes away."""
    if not _may(cursor):
        return 0
    cursor.execute(
        f"select coalesce(sum(1 + trials), 0) from ({_AGED}) a where last < %s", (_without_zone(before),)
    )
    (found,) = cursor.fetchone() or (0,)
    return int(found)


def delete_study(cursor: Cursor, before: datetime) -> int:
    """Delete one old study with its trials; how many of both together, 0 where there is no old one."""
    if not _may(cursor):
        return 0
    old = f"select study_id, study_name, trials from ({_AGED}) a where last < %s"
    cursor.execute(f"{old} order by last", (_without_zone(before),))
    for study, name, _ in cursor.fetchall():
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"search:{name}",))
        cursor.execute(f"{old} and study_id = %s", (_without_zone(before), study))
        if (found := cursor.fetchone()) is None:  # somebody goes on with it
            continue
        for table in OF_TRIALS:
            cursor.execute(
                f"delete from search.{table} where trial_id in "
                "(select trial_id from search.trials where study_id = %s)",
                (study,),
            )
        for table in OF_STUDY:
            cursor.execute(f"delete from search.{table} where study_id = %s", (study,))
        return 1 + int(found[2])
    return 0


def _may(cursor: Cursor) -> bool:
    """Whether there are tables of searches, and this role may delete from them: it is told so by a plan."""
    cursor.execute("select has_table_privilege(to_regclass('search.studies'), 'delete')")
    return cursor.fetchone() == (True,)


def _without_zone(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
