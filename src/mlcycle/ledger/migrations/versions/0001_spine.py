"""The spine: schemas, ledger, predictions and labels, and what each role may do."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create schema raw;
create schema features;
create schema online;
create schema serving;

-- One row for each try at a piece of work; the highest token of a work may publish.
create table ledger.attempt (
    token bigint generated always as identity primary key,
    work text not null,
    project text not null,
    step text not null,
    first_partition text,
    last_partition text,
    state text not null default 'running' check (state in ('running', 'done', 'failed')),
    host text not null default '',
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    result jsonb
);
create index on ledger.attempt (work, token desc);
create index on ledger.attempt (project, started_at desc);

-- What a piece of work has published, written in the transaction that published it.
create table ledger.publication (
    work text not null,
    key text not null,
    token bigint not null,
    outputs jsonb not null,
    published_at timestamptz not null default now(),
    primary key (work, key)
);

-- Every delivery of a partition that was published or stopped; the newest published one is current.
create table ledger.batch (
    batch_id bigint generated always as identity primary key,
    project text not null,
    table_name text not null,
    partition text not null,
    status text not null check (status in ('published', 'stopped', 'held')),
    current boolean not null,
    digest text not null,            -- of the bytes the source handed over
    accepted text not null default '',   -- digest of what was published of them
    fetched bigint not null default 0,   -- token of the attempt that fetched it: higher is later
    rows bigint not null,
    quarantined bigint not null default 0,
    duplicates bigint not null default 0,
    event_min timestamptz,
    event_max timestamptz,
    reason text not null default '',
    token bigint not null,
    published_at timestamptz not null default now()
);
create unique index batch_current on ledger.batch (project, table_name, partition) where current;
create index on ledger.batch (project, table_name, partition, batch_id);

-- How far a stream has got; only ever forward.
create table ledger.watermark (
    project text not null,
    stream text not null,
    position timestamptz not null,
    updated_at timestamptz not null default now(),
    primary key (project, stream)
);

-- Which raw batches a partition of a feature view was computed from.
create table ledger.feature_partition (
    project text not null,
    view text not null,
    partition text not null,
    inputs text not null,
    rows bigint not null,
    computed_at timestamptz not null default now(),
    primary key (project, view, partition)
);

create table ledger.dataset (
    project text not null,
    digest text not null,
    uri text not null,
    manifest jsonb not null,
    rows bigint not null,
    created_at timestamptz not null default now(),
    primary key (project, digest)
);

-- A candidate's measurement on a holdout.
create table ledger.evaluation (
    project text not null,
    run_id text not null,
    candidate text not null,
    dataset_digest text not null,
    metrics jsonb not null,
    best boolean not null,
    evaluated_at timestamptz not null default now(),
    primary key (project, run_id)
);

create table ledger.model_version (
    project text not null,
    version integer not null,
    run_id text not null,
    candidate text not null,
    model_uri text not null,
    manifest jsonb not null,         -- path -> SHA-256 of every file of the model
    manifest_digest text not null,
    dataset_digest text not null,
    metrics jsonb not null,
    registered_at timestamptz not null default now(),
    primary key (project, version),
    unique (project, run_id)
);

create table ledger.comparison (
    comparison_id bigint generated always as identity primary key,
    project text not null,
    challenger integer not null,
    champion integer,
    champion_seq integer not null,   -- 0 where there was none
    dataset_digest text not null,
    verdict text not null check (verdict in ('promote', 'refuse')),
    reasons jsonb not null,
    statistics jsonb not null,
    compared_at timestamptz not null default now()
);

-- The champion's whole history; the highest seq is the champion. A promotion inserts seq + 1, so
-- that of any number at once exactly one wins.
create table ledger.champion (
    project text not null,
    seq integer not null check (seq > 0),
    version integer not null,
    action text not null check (action in ('promote', 'rollback')),
    actor text not null,
    reason text not null,
    comparison_id bigint references ledger.comparison,
    crowned_at timestamptz not null default now(),
    primary key (project, seq),
    foreign key (project, version) references ledger.model_version
);

create table ledger.approval (
    approval_id bigint generated always as identity primary key,
    project text not null,
    version integer not null,
    decision text not null check (decision in ('approve', 'reject')),
    decided_by text not null,
    reason text not null default '',
    decided_at timestamptz not null default now()
);

create table ledger.monitor_result (
    project text not null,
    partition text not null,
    monitor text not null,
    subject text not null default '',
    status text not null check (status in ('ok', 'warn', 'page', 'error')),
    value double precision,
    threshold double precision,
    message text not null,
    details jsonb not null default '{}',
    measured_at timestamptz not null default now(),
    primary key (project, partition, monitor, subject)
);

create table ledger.alert (
    alert_id bigint generated always as identity primary key,
    project text not null,
    key text not null,               -- alerts of one key are one alert while it is open
    severity text not null check (severity in ('info', 'warn', 'page')),
    title text not null,
    body text not null,
    link text not null default '',
    state text not null default 'open' check (state in ('open', 'closed')),
    first_partition text not null,
    last_partition text not null,
    count integer not null default 1,
    opened_at timestamptz not null default now(),
    closed_at timestamptz
);
create unique index alert_open on ledger.alert (project, key) where state = 'open';

create table ledger.delivery (
    alert_id bigint not null references ledger.alert,
    channel text not null,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'given_up')),
    tries integer not null default 0,
    last_error text not null default '',
    delivered_at timestamptz,
    primary key (alert_id, channel)
);

create table ledger.retrain_request (
    request_id bigint generated always as identity primary key,
    project text not null,
    work text not null unique,
    source text not null check (source in ('monitor', 'person', 'schedule')),
    reason text not null,
    as_of timestamptz not null,
    accepted boolean not null,
    refused_because text not null default '',
    requested_at timestamptz not null default now()
);

create table raw.quarantine (
    project text not null,
    table_name text not null,
    partition text not null,
    digest text not null,            -- of the delivery the row came in
    row_number bigint not null,      -- 1 is the first row under the header
    reasons text[] not null,
    data jsonb not null,
    quarantined_at timestamptz not null default now()
);
create index on raw.quarantine (project, table_name, partition);

create table serving.prediction (
    project text not null,
    partition text not null,
    entity_key text not null,
    event_time timestamptz not null,
    champion_seq integer not null,
    version integer not null,
    prediction double precision not null,
    scored_at timestamptz not null default now(),
    primary key (project, partition, entity_key, event_time)
);

create table serving.label (
    project text not null,
    partition text not null,
    entity_key text not null,
    event_time timestamptz not null,
    label double precision not null,
    known_at timestamptz not null,
    primary key (project, partition, entity_key, event_time)
);
"""

