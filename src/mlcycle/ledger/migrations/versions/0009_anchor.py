"""The anchor: the best model that was ever proven, which no challenger may be worse than; and refits."""

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = """
-- History is only added to; the highest seq is the anchor.
create table ledger.anchor (
    project text not null,
    seq integer not null check (seq > 0),
    version integer not null,
    comparison_id bigint references ledger.comparison,
    reason text not null,
    set_at timestamptz not null default now(),
    primary key (project, seq),
    foreign key (project, version) references ledger.model_version
);

-- What was judged, where this version is the same recipe trained again on all rows. Null: this very model.
alter table ledger.model_version add column judged integer;

insert into ledger.anchor (project, seq, version, reason)
select distinct on (project) project, 1, version, 'the champion when anchors began'
from ledger.champion order by project, seq desc;
"""

GRANTS = """
grant select on ledger.anchor to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve, mlcycle_keep;
grant insert on ledger.anchor to mlcycle_promote;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("drop table ledger.anchor; alter table ledger.model_version drop column judged")
