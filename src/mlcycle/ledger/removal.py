"""All that the ledger knows of one project: counted, taken away so that ingest brings it back, or for good.

Asked as the database's owner: no step may do this. A project is held meanwhile, so that no attempt of it
begins; an attempt that is at work publishes nothing once its row is gone (:mod:`mlcycle.ledger.attempts`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.ledger import label_sources
from mlcycle.ledger.features import APPLIED
from mlcycle.ledger.old_studies import OF_STUDY, OF_TRIALS
from mlcycle.ledger.watermarks import changes_of

#: Every table with a column ``project``, those first that lead to others; a test compares it with the schema.
TABLES: Final = (
    "ledger.alert_act",
    "ledger.alert",
    "ledger.approval",
    "ledger.anchor",
    "ledger.champion",
    "ledger.comparison",
    "ledger.model_version",
    "ledger.evaluation",
    "ledger.dataset",
    "ledger.retrain_request",
    "ledger.failure",
    "ledger.label_task",
    "ledger.gap_event",
    "ledger.gap",
    "ledger.monitored",
    "ledger.monitor_result",
    "ledger.feature_partition",
    "ledger.feature_view",
    "ledger.watermark",
    "ledger.batch",
    "ledger.attempt",
    "ledger.forgotten",
    "serving.prediction_log",
    "serving.scoring",
    "serving.label",
    "raw.quarantine",
    "raw.event",
    "ledger.event_partition",
)
#: Steps whose work a new ingest does again.
OF_DATA: Final = ("extract", "validate", "publish", "features", "materialize", "labels")


@dataclass(frozen=True)
class Held:
    """How much the ledger holds of a project."""

    partitions: int
    rows: int
    quarantined: int
    labels: int
    predictions: int
    datasets: int
    models: int
    champions: int
    attempts: int


@dataclass(frozen=True)
class AtWork:
    """An attempt that has not ended, as far as the ledger knows."""

    step: str
    work: str
    host: str
    since: datetime


def hold(cursor: Cursor, project: str) -> None:
    """Let no attempt of the project begin until the transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"project:{project}",))


def at_work(cursor: Cursor, project: str) -> list[AtWork]:
    """Attempts that have not ended, the newest of each piece of work; of a process that was killed too."""
    cursor.execute(
        """select step, work, host, started_at from ledger.attempt a
           where project = %s and state = 'running' and not exists (
               select from ledger.attempt l where l.work = a.work and l.token > a.token)
           order by token""",
        (project,),
    )
    return [AtWork(*row) for row in cursor.fetchall()]


def held(cursor: Cursor, project: str, tables: Sequence[str] | None = None) -> Held:
    """What there is; of batches and bad rows those of some tables, if they are named."""
    cursor.execute(
        """with own as (select * from ledger.batch where project = %(project)s and current
                        and (%(tables)s::text[] is null or table_name = any(%(tables)s)))
           select (select count(*) from own), (select coalesce(sum(rows), 0) from own),
                  (select count(*) from raw.quarantine where project = %(project)s
                   and (%(tables)s::text[] is null or table_name = any(%(tables)s))),
                  (select count(*) from serving.label where project = %(project)s),
                  (select coalesce(sum(rows), 0) from serving.scoring where project = %(project)s),
                  (select count(*) from ledger.dataset where project = %(project)s),
                  (select count(*) from ledger.model_version where project = %(project)s),
                  (select count(*) from ledger.champion where project = %(project)s),
                  (select count(*) from ledger.attempt where project = %(project)s)""",
        {"project": project, "tables": None if tables is None else list(tables)},
    )
    return Held(*map(int, cursor.fetchone() or ()))


def known_views(cursor: Cursor, project: str) -> list[tuple[str, str, bool]]:
    """View, definition and whether it is being built, of each view that the ledger knows."""
    cursor.execute(
        """select view, definition, building from ledger.feature_view
           where project = %s and view not like '@%%'""",
        (project,),
    )
    return cursor.fetchall()


def newest_keys(cursor: Cursor, project: str) -> dict[str, str]:
    """Key of the newest published partition of each table that was ever ingested."""
    cursor.execute(
        """select table_name, max(partition) from ledger.batch where project = %s and current
           group by table_name""",
        (project,),
    )
    return dict(cursor.fetchall())


