"""Where the document of an evaluation is kept, apart from its figures."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    # uri and digest; null: evaluated by a version that kept none
    op.execute("alter table ledger.evaluation add column document jsonb")


def downgrade() -> None:
    op.execute("alter table ledger.evaluation drop column document")
