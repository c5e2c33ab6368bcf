"""Old rows and who still needs what: all that housekeeping asks of the ledger.

Rows go in bounded batches, a short transaction each, so that it may be killed at any moment and run
beside steps. ``count_*`` and ``delete_*`` share their conditions: what a dry run says is what a run does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.project.limits import TRAINING

BATCH = 1000  # rows of one transaction
LOCK = 0x6D6C6B  # any number that nobody else uses: one housekeeping at a time

#: Evidence of an alert that is still open.
_IN_OPEN_ALERT = """exists (
    select from ledger.alert o where o.state = 'open' and o.project = t.project
      and t.partition between o.first_partition and o.last_partition)"""
_OLD_QUARANTINE = f"""quarantined_at < %(before)s and not {_IN_OPEN_ALERT}
    and not exists (
        select from ledger.batch b
        where b.project = t.project and b.table_name = t.table_name and b.partition = t.partition
          and b.status <> 'published' and not exists (
              select from ledger.batch p
              where p.project = b.project and p.table_name = b.table_name and p.partition = b.partition
                and p.status = 'published' and p.batch_id > b.batch_id))"""
#: A piece of work goes when its last attempt is old; of training a year later: budgets are counted from it.
_OLD_ATTEMPT = f"""started_at < %(before)s and not exists (
    select from ledger.attempt l where l.work = t.work and l.started_at >= %(before)s)
    and (step not in ({", ".join(f"'{step}'" for step in TRAINING)})
         or started_at < %(before)s - interval '1 year')"""
_OLD_ALERT = "state = 'closed' and closed_at < %(before)s"


@dataclass(frozen=True)
class Dated:
    """A table whose rows belong to partitions: they go a project's partition at a time."""

    kind: str
    table: sql.Identifier
    written: str  # column that says when a row was written: a partition made anew lately stays
    rows: str = "count(*)"  # how many rows go with those of a partition


#: A scoring goes with its predictions: see ``delete_partition``.
SCORINGS = Dated("predictions", sql.Identifier("serving", "scoring"), "scored_at", "coalesce(sum(rows), 0)")
DATED = (
    Dated("monitoring", sql.Identifier("ledger", "monitor_result"), "measured_at"),
    SCORINGS,
    Dated("predictions", sql.Identifier("serving", "label"), "known_at"),
)


def alone(cursor: Cursor) -> bool:
    """Whether no other housekeeping is at work; holds its place as long as the connection lives."""
    cursor.execute("select pg_try_advisory_lock(%s)", (LOCK,))
    return cursor.fetchone() == (True,)


def leave(cursor: Cursor) -> None:
    """Let the next housekeeping in: a busy server notices only later that a connection was closed."""
    cursor.execute("select pg_advisory_unlock(%s)", (LOCK,))


def count_attempts(cursor: Cursor, before: datetime) -> int:
    """Attempts, and publications of theirs, that ``delete_attempts`` takes away."""
    cursor.execute(
        f"""with old as (select token, work from ledger.attempt t where {_OLD_ATTEMPT})
        select (select count(*) from old)
             + (select count(*) from ledger.publication where work in (select work from old))""",
        {"before": before},
    )
    return _number(cursor)


def delete_attempts(cursor: Cursor, before: datetime) -> int:
    """Delete one batch of old attempts and what they published; how many rows."""
    cursor.execute(
        f"""with works as (
               select distinct work from (
                   select work from ledger.attempt t where {_OLD_ATTEMPT}
                   order by started_at limit {BATCH}) o),
           gone as (
               delete from ledger.attempt a using works
               where a.work = works.work and a.started_at < %(before)s returning 1),
           published as (delete from ledger.publication p using works where p.work = works.work returning 1)
           select (select count(*) from gone) + (select count(*) from published)""",
        {"before": before},
    )
    return _number(cursor)


def count_quarantine(cursor: Cursor, before: datetime) -> int:
    """Bad rows that ``delete_quarantine`` takes away."""
    cursor.execute(f"select count(*) from raw.quarantine t where {_OLD_QUARANTINE}", {"before": before})
    return _number(cursor)


def delete_quarantine(cursor: Cursor, before: datetime) -> int:
    """Delete one batch of old bad rows, but those of a batch that still waits or of an open alert."""
    cursor.execute(
        f"""delete from raw.quarantine where ctid = any(array(
                select ctid from raw.quarantine t where {_OLD_QUARANTINE} limit {BATCH}))""",
        {"before": before},
    )
    return cursor.rowcount


def count_alerts(cursor: Cursor, before: datetime) -> int:
    """Alerts, with their deliveries, that ``delete_alerts`` takes away."""
    cursor.execute(
        f"""with old as (select alert_id from ledger.alert t where {_OLD_ALERT})
        select (select count(*) from old)
             + (select count(*) from ledger.delivery where alert_id in (select alert_id from old))""",
        {"before": before},
    )
    return _number(cursor)


def delete_alerts(cursor: Cursor, before: datetime) -> int:
    """Delete one batch of alerts that were closed long ago, and their deliveries."""
    cursor.execute(
        f"""with old as (select alert_id from ledger.alert t where {_OLD_ALERT} limit {BATCH}),
           told as (delete from ledger.delivery d using old where d.alert_id = old.alert_id returning 1),
           gone as (delete from ledger.alert a using old where a.alert_id = old.alert_id returning 1)
           select (select count(*) from told) + (select count(*) from gone)""",
        {"before": before},
    )
    return _number(cursor)


