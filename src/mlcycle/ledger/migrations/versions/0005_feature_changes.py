"""What changed since a feature view was last looked at: a run reads that and its window, not all of history.

A trigger on ``ledger.batch`` notes each change for every view that reads the table, in the transaction
that makes it. Whoever has taken a change up takes its note away. So nothing is missed whatever the order
in which batches commit, which no high-water mark on their ids could say.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

UP = """
-- What is known of a view's values; while it is built anew there are two rows. '@labels' stands for labels.
create table ledger.feature_view (
    view_id bigint generated always as identity primary key,
    project text not null,
    view text not null,
    definition text not null,
    reads text[] not null,
    building boolean not null,
    covered_from text,               -- every partition from here
    covered_to text,                 -- to here was looked at; what changed since is in feature_change
    registered_at timestamptz not null default now()
);
create unique index feature_view_current on ledger.feature_view (project, view) where not building;
create unique index feature_view_building on ledger.feature_view (project, view, definition) where building;

create table ledger.feature_change (
    view_id bigint not null,
    change_id bigint generated always as identity,
    table_name text not null,
    partition text not null,
    primary key (view_id, change_id)
);

create function ledger.note_batch() returns trigger language plpgsql security definer
    set search_path = ledger, pg_temp as $$
declare
    subject ledger.batch;
begin
    if tg_op = 'DELETE' then subject := old; else subject := new; end if;
    if tg_op = 'INSERT' and not new.current or tg_op = 'DELETE' and not old.current then return null; end if;
    -- A view that is being registered waits for this transaction, or this one sees it.
    perform pg_advisory_xact_lock_shared(hashtextextended('feature views:' || subject.project, 0));
    insert into feature_change (view_id, table_name, partition)
        select view_id, subject.table_name, subject.partition from feature_view
        where project = subject.project and subject.table_name = any(reads);
    return null;
end $$;
create trigger note_batch after insert or delete or update of current, status on ledger.batch
    for each row execute function ledger.note_batch();

grant select on ledger.feature_view, ledger.feature_change
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant insert, update, delete on ledger.feature_view to mlcycle_train;
grant delete on ledger.feature_change to mlcycle_train;
"""

DOWN = """
drop trigger note_batch on ledger.batch;
drop function ledger.note_batch();
drop table ledger.feature_change, ledger.feature_view;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
