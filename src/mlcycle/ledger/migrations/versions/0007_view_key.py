"""The key of the views' logins is the owner's alone: 0006 gave it to housekeeping with all other tables."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("revoke all on ledger.view_key from mlcycle_keep")


def downgrade() -> None:
    """Nothing needs it back."""
