"""One DAG: a stage of the cycle for one project, its steps as tasks.

A step that runs once for each table or candidate becomes one task for each, named for it
(``flights.publish``, ``train.boosting``): a person sees which one failed, and it can have
resources of its own.
"""

import os
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, TaskGroup, TriggerRule, WeightRule

from mlcycle.cycle import OWN, STAGES, WISH, WISHES, Stage, Step, with_own
from mlcycle.orchestration.approval import ApprovedStepOperator
from mlcycle.orchestration.assets import asset
from mlcycle.orchestration.deadlines import deadline
from mlcycle.orchestration.failures import FailureOperator
from mlcycle.orchestration.forms import form
from mlcycle.orchestration.joints import AnnounceOperator
from mlcycle.orchestration.mapped import FanningStepOperator, mapped
from mlcycle.orchestration.operator import StepOperator
from mlcycle.orchestration.placement import place
from mlcycle.orchestration.schedules import schedule
from mlcycle.project import Project

GPU_POOL = "gpu"  # must exist where a candidate asks for a GPU; its slots are the GPUs there are

RULES = {
    "ok": TriggerRule.ALL_SUCCESS,
    "skipped": TriggerRule.NONE_FAILED,
    "anything": TriggerRule.ALL_DONE,
    "an ok": TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
    "a skip": TriggerRule.ALL_SKIPPED,  # of the joint that stands for all upstream tasks
}

#: Runs of a stage at the same time. What looks at the runs before it (drift in a row, values that
#: only go forward) works in order; a promotion that waits for a person must not hold the next one.
AT_ONCE = {"ingest": 4, "promote": 4}

#: Whose task gets the next free slot. What was begun is ended before more is begun, so that of fifty
#: projects whose day arrives at once the first is served soon and not all of them at the end. What
#: people wait for goes first; a training takes what is left.
URGENCY = {"train": 1, "shadow": 1, "ingest": 10, "features": 20, "monitor": 30, "score": 40, "retrain": 50}
URGENCY |= {"tune": 1, "alerts": 50, "absent": 50, "promote": 60, "rollback": 70}


