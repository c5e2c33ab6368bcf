"""What a delivery looks like in time and how much of it repeats itself; where an alert's picture lies."""

from alembic import op

revision = "0014"
down_revision = "0013"

COLUMNS = """
alter table ledger.batch
    add column slots integer,  -- bits: 24ths of the partition that hold events; null: not counted
    add column clashing bigint not null default 0,  -- of the quarantined: second rows of a key
    add column repeated bigint not null default 0;  -- of the rows: with the content of another key's
alter table ledger.alert add column picture text not null default '';  -- a PNG's path in the artifact store
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    op.execute("alter table ledger.alert drop column picture")
    op.execute("alter table ledger.batch drop column slots, drop column clashing, drop column repeated")
