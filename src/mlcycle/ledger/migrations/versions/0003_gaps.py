"""Partitions that were never delivered, and what people said of them; ingest may open an alert."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
-- A partition that was waited for in vain, or of which a person or the project says that none will come.
create table ledger.gap (
    project text not null,
    table_name text not null,
    partition text not null,
    state text not null check (state in ('missing', 'absent', 'delivered')),
    reason text not null default '',
    noticed_at timestamptz not null default now(),
    looked_at timestamptz not null default now(),   -- when the source was last asked for it
    primary key (project, table_name, partition)
);
create index gap_open on ledger.gap (project, table_name, partition) where state = 'missing';

-- Every change of a gap: who, when, why. Rows are never changed.
create table ledger.gap_event (
    event_id bigint generated always as identity primary key,
    project text not null,
    table_name text not null,
    partition text not null,
    action text not null check (action in ('missing', 'absent', 'undone', 'delivered')),
    actor text not null,
    reason text not null default '',
    happened_at timestamptz not null default now()
);
create index on ledger.gap_event (project, table_name, partition);
"""

GRANTS = """
grant select on ledger.gap, ledger.gap_event
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
grant insert, update on ledger.gap to mlcycle_ingest;
grant insert on ledger.gap_event to mlcycle_ingest;
grant insert, update on ledger.alert, ledger.delivery to mlcycle_ingest;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("revoke insert, update on ledger.alert, ledger.delivery from mlcycle_ingest")
    op.execute("drop table ledger.gap_event, ledger.gap")
