"""Years of it: indexes for what is asked every day, and a role that may take old rows away."""

from alembic import op

revision = "0006"
down_revision = "0005"

INDEXES = """
-- The console adds up a table's rows from the index alone.
drop index ledger.batch_current;
create unique index batch_current on ledger.batch (project, table_name, partition) include (rows)
    where current;
create index batch_stopped on ledger.batch (project, table_name, partition, batch_id)
    where status <> 'published';
create index delivery_pending on ledger.delivery (alert_id) where state = 'pending';
create index retrain_accepted on ledger.retrain_request (project, as_of) where accepted;

-- What housekeeping walks, oldest first.
create index attempt_started on ledger.attempt (started_at);
create index quarantine_age on raw.quarantine (quarantined_at);
create index alert_closed on ledger.alert (closed_at) where state = 'closed';
create index comparison_version on ledger.comparison (project, challenger);

-- A dataset's files go when nothing uses them; its row, with what it was made of, stays.
alter table ledger.dataset add column used_at timestamptz not null default now(),
    add column removed_at timestamptz;
"""

#: Least of all roles but one: it reads the ledger, and deletes what retention names. It has no right to
#: delete a champion, a model version, a comparison, a batch, a dataset or anything raw but bad rows.
GRANTS = """
grant usage on schema ledger, raw, serving to mlcycle_keep;
grant select on all tables in schema ledger, serving to mlcycle_keep;
grant select, delete on raw.quarantine to mlcycle_keep;
grant delete on ledger.attempt, ledger.publication, ledger.monitor_result, ledger.alert, ledger.delivery
    to mlcycle_keep;
grant delete on serving.scoring, serving.prediction_log, serving.label to mlcycle_keep;
grant update (removed_at) on ledger.dataset to mlcycle_keep;
grant update (used_at, removed_at) on ledger.dataset to mlcycle_train;
"""


def upgrade() -> None:
    op.execute(INDEXES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(
        """revoke all on all tables in schema ledger, raw, serving from mlcycle_keep;
        revoke update (used_at, removed_at) on ledger.dataset from mlcycle_train;
        alter table ledger.dataset drop column used_at, drop column removed_at;
        drop index ledger.batch_current, ledger.batch_stopped, ledger.delivery_pending,
            ledger.retrain_accepted, ledger.attempt_started, raw.quarantine_age, ledger.alert_closed,
            ledger.comparison_version;
        create unique index batch_current on ledger.batch (project, table_name, partition) where current;
        revoke usage on schema ledger, raw, serving from mlcycle_keep"""
    )
