"""Projects whose file is gone and that nobody wants to see any more; what the ledger holds of them stays."""

from alembic import op

revision = "0023"
down_revision = "0020"

TABLE = """
create table ledger.forgotten (
    project text primary key,
    actor text not null check (actor <> ''),
    reason text not null default '',
    forgotten_at timestamptz not null default now()
);
grant select on ledger.forgotten to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve;
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("drop table ledger.forgotten")
