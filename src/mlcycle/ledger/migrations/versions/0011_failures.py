"""What failed or was stopped and is not mended yet; every role that runs steps may say that it is."""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
-- Partitions of which a step failed for good, or whose delivery was stopped. Gone once they are mended;
-- the alert of a key is open while it has rows here.
create table ledger.failure (
    project text not null,
    key text not null,                        -- of the alert: stopped:TABLE, failed:STEP, failed:STEP.VARIANT
    first_partition text not null default '', -- empty: of no partition
    last_partition text not null default '',
    matter text not null,
    work text not null,                       -- that noted it
    reason text not null,
    noted_at timestamptz not null default now(),
    primary key (project, key, first_partition, last_partition)
);

-- When a step of a project last ended well: for the metrics, one step in the index for each.
create index attempt_done on ledger.attempt (project, step, finished_at desc) where state = 'done';
"""

GRANTS = """
grant select on ledger.failure to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve, mlcycle_keep;
grant insert, update, delete on ledger.failure to mlcycle_ingest, mlcycle_train, mlcycle_promote;
grant insert, update on ledger.alert, ledger.delivery to mlcycle_promote;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("revoke insert, update on ledger.alert, ledger.delivery from mlcycle_promote")
    op.execute("drop index ledger.attempt_done")
    op.execute("drop table ledger.failure")
