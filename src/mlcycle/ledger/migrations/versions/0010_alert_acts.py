"""What people do about alerts: acknowledge, silence, assign. And messages beside the first one.

A person's act is a row and changes none: how an alert stands is read from them (``ledger.alert_now``). So
the role that shows the ledger to people may write acts and nothing else.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
-- Rows are only added. What concerns one open alert goes with it; a silence is of a name and stays.
create table ledger.alert_act (
    act_id bigint generated always as identity primary key,
    project text not null,
    action text not null check (action in ('acknowledge', 'assign', 'silence', 'unsilence')),
    name text not null check (name <> ''),   -- an alert's key, or its matter for all of it
    alert_id bigint references ledger.alert on delete cascade,
    severity text not null default '',       -- of what was acknowledged: graver, it is not any more
    owner text not null default '',          -- to whom it was assigned
    until timestamptz,                       -- the silence's end
    actor text not null check (actor <> ''),
    reason text not null default '',
    acted_at timestamptz not null default now(),
    check ((action in ('acknowledge', 'assign')) = (alert_id is not null)),
    check ((action = 'silence') = (until is not null)),
    check (action <> 'silence' or reason <> '')
);
create index alert_act_alert on ledger.alert_act (alert_id) where alert_id is not null;
create index alert_act_silence on ledger.alert_act (project, name, act_id) where alert_id is null;

-- Since when it pages: what nobody acknowledges is escalated.
alter table ledger.alert add column paged_at timestamptz;
update ledger.alert set paged_at = now() where state = 'open' and severity = 'page';

-- What is told: the alert, that it is escalated, that a person has it, that it is over.
alter table ledger.delivery
    add column what text not null default 'open'
        check (what in ('open', 'escalated', 'acknowledged', 'resolved')),
    drop constraint delivery_pkey,
    add primary key (alert_id, channel, what);

-- How each open alert stands, by the newest acts. ``spoken_at``: since when it could be heard.
create view ledger.alert_now as
select a.alert_id, a.project,
       acknowledged.actor as acknowledged_by, acknowledged.acted_at as acknowledged_at,
       coalesce(assigned.owner, '') as owner,
       silence.until as silenced_until, silence.actor as silenced_by, silence.reason as silenced_because,
       greatest(a.paged_at, ended.at) as spoken_at
from ledger.alert a
left join lateral (
    select t.actor, t.acted_at from ledger.alert_act t
    where t.alert_id = a.alert_id and t.action = 'acknowledge'
      and array_position(array['info', 'warn', 'page'], t.severity)
       >= array_position(array['info', 'warn', 'page'], a.severity)
    order by t.act_id limit 1) acknowledged on true
left join lateral (
    select t.owner from ledger.alert_act t
    where t.alert_id = a.alert_id and t.action = 'assign' order by t.act_id desc limit 1) assigned on true
left join lateral (
    select newest.until, newest.actor, newest.reason from (
        select distinct on (t.name) t.action, t.until, t.actor, t.reason from ledger.alert_act t
        where t.alert_id is null and t.project = a.project and t.name in (a.key, a.matter)
        order by t.name, t.act_id desc) newest
    where newest.action = 'silence' and newest.until > now()
    order by newest.until desc limit 1) silence on true
left join lateral (
    select max(case t.action when 'silence' then t.until else t.acted_at end) as at from ledger.alert_act t
    where t.alert_id is null and t.project = a.project and t.name in (a.key, a.matter)
      and (t.action = 'unsilence' or t.until <= now())) ended on true
where a.state = 'open';
"""

#: Who tells needs how alerts stand; housekeeping deletes alerts, their acts go with them.
GRANTS = """
grant select on ledger.alert_act, ledger.alert_now
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant insert on ledger.alert_act to mlcycle_serve;
"""

DOWN = """
drop view ledger.alert_now;
drop table ledger.alert_act;
delete from ledger.delivery where what <> 'open';
alter table ledger.delivery
    drop constraint delivery_pkey, drop column what, add primary key (alert_id, channel);
alter table ledger.alert drop column paged_at;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DOWN)
