"""Predictions are appended, never overwritten; tables of many rows are partitioned by month.

``serving.prediction`` becomes a view of the current predictions over ``serving.scoring`` (one row each
time a partition was scored) and ``serving.prediction_log``. What was there is kept as the first scoring.

Partitioned by month are the tables that grow with every row or column of data: predictions and labels
by event time, monitor results by the partition they are about. One month serves every project, so
years are a few dozen tables, and a query for a window reads one or two.
``ledger.attempt`` and ``ledger.publication`` stay whole: fencing asks for the newest token of a work
whatever its age, ``finish`` knows a token alone, and a month that was dropped under a piece of work
that is cleared and run again would let an older attempt publish. They hold a few rows a step, and go
by age through their own index.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

MONTHS = """
-- Makes a month's partition for writers that may make no tables. The month is made beside the parent and
-- attached: that waits for no reader and keeps none waiting, as ``create table ... partition of`` would.
create function ledger.ensure_month(parent text, month date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    child text := parent || '_' || to_char(month, 'YYYYMM');
    after date := (month + interval '1 month')::date;
    form text := case parent when 'ledger.monitor_result' then 'YYYY-MM' else 'YYYY-MM-DD 00:00:00+00' end;
begin
    if parent not in ('serving.prediction_log', 'serving.label', 'ledger.monitor_result') then
        raise 'table % is not partitioned by month', parent;
    end if;
    if month <> date_trunc('month', month) or month not between date '1900-01-01' and date '2199-12-01' then
        raise 'no month begins on %: the first of a month from 1900 to 2199 is expected', month;
    end if;
    if to_regclass(child) is not null then return; end if;
    -- One at a time, by the lock that attaching takes anyway; an advisory lock would not make the second
    -- session look again at what it knows of the catalogue.
    execute format('lock table %s in share update exclusive mode', parent);
    if to_regclass(child) is not null then return; end if;
    execute format('create table %s (like %s including defaults including constraints)', child, parent);
    execute format('alter table %s attach partition %s for values from (%L) to (%L)',
                   parent, child, to_char(month, form), to_char(after, form));
end $$;
revoke execute on function ledger.ensure_month(text, date) from public;
grant execute on function ledger.ensure_month(text, date) to mlcycle_train;
"""

PREDICTIONS = """
alter table serving.prediction rename to prediction_before;

-- One row each time a partition was scored with another result than before; current is the last one.
create table serving.scoring (
    scoring_id bigint generated always as identity primary key,
    project text not null,
    partition text not null,
    starts timestamptz not null,     -- event times of the partition: [starts, ends)
    ends timestamptz not null,
    champion_seq integer not null,
    version integer not null,
    reason text not null check (reason in ('live', 'backfill', 'champion', 'corrected', 'emptied')),
    rows bigint not null,
    current boolean not null default true,
    work text not null default '',   -- of the run that scored it, and the token of its attempt
    token bigint not null default 0, -- 0: before predictions were kept
    scored_at timestamptz not null default now()
);
create unique index scoring_current on serving.scoring (project, partition) where current;
create index on serving.scoring (project, partition, scoring_id);
create index on serving.scoring (project, version, partition);

-- The key is the order in which windows are read, and the first scoring of a row stands first.
create table serving.prediction_log (
    project text not null,
    event_time timestamptz not null,
    entity_key text not null,
    scoring_id bigint not null,
    prediction double precision not null,
    primary key (project, event_time, entity_key, scoring_id)
) partition by range (event_time);

insert into serving.scoring
    (project, partition, starts, ends, champion_seq, version, reason, rows, current, scored_at)
select project, partition, min(event_time), max(event_time) + interval '1 microsecond', champion_seq, version,
       'live', count(*),
       row_number() over (partition by project, partition order by scored_at desc, champion_seq desc) = 1,
       scored_at
from serving.prediction_before group by project, partition, champion_seq, version, scored_at
order by scored_at, partition;

select ledger.ensure_month('serving.prediction_log', month) from (
    select distinct date_trunc('month', event_time at time zone 'UTC')::date as month
    from serving.prediction_before) months;
insert into serving.prediction_log (project, event_time, entity_key, scoring_id, prediction)
select p.project, p.event_time, p.entity_key, s.scoring_id, p.prediction
from serving.prediction_before p
join serving.scoring s using (project, partition, champion_seq, version, scored_at);
drop table serving.prediction_before;

create view serving.prediction as
select s.project, s.partition, p.entity_key, p.event_time, s.champion_seq, s.version, p.prediction,
       s.scored_at, s.reason, s.scoring_id
from serving.scoring s
join serving.prediction_log p
  on p.project = s.project and p.event_time >= s.starts and p.event_time < s.ends
     and p.scoring_id = s.scoring_id
where s.current;
"""

LABELS = """
alter table serving.label rename to label_before;
create table serving.label (
    project text not null,
    partition text not null,
    entity_key text not null,
    event_time timestamptz not null,
    label double precision not null,
    known_at timestamptz not null,
    constraint label_key primary key (project, event_time, entity_key)
) partition by range (event_time);
select ledger.ensure_month('serving.label', month) from (
    select distinct date_trunc('month', event_time at time zone 'UTC')::date as month
    from serving.label_before) months;
insert into serving.label (project, partition, entity_key, event_time, label, known_at)
select project, partition, entity_key, event_time, label, known_at from serving.label_before;
drop table serving.label_before;
"""

MONITORS = """
alter table ledger.monitor_result rename to monitor_result_before;
create table ledger.monitor_result (
    project text not null,
    partition text collate "C" not null,  -- the window ends with it; keys sort as their times do
    monitor text not null,
    subject text not null default '',
    status text not null check (status in ('ok', 'info', 'warn', 'page', 'error')),
    value double precision,
    threshold double precision,
    message text not null,
    details jsonb not null default '{}',
    measured_at timestamptz not null default now(),
    constraint monitor_result_key primary key (project, partition, monitor, subject)
) partition by range (partition);
select ledger.ensure_month('ledger.monitor_result', month) from (
    select distinct (left(partition, 7) || '-01')::date as month from ledger.monitor_result_before) months;
insert into ledger.monitor_result
    (project, partition, monitor, subject, status, value, threshold, message, details, measured_at)
select project, partition, monitor, subject, status, value, threshold, message, details, measured_at
from ledger.monitor_result_before;

-- When a window was first watched with its predictions: a run for it later sees what was served then.
create table ledger.monitored (
    project text not null,
    partition text collate "C" not null,
    moment timestamptz not null,
    primary key (project, partition)
);
insert into ledger.monitored (project, partition, moment)
select project, partition, min(measured_at) from ledger.monitor_result_before group by project, partition;
drop table ledger.monitor_result_before;

create index attempt_age on ledger.attempt using brin (started_at);
create index publication_age on ledger.publication using brin (published_at);
"""

GRANTS = """
grant select on serving.scoring, serving.prediction_log, serving.prediction, serving.label,
    ledger.monitor_result, ledger.monitored
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant insert, update (current) on serving.scoring to mlcycle_train;
grant insert on serving.prediction_log, ledger.monitored to mlcycle_train;
grant insert, update, delete on serving.label, ledger.monitor_result to mlcycle_train;
"""

BACK = """
alter table serving.label rename to label_after;
alter table ledger.monitor_result rename to monitor_result_after;
create table serving.prediction_before (
    project text not null, partition text not null, entity_key text not null,
    event_time timestamptz not null, champion_seq integer not null, version integer not null,
    prediction double precision not null, scored_at timestamptz not null default now(),
    primary key (project, partition, entity_key, event_time)
);
insert into serving.prediction_before
select project, partition, entity_key, event_time, champion_seq, version, prediction, scored_at
from serving.prediction;
drop view serving.prediction;
drop table serving.prediction_log, serving.scoring;
alter table serving.prediction_before rename to prediction;
alter index serving.prediction_before_pkey rename to prediction_pkey;
create table serving.label (
    project text not null, partition text not null, entity_key text not null,
    event_time timestamptz not null, label double precision not null, known_at timestamptz not null,
    primary key (project, partition, entity_key, event_time)
);
insert into serving.label select * from serving.label_after;
create table ledger.monitor_result (
    project text not null, partition text not null, monitor text not null, subject text not null default '',
    status text not null check (status in ('ok', 'warn', 'page', 'error')),
    value double precision, threshold double precision, message text not null,
    details jsonb not null default '{}', measured_at timestamptz not null default now(),
    primary key (project, partition, monitor, subject)
);
insert into ledger.monitor_result
select project, partition, monitor, subject, replace(status, 'info', 'warn'), value, threshold, message,
       details, measured_at
from ledger.monitor_result_after;
drop table serving.label_after, ledger.monitor_result_after, ledger.monitored;
drop function ledger.ensure_month(text, date);
drop index ledger.attempt_age, ledger.publication_age;
grant select on serving.prediction, serving.label, ledger.monitor_result
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant insert, update, delete on serving.prediction, serving.label, ledger.monitor_result to mlcycle_train;
"""


def upgrade() -> None:
    for part in (MONTHS, PREDICTIONS, LABELS, MONITORS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(BACK)