def _at_once(project: Project, stage: Stage) -> int:
    """Runs of the stage at the same time; a run of ingest that waits for its delivery holds up no other."""
    waiting = -(-project.source.lateness // project.unit.shortest) if stage.name == "ingest" else 0
    return AT_ONCE.get(stage.name, 1) + waiting


def stage_dag(project: Project, stage: Stage) -> DAG:
    """The DAG ``<project>_<stage>``. Raises ConfigError for a step of the project's own out of place."""
    stage = with_own(stage, project.code.steps)
    dag = DAG(
        dag_id=f"{project.name}_{stage.name}",
        description=stage.doc,
        doc_md=_about(project, stage),
        tags=["mlcycle", project.name, stage.name],
        params=form(project, stage),
        default_args={"owner": project.scope.owner.replace(", ", " / ")},  # Airflow splits owners by commas
        max_active_runs=_at_once(project, stage),
        is_paused_upon_creation=False,
        deadline=deadline(project, stage),
        **schedule(project, stage),
    )
    groups: dict[str, TaskGroup] = {}
    tasks: dict[str, dict[str, BaseOperator]] = {}
    for position, step in enumerate(stage.steps):
        made = tasks.setdefault(step.name, {})
        for variant in [step.variant] if step.variant else project.variants(step.each):
            upstream = {name: _upstream(tasks[name], step, variant) for name in step.after}
            arguments = {
                "stage": stage.name,
                "variant": variant,
                "reads": {name: [task.task_id for task in found] for name, found in upstream.items()},
                **_placing(dag, groups, stage, step, variant),
                **_emitting(project, step, variant),
                **_pool(project, step, variant),
                "priority_weight": URGENCY[stage.name] + position,
                "weight_rule": WeightRule.ABSOLUTE,
                "trigger_rule": RULES[step.runs_after],
            }
            if step.mapped:
                (over,) = upstream[step.after[-1]]
                operator = mapped(dag, project, step, over, **arguments)
            else:
                operator = _operator(project, stage, step)(dag=dag, project=project, step=step, **arguments)
            for name, found in upstream.items():
                operator.set_upstream([_joint(dag, name, found)] if step.runs_after == "a skip" else found)
            made[variant] = operator
    if stage.name == "ingest":
        _settle(dag, project, tasks["publish"])
    _tell_failures(dag, project, stage)
    return dag


def _tell_failures(dag: DAG, project: Project, stage: Stage) -> None:
    """Tell people what failed in a run, however it died. Airflow skips the task by itself where nothing did.

    A run is as its last tasks are, so another one beside it fails with any of the others.
    """
    others = list(dag.tasks)
    tell = FailureOperator(
        dag=dag,
        task_id="alert-failed",
        project=project,
        stage=stage.name,
        step=Step("alert", after=tuple(step.name for step in stage.steps)),
        priority_weight=URGENCY["promote"],
        weight_rule=WeightRule.ABSOLUTE,
        trigger_rule=TriggerRule.ONE_FAILED,
    )
    tell.set_upstream(others)
    well = EmptyOperator(dag=dag, task_id="nothing-failed", trigger_rule=TriggerRule.NONE_FAILED)
    well.set_upstream(others)


def _operator(project: Project, stage: Stage, step: Step) -> type[StepOperator]:
    """What runs the step; a promotion asks a person first where the project wants that."""
    if any(other.mapped and step.name == other.after[-1] for other in stage.steps):
        return FanningStepOperator
    return ApprovedStepOperator if step.name == "promote" and project.approval.required else StepOperator


def _upstream(made: dict[str, BaseOperator], step: Step, variant: str) -> list[BaseOperator]:
    """An upstream step's tasks: the same table's, or all of them for a step that joins them."""
    if step.each and step.each != OWN and variant in made:
        return [made[variant]]
    return list(made.values())


def _joint(dag: DAG, name: str, tasks: list[BaseOperator]) -> BaseOperator:
    """Skipped once any of the tasks was skipped. Airflow settles it by itself: no slot, no process."""
    joint = EmptyOperator(dag=dag, task_id=f"every-{name}", trigger_rule=TriggerRule.NONE_SKIPPED)
    joint.set_upstream(tasks)
    return joint


def _placing(
    dag: DAG, groups: dict[str, TaskGroup], stage: Stage, step: Step, variant: str
) -> dict[str, Any]:
    """Where the task stands in the graph: tables are chains of steps, candidates siblings of one step."""
    if not step.each:
        # Beside groups that bear tables' names; no table's name holds a hyphen.
        tables = any(other.each == "table" for other in stage.steps)
        return {"task_id": f"{step.name}-late" if tables else step.name}
    group, task = (variant, step.name) if step.each == "table" else (step.name, variant)
    if group not in groups:
        groups[group] = TaskGroup(group_id=group, dag=dag)
    return {"task_id": task, "task_group": groups[group]}


def _emitting(project: Project, step: Step, variant: str) -> dict[str, Any]:
    kind = WISHES[project.retrain.asks] if step.emits == WISH else step.emits
    return {"outlets": [asset(project.name, kind, variant)]} if kind else {}


def _pool(project: Project, step: Step, variant: str) -> dict[str, Any]:
    limits = project.limits(step.name, variant)
    # A cluster queues by itself, and its GPUs are not this machine's.
    if not limits.gpu or place(os.environ, project, step.name, variant).runner == "kubernetes":
        return {}
    return {"pool": GPU_POOL, "pool_slots": limits.gpu * limits.nodes}


def _settle(dag: DAG, project: Project, published: dict[str, BaseOperator]) -> None:
    """Announce the partition once its tables are settled; the names cannot be a table's.

    Tables of the partition itself must be fine. Tables that are delivered later than their own
    partition are waited for, so that features and labels see them, but a failure of theirs stops
    nobody: yesterday's values still serve. ``all-tables`` makes the run tell such a failure.
    A table whose delivery did not come is skipped once it was waited for in vain, and stops nobody.
    """
    late = [task for name, task in published.items() if project.source.tables[name].lag]
    prompt = [task for task in published.values() if task not in late]
    announce = AnnounceOperator(
        dag=dag,
        task_id="announce-raw",
        watches=[task.task_id for task in published.values()],
        of_entity=published[project.entity.table].task_id,
        lag=project.entity_table.lag,
        unit=str(project.unit),
        outlets=[asset(project.name, "raw")],
        trigger_rule=TriggerRule.NONE_FAILED,
        priority_weight=URGENCY["ingest"] + len(STAGES["ingest"].steps),
        weight_rule=WeightRule.ABSOLUTE,
    )
    announce.set_upstream(prompt)
    if late:
        gathered = EmptyOperator(dag=dag, task_id="late-tables", trigger_rule=TriggerRule.ALL_DONE)
        gathered.set_upstream(late)
        announce.set_upstream(gathered)
    done = EmptyOperator(dag=dag, task_id="all-tables", trigger_rule=TriggerRule.NONE_FAILED)
    done.set_upstream([announce, *published.values()])


def _about(project: Project, stage: Stage) -> str:
    scope = project.scope
    lines = [
        f"### {project.name}: {stage.name}",
        stage.doc,
        "",
        f"**Goal of the project**: {scope.goal}",
        f"**Owner**: {scope.owner}",
        f"**Partitions**: one a {project.unit}, from {project.source.start}, {project.unit.zone}",
    ]
    return "  \n".join(lines)
