"""What was said of many classes: the one that was chosen, and the probability of each.

Both are null where there are not many. ``prediction`` is the chosen class's probability then.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

COLUMNS = """
alter table serving.prediction_log add column class text, add column probabilities double precision[];

create or replace view serving.prediction as
select s.project, s.partition, p.entity_key, p.event_time, s.champion_seq, s.version, p.prediction,
       s.scored_at, s.reason, s.scoring_id, p.acted, p.propensity, p.class, p.probabilities
from serving.scoring s
join serving.prediction_log p
  on p.project = s.project and p.event_time >= s.starts and p.event_time < s.ends
     and p.scoring_id = s.scoring_id
where s.current;
"""

BACK = """
drop view serving.prediction;
alter table serving.prediction_log drop column class, drop column probabilities;
create view serving.prediction as
select s.project, s.partition, p.entity_key, p.event_time, s.champion_seq, s.version, p.prediction,
       s.scored_at, s.reason, s.scoring_id, p.acted, p.propensity
from serving.scoring s
join serving.prediction_log p
  on p.project = s.project and p.event_time >= s.starts and p.event_time < s.ends
     and p.scoring_id = s.scoring_id
where s.current;
grant select on serving.prediction
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve, mlcycle_keep;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    op.execute(BACK)
