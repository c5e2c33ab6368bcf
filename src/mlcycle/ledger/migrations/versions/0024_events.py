"""A queue of events: what producers put, and how far each partition of it was read and landed.

An event is never changed. Its offset orders a table's events as they became visible: who puts holds the
table's lock, so that no lower offset appears behind a higher one, and "everything up to here" is one number.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

TABLES = """
create table raw.event (
    project text not null,
    table_name text not null,
    partition text not null,
    event_offset bigint generated always as identity,
    event_key bytea not null check (octet_length(event_key) = 32),
    event_time timestamptz not null,
    payload jsonb not null,                 -- delivered name -> text
    received_at timestamptz not null default now(),
    primary key (project, table_name, partition, event_offset),
    unique (project, table_name, event_key)
);

create table ledger.event_partition (
    project text not null,
    table_name text not null,
    partition text not null,
    newest bigint not null default 0,       -- offset of the last event that was put
    put_at timestamptz not null default now(),
    seen bigint not null default 0,         -- offset up to which the checks know them: published, or stopped
    landed bigint not null default 0,       -- offset up to which they are published in full
    removed_at timestamptz,                 -- since then the queue has them no more, and takes no more
    primary key (project, table_name, partition)
);
"""

GRANTS = """
grant select on raw.event, ledger.event_partition
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve, mlcycle_keep;
grant insert on raw.event, ledger.event_partition to mlcycle_serve;
grant update (newest, put_at) on ledger.event_partition to mlcycle_serve;
grant update (seen, landed) on ledger.event_partition to mlcycle_ingest;
grant delete on raw.event to mlcycle_keep;
grant update (removed_at) on ledger.event_partition to mlcycle_keep;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("drop table raw.event; drop table ledger.event_partition;")
