"""What was decided of a row, and with which probability, beside its prediction.

Both are null where nothing was drawn: of rows of before, and of projects that draw no share. Then the
project's threshold decided. No constraint is added: it would be checked against every row there is.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

COLUMNS = """
alter table serving.prediction_log add column acted boolean, add column propensity double precision;

create or replace view serving.prediction as
select s.project, s.partition, p.entity_key, p.event_time, s.champion_seq, s.version, p.prediction,
       s.scored_at, s.reason, s.scoring_id, p.acted, p.propensity
from serving.scoring s
join serving.prediction_log p
  on p.project = s.project and p.event_time >= s.starts and p.event_time < s.ends
     and p.scoring_id = s.scoring_id
where s.current;
"""

BACK = """
drop view serving.prediction;
alter table serving.prediction_log drop column acted, drop column propensity;
create view serving.prediction as
select s.project, s.partition, p.entity_key, p.event_time, s.champion_seq, s.version, p.prediction,
       s.scored_at, s.reason, s.scoring_id
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
