"""A schema of its own for searches: Optuna makes its tables in it, as the role that trains.

No other role may enter it. What Optuna keeps there has versions of its own, beside the ledger's.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

SCHEMA = """
create schema search;
grant usage, create on schema search to mlcycle_train;
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    op.execute("drop schema search cascade")
