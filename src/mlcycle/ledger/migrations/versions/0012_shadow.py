"""Retrain requests say what they ask for, a retrain or a shadow first; shadows and the calendar ask, too."""

from alembic import op

revision = "0012"
down_revision = "0011"

TABLES = """
alter table ledger.retrain_request
    add column wants text not null default 'retrain' check (wants in ('retrain', 'shadow')),
    drop constraint retrain_request_source_check,
    add constraint retrain_request_source_check
        check (source in ('monitor', 'person', 'schedule', 'shadow', 'period'));
"""

#: What the older words cannot say goes; that a shadow was asked for is no retrain.
DOWN = """
delete from ledger.retrain_request where wants = 'shadow';
update ledger.retrain_request set source = 'monitor' where source in ('shadow', 'period');
alter table ledger.retrain_request
    drop column wants,
    drop constraint retrain_request_source_check,
    add constraint retrain_request_source_check check (source in ('monitor', 'person', 'schedule'));
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute(DOWN)