GRANTS = """
grant usage on schema ledger, raw, features, online, serving
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant select on all tables in schema ledger, raw, serving
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant insert, update on ledger.attempt, ledger.publication
    to mlcycle_ingest, mlcycle_train, mlcycle_promote;

grant create on schema raw to mlcycle_ingest;
grant insert, update on ledger.batch, ledger.watermark to mlcycle_ingest;
grant insert, delete on raw.quarantine to mlcycle_ingest;

grant create on schema features, online to mlcycle_train;
grant insert, update on ledger.watermark to mlcycle_train;
grant insert, update, delete on ledger.feature_partition, ledger.monitor_result to mlcycle_train;
grant insert on ledger.dataset, ledger.model_version, ledger.comparison, ledger.retrain_request
    to mlcycle_train;
grant insert, update on ledger.evaluation, ledger.alert, ledger.delivery to mlcycle_train;
grant insert, update, delete on serving.prediction, serving.label to mlcycle_train;

grant insert on ledger.champion, ledger.approval to mlcycle_promote;

alter default privileges for role mlcycle_ingest in schema raw
    grant select on tables to mlcycle_train, mlcycle_promote, mlcycle_serve;
alter default privileges for role mlcycle_train in schema features
    grant select on tables to mlcycle_ingest, mlcycle_promote, mlcycle_serve;
alter default privileges for role mlcycle_train in schema online
    grant select on tables to mlcycle_serve;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("drop schema raw, features, online, serving cascade")
    for table in (
        *("delivery", "alert", "retrain_request", "champion", "comparison", "approval", "model_version"),
        *("evaluation", "dataset", "feature_partition", "watermark", "batch", "publication", "attempt"),
        "monitor_result",
    ):
        op.execute(f"drop table ledger.{table}")