def forget_tables(cursor: Cursor, project: str, tables: Iterable[str]) -> None:
    """Take away what was delivered of tables, so that a new ingest publishes it again."""
    names = list(tables)
    cursor.execute(
        "delete from ledger.batch where project = %s and table_name = any(%s)",
        (project, names),
    )
    cursor.execute(
        "delete from raw.quarantine where project = %s and table_name = any(%s)",
        (project, names),
    )
    cursor.execute(
        "delete from ledger.watermark where project = %s and stream = any(%s)",
        (project, [stream for name in names for stream in (f"raw/{name}", changes_of(name))]),
    )
    forget_landed(cursor, project, names)


def forget_landed(cursor: Cursor, project: str, tables: Iterable[str]) -> None:
    """Have events landed again; what the queue has no more is not delivered from here on."""
    names = list(tables)
    cursor.execute(
        """delete from ledger.event_partition
           where project = %s and table_name = any(%s) and removed_at is not null""",
        (project, names),
    )
    cursor.execute(
        "update ledger.event_partition set seen = 0, landed = 0 where project = %s and table_name = any(%s)",
        (project, names),
    )


def forget_views(cursor: Cursor, project: str, views: Iterable[str]) -> None:
    """Take away what was noted of feature views, so that all their partitions are computed."""
    names = list(views)
    cursor.execute("delete from ledger.feature_view where project = %s and view = any(%s)", (project, names))
    cursor.execute(
        """delete from ledger.feature_partition
           where project = %s and split_part(view, '~', 1) = any(%s)""",
        (project, names),
    )
    cursor.execute(
        "delete from ledger.watermark where project = %s and stream = any(%s)",
        (project, [f"features:{name}" for name in names]),
    )


def forget_online(cursor: Cursor, project: str) -> None:
    """Have the online store filled from the moment that is asked for, not from the newest it ever held."""
    cursor.execute("delete from ledger.watermark where project = %s and stream = 'online'", (project,))


def forget_labels(cursor: Cursor, project: str) -> None:
    """Take labels away, with what they were made from."""
    cursor.execute("delete from serving.label where project = %s", (project,))
    forget_labels_made(cursor, project)


def forget_labels_made(cursor: Cursor, project: str) -> None:
    """Have all labels made anew by the next run; those that are there are read until then."""
    forget_views(cursor, project, [label_sources.VIEW])


def forget_attempts(cursor: Cursor, project: str, steps: Sequence[str]) -> None:
    """Let works of these steps be done again: a repeated run would answer with what it had published.

    What is still at work, of whatever step, publishes nothing from here on.
    """
    cursor.execute(
        """with gone as (
               delete from ledger.attempt where project = %s and (step = any(%s) or state = 'running')
               returning work)
           delete from ledger.publication where work in (select work from gone)""",
        (project, list(steps)),
    )


def forget_all(cursor: Cursor, project: str) -> int:
    """Take away every row of a project; how many."""
    total = 0
    cursor.execute(
        """delete from ledger.delivery where alert_id in (
               select alert_id from ledger.alert where project = %s)""",
        (project,),
    )
    total += cursor.rowcount
    cursor.execute(
        """delete from ledger.publication where work = %s or work in (
               select work from ledger.attempt where project = %s)""",
        (f"{APPLIED}{project}", project),
    )
    total += cursor.rowcount
    for table in TABLES:
        cursor.execute(
            sql.SQL("delete from {} where project = %s").format(sql.Identifier(*table.split("."))),
            (project,),
        )
        total += cursor.rowcount
    cursor.execute(
        """delete from ledger.feature_change c
           where not exists (select from ledger.feature_view v where v.view_id = c.view_id)"""
    )
    return total + _studies(cursor, project)


def _studies(cursor: Cursor, project: str) -> int:
    """Searches, whose names begin with the project's; no other project's name has a hyphen in it."""
    cursor.execute("select to_regclass('search.studies') is not null")
    if cursor.fetchone() != (True,):
        return 0
    cursor.execute(
        "select study_id from search.studies where split_part(study_name, '-', 1) = %s", (project,)
    )
    studies = [number for (number,) in cursor.fetchall()]
    for table in OF_TRIALS:
        cursor.execute(
            f"delete from search.{table} where trial_id in "
            "(select trial_id from search.trials where study_id = any(%s))",
            (studies,),
        )
    for table in OF_STUDY:
        cursor.execute(f"delete from search.{table} where study_id = any(%s)", (studies,))
    return len(studies)
