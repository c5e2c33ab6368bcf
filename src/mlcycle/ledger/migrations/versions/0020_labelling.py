"""Labels that people make: rows they are asked about, and each of their answers.

Answers are only added; of one labeller the newest counts. How a row stands by them is noted beside it in the
transaction of the answer, so that what is new is found without reading all answers.
"""

from alembic import op

revision = "0020"
down_revision = "0019"

TABLES = """
create table ledger.label_task (
    task_id bigint generated always as identity primary key,
    project text not null,
    partition text not null,
    entity_key text not null,
    event_time timestamptz not null,
    shown jsonb not null,                   -- what a labeller sees of the row
    reason text not null check (reason in ('uncertainty', 'disagreement', 'diversity', 'random', 'import')),
    score double precision,                 -- of the strategy; null where rows were drawn
    wanted integer not null check (wanted between 1 and 20),
    asked_by text not null,
    asked_at timestamptz not null default now(),
    state text not null default 'open' check (state in ('open', 'settled', 'disputed')),
    label text,                             -- null where it is not settled, or cannot be told
    changed_at timestamptz not null default now(),
    unique (project, entity_key, event_time)
);
create index label_task_open on ledger.label_task (project, task_id) where state <> 'settled';
create index label_task_partition on ledger.label_task (project, partition) where state = 'settled';

create table ledger.label_answer (
    answer_id bigint generated always as identity primary key,
    task_id bigint not null references ledger.label_task on delete cascade,
    labeller text not null check (labeller <> ''),
    answer text,                            -- null: it cannot be told
    judges boolean not null default false,  -- of who settles a dispute
    comment text not null default '',
    answered_at timestamptz not null default now()
);
create index label_answer_task on ledger.label_answer (task_id, labeller, answer_id desc);
"""

GRANTS = """
grant select on ledger.label_task, ledger.label_answer
    to mlcycle_ingest, mlcycle_train, mlcycle_promote, mlcycle_serve, mlcycle_keep;
grant insert on ledger.label_task to mlcycle_train, mlcycle_serve;
grant update (state, label, changed_at) on ledger.label_task to mlcycle_serve;
grant insert on ledger.label_answer to mlcycle_serve;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("drop table ledger.label_answer; drop table ledger.label_task;")
