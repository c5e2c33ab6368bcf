"""An alert for each subject of a matter: the ninth column that drifts is news where eight do already.

Alerts of before are matters of their own: an empty ``matter`` is the key's.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

UP = """
alter table ledger.alert
    add column matter text not null default '',    -- what is told in one message: a monitor, or its failure
    add column subject text not null default '';   -- of the matter: a column; empty for the whole
create index alert_matter on ledger.alert (project, matter) where state = 'open';
"""

DOWN = """
drop index ledger.alert_matter;
alter table ledger.alert drop column matter, drop column subject;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
