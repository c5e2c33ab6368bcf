"""What was said of quantiles: their values beside each prediction, their levels beside each scoring.

Both are null where a number alone was said. ``prediction`` is the median then.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

VIEW = """
select s.project, s.partition, p.entity_key, p.event_time, s.champion_seq, s.version, p.prediction,
       s.scored_at, s.reason, s.scoring_id, p.acted, p.propensity, p.class, p.probabilities{more}
from serving.scoring s
join serving.prediction_log p
  on p.project = s.project and p.event_time >= s.starts and p.event_time < s.ends
     and p.scoring_id = s.scoring_id
where s.current;
"""
COLUMNS = f"""
alter table serving.prediction_log add column quantiles double precision[];
alter table serving.scoring add column levels double precision[];

create or replace view serving.prediction as {VIEW.format(more=", p.quantiles, s.levels")}
"""

BACK = f"""
drop view serving.prediction;
alter table serving.prediction_log drop column quantiles;
alter table serving.scoring drop column levels;
create view serving.prediction as {VIEW.format(more="")}
grant select on serving.prediction
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve, mlcycle_keep;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    op.execute(BACK)