def old_partitions(cursor: Cursor, dated: Dated, before: datetime) -> Iterator[tuple[str, str, int]]:
    """Partitions with old rows: project, partition, how many rows; a project at a time."""
    cursor.execute(
        sql.SQL(
            """with recursive found as (
                   (select project from {table} order by project limit 1)
                   union all
                   select (select project from {table} t where t.project > found.project
                           order by project limit 1) from found where project is not null)
               select project from found where project is not null"""
        ).format(table=dated.table)
    )
    for (project,) in cursor.fetchall():
        cursor.execute(
            sql.SQL(
                """select partition, {rows} from {table} t
                   where project = %(project)s and {old} group by partition order by partition"""
            ).format(table=dated.table, rows=sql.SQL(dated.rows), old=_old(dated)),
            {"project": project, **_bounds(before)},
        )
        yield from ((project, partition, int(rows)) for partition, rows in cursor.fetchall())


def delete_partition(cursor: Cursor, dated: Dated, before: datetime, project: str, partition: str) -> int:
    """Delete the old rows of one partition; how many."""
    gone = "delete from {table} t where project = %(project)s and partition = %(partition)s and {old}"
    if dated is SCORINGS:
        gone = f"""with gone as ({gone} returning project, starts, ends, scoring_id)
            delete from serving.prediction_log p using gone
            where p.project = gone.project and p.event_time >= gone.starts and p.event_time < gone.ends
              and p.scoring_id = gone.scoring_id"""
    cursor.execute(
        sql.SQL(gone).format(table=dated.table, old=_old(dated)),
        {"project": project, "partition": partition, **_bounds(before)},
    )
    return cursor.rowcount


@dataclass(frozen=True)
class Needed:
    """What files the ledger's rows lead to."""

    models: frozenset[str]  # digests of manifests
    versions: frozenset[tuple[str, int]]  # project, version
    runs: frozenset[tuple[str, str]]  # project, MLflow run
    datasets: frozenset[tuple[str, str]]  # project, digest
    links: frozenset[str]  # of open alerts


_NEEDED_VERSIONS = """
select project, version, run_id, manifest_digest, dataset_digest from ledger.model_version m
where registered_at >= %(models)s
   or exists (select from ledger.champion c where c.project = m.project and c.version = m.version)
   or exists (select from ledger.model_version r join ledger.champion c using (project, version)
              where r.project = m.project and r.judged = m.version)
   or exists (select from ledger.anchor a where a.project = m.project and a.version = m.version)
   or exists (select from ledger.comparison c
              where c.project = m.project and c.challenger = m.version and c.compared_at >= %(models)s)
   or version = (select max(version) from ledger.model_version n where n.project = m.project)
"""


def needed(cursor: Cursor, before: Mapping[str, datetime]) -> Needed:
    """What must stay: every champion there was, newest versions, what was made or used lately.

    ``before`` holds the ends of retention of ``models`` and ``datasets``.
    """
    cursor.execute(_NEEDED_VERSIONS, before)
    versions = cursor.fetchall()
    cursor.execute("select project, digest from ledger.dataset where used_at >= %(datasets)s", before)
    used = cursor.fetchall()
    cursor.execute("select link from ledger.alert where state = 'open' and link <> ''")
    return Needed(
        models=frozenset(row[3] for row in versions),
        versions=frozenset((row[0], row[1]) for row in versions),
        runs=frozenset((row[0], row[2]) for row in versions),
        datasets=frozenset([(row[0], row[4]) for row in versions] + used),
        links=frozenset(link for (link,) in cursor.fetchall()),
    )


def trained(cursor: Cursor) -> list[str]:
    """Projects that ever evaluated a candidate."""
    cursor.execute("select distinct project from ledger.evaluation order by project")
    return [project for (project,) in cursor.fetchall()]


def ingesting(cursor: Cursor) -> set[str]:
    """Projects with a delivery under way: an attempt of the last day that has not ended."""
    cursor.execute(
        """select distinct project from ledger.attempt
           where state = 'running' and started_at > now() - interval '1 day'
             and step in ('extract', 'validate', 'publish')"""
    )
    return {project for (project,) in cursor.fetchall()}


def known_dataset(cursor: Cursor, project: str, digest: str) -> bool:
    """Whether the ledger has a dataset of this digest."""
    cursor.execute("select 1 from ledger.dataset where project = %s and digest = %s", (project, digest))
    return cursor.fetchone() is not None


def hold_dataset(cursor: Cursor, project: str, digest: str, before: datetime) -> bool:
    """Hold a dataset until the transaction ends, if it has not been used since ``before``."""
    cursor.execute(
        "select 1 from ledger.dataset where project = %s and digest = %s and used_at < %s for update",
        (project, digest, before),
    )
    return cursor.fetchone() is not None


def note_removed(cursor: Cursor, project: str, digest: str) -> None:
    """Note that a dataset's files are gone."""
    cursor.execute(
        "update ledger.dataset set removed_at = now() where project = %s and digest = %s", (project, digest)
    )


def _old(dated: Dated) -> sql.Composable:
    return sql.SQL("partition < %(key)s and {} < %(before)s and not " + _IN_OPEN_ALERT).format(
        sql.Identifier(dated.written)
    )


def _bounds(before: datetime) -> dict[str, Any]:
    return {"before": before, "key": before.strftime("%Y-%m-%d")}


def _number(cursor: Cursor) -> int:
    (number,) = cursor.fetchone() or (0,)
    return int(number)
