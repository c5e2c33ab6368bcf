"""A ledger as years leave it, made by SQL in a minute: many daily projects, and one hourly project's tables.

Seeded and without a clock but the given one. Rows are of the size that steps write: what the ledger keeps
for ever (batches, feature partitions, monitoring, predictions, labels) reaches back all the years, what
housekeeping takes away (attempts, publications) as far as it leaves them.
"""

from datetime import datetime, timedelta
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from mlcycle.ledger import partitioning

TABLES = ("flights", "arrivals", "weather")
VIEWS = ("carrier_day", "origin_day", "route_day", "@labels")
STEPS = (
    *("extract", "validate", "publish", "extract", "validate", "publish", "extract", "validate", "publish"),
    *("features", "materialize", "score", "labels", "monitor", "alert", "request_retrain"),
)
RESULT = '{"status": "ok", "message": "' + "as long as a result is " * 24 + '"}'


def name(number: int) -> str:
    """The daily project of this number."""
    return f"daily_{number:03}"


def daily_projects(
    cursor: Cursor, projects: int, days: int, until: datetime, *, rows: int = 5, subjects: int = 6
) -> None:
    """Rows of so many projects and days that end at ``until``.

    Each day of each project has ``rows`` predictions and labels and ``subjects`` monitor results.
    """
    values = {
        "projects": projects,
        "days": days,
        "until": until,
        "kept": 30,
        "rows": rows,
        "subjects": subjects,
        "tables": list(TABLES),
        "views": list(VIEWS),
        "steps": list(STEPS),
        "result": RESULT,
        "later": timedelta(days=1),
    }
    months: tuple[partitioning.Table, ...] = (
        *("serving.prediction_log", "serving.label", "ledger.monitor_result"),
    )
    for table in months:
        partitioning.ensure(cursor, table, until - timedelta(days=days), until)
    for statement in STATEMENTS:
        cursor.execute(SPAN + statement, values)


SPAN = """
with span as (
    select 'daily_' || lpad(number::text, 3, '0') as project, number, day,
           %(until)s::timestamptz - (%(days)s - day) * interval '1 day' as start,
           to_char(%(until)s::timestamptz - (%(days)s - day) * interval '1 day', 'YYYY-MM-DD') as partition
    from generate_series(1, %(projects)s) number, generate_series(0, %(days)s - 1) day)
"""
STATEMENTS = (
    """insert into ledger.batch (project, table_name, partition, status, current, digest, fetched, rows,
           reason, token, published_at)
       select project, 'flights', partition, 'stopped', false, md5(partition || project), day, 900,
              'too many bad rows', day, start from span where (number * 31 + day) %% 97 = 0""",
    """insert into ledger.batch (project, table_name, partition, status, current, digest, accepted, fetched,
           rows, event_min, event_max, token, published_at)
       select project, name, partition, 'published', true, md5(project || name || partition), md5(partition),
              day, 900 + (number * 7919 + day * 104729) %% 400, start, start + interval '23 hours', day,
              start + %(later)s
       from span, unnest(%(tables)s::text[]) name""",
    """insert into ledger.feature_partition (project, view, partition, inputs, rows, computed_at)
       select project, view, partition, md5(project || view || partition), 300, start + %(later)s
       from span, unnest(%(views)s::text[]) view""",
    """insert into ledger.monitor_result (project, partition, monitor, subject, status, value, threshold,
           message, details, measured_at)
       select project, partition, 'drift', 'column_' || subject, 'ok', 0.1, 0.3, 'like the training data',
              '{"drifted": false, "rows": 900}', start + %(later)s
       from span, generate_series(1, %(subjects)s) subject""",
    """insert into ledger.attempt (work, project, step, first_partition, last_partition, state, host,
           started_at, finished_at, result)
       select project || '_' || step || '/scheduled__' || partition || '/' || ordinality, project, step,
              partition, partition, 'done', 'host', start + %(later)s, start + %(later)s, %(result)s
       from span, unnest(%(steps)s::text[]) with ordinality as step (step, ordinality)
       where day >= %(days)s - %(kept)s""",
    """insert into ledger.publication (work, key, token, outputs, published_at)
       select work, 'published', token, '{"rows": 900}', started_at from ledger.attempt a
       where exists (select from span where span.project = a.project and span.day = 0)""",
    """insert into ledger.dataset (project, digest, uri, manifest, rows, created_at)
       select project, md5(project || partition), 's3://bucket/datasets', '{"splits": {}}', 90000, start
       from span where day %% 30 = 29""",
    """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
           manifest_digest, dataset_digest, metrics, registered_at)
       select project, 1 + day / 30, md5(project || day), 'boosting', 'models:/m', '{}', md5(day || project),
              md5(project || partition), '{"log_loss": 0.4361, "auc": 0.68}', start
       from span where day %% 30 = 29""",
    """insert into ledger.comparison (project, challenger, champion, champion_seq, dataset_digest, verdict,
           reasons, statistics, compared_at)
       select project, 1 + day / 30, day / 30, day / 30, md5(project || partition), 'promote', '[]', '{}',
              start
       from span where day %% 30 = 29""",
    """insert into ledger.champion (project, seq, version, action, actor, reason, crowned_at)
       select project, 1 + day / 60, 1 + day / 30, 'promote', 'gate', 'better', start
       from span where day %% 60 = 59""",
    """insert into ledger.retrain_request (project, work, source, reason, as_of, accepted, refused_because)
       select project, project || partition, 'monitor', 'drift', start, day %% 30 = 29,
              case when day %% 30 = 29 then '' else 'cooldown' end
       from span where day %% 10 = 9""",
    """insert into ledger.alert (project, key, severity, title, body, link, state, first_partition,
           last_partition, count, opened_at, closed_at)
       select project, 'drift:' || day, case when day %% 3 = 0 then 'page' else 'warn' end,
              'drift of column_' || day %% 9, 'body', '', case when last then 'open' else 'closed' end,
              partition, partition, 3, start, case when last then null else start + interval '2 days' end
       from (select *, day > %(days)s - 20 and number %% 4 = 0 as last from span) s where day %% 15 = 0""",
    """insert into ledger.delivery (alert_id, channel, state, tries, delivered_at)
       select alert_id, channel, 'delivered', 1, opened_at
       from ledger.alert, unnest(array['mail', 'hook']) channel
       where project in (select project from span where day = 0)""",
    """insert into serving.scoring (project, partition, starts, ends, champion_seq, version, reason, rows,
           scored_at)
       select project, partition, start, start + interval '1 day', 1, 2, 'live', %(rows)s, start + %(later)s
       from span""",
    """insert into serving.prediction_log (project, event_time, entity_key, scoring_id, prediction)
       select s.project, s.starts + entity * interval '1 minute', 'AA|' || entity || '|JFK', scoring_id, 0.25
       from serving.scoring s, generate_series(1, %(rows)s) entity
       where s.project in (select project from span where day = 0)""",
    """insert into serving.label (project, partition, entity_key, event_time, label, known_at)
       select project, partition, 'AA|' || entity || '|JFK', start + entity * interval '1 minute',
              entity %% 2, start + %(later)s
       from span, generate_series(1, %(rows)s) entity""",
)


def project_files(folder: Path, source: Path, projects: int) -> None:
    """A project file for each daily project: copies of another, under their own names."""
    for number in range(1, projects + 1):
        home = folder / name(number)
        home.mkdir(parents=True)
        for file in source.iterdir():
            if file.suffix in (".yaml", ".sql"):
                text = file.read_text()
                (home / file.name).write_text(
                    text.replace(f"\nname: {source.name}\n", f"\nname: {home.name}\n")
                )
