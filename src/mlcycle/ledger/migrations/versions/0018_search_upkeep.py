"""Housekeeping may enter the schema of searches; what it may do with its tables, who makes them says."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("grant usage on schema search to mlcycle_keep")


def downgrade() -> None:
    op.execute(
        """do $$ begin
            if to_regclass('search.studies') is not null then
                revoke all on all tables in schema search from mlcycle_keep;
            end if;
        end $$"""
    )
    op.execute("revoke usage on schema search from mlcycle_keep")
