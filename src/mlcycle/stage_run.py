"""One stage of a project, here and now, without Airflow: how a scientist debugs.

Runs the same steps with the same requests as the stage's DAG would, one after the other, in this
process. Each run is new work: nothing is replayed from an earlier one.
"""

import getpass
import uuid
from collections.abc import Callable, Iterator, Mapping

from pydantic import JsonValue

from mlcycle.contract import ExitCode, Origin, PartitionRange, Request, Result, Status
from mlcycle.cycle import ROLES, STAGES, Step
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.project import Project
from mlcycle.settings import Settings, step_env
from mlcycle.steps.runtime import run_step


def run_stage(
    project: Project,
    stage_name: str,
    execute: Callable[[Request], Result],
    *,
    first: str | None = None,
    last: str | None = None,
    params: Mapping[str, JsonValue] | None = None,
    only: str | None = None,
) -> Iterator[tuple[str, Result]]:
    """Yield each step's name (``publish.flights`` for a table's) and result as it ends.

    ``execute`` runs one request: :func:`in_this_process`, or any other way to start a step.
    A step whose upstream step did not end ok is left out, as Airflow would. Raises InputError for
    a stage or a partition there is none of.
    """
    stage = STAGES.get(stage_name)
    if stage is None:
        raise InputError(f"no stage {stage_name!r}: there are {', '.join(STAGES)}")
    steps = [step for step in stage.steps if only is None or step.name == only]
    if not steps:
        raise InputError(f"stage {stage_name!r} has no step {only!r}")
    partitions = None
    if last is not None:
        keys = [Partition.parse(key, project.unit).key for key in (first or last, last)]
        partitions = PartitionRange(first=keys[0], last=keys[1])
    run_id = f"here/{getpass.getuser()}/{uuid.uuid4().hex}"
    results: dict[tuple[str, str], Result] = {}
    for step in steps:
        for variant in _variants(step, project):
            upstream = {name: _upstream(results, name, step, variant) for name in step.after}
            if not _may_run(step, upstream, only):
                continue
            extra = {step.each: variant} if step.each else {}
            request = Request(
                step=step.name,
                work=f"{run_id}/{step.name}/{variant}",
                project=project.document(),
                partitions=partitions,
                params={**(params or {}), **extra},
                inputs={
                    name: [result.handover for result in found if result.exit_code is ExitCode.OK]
                    for name, found in upstream.items()
                },
                origin=Origin(run_id=run_id, task_id=step.name),
            )
            result = execute(request)
            results[step.name, variant] = result
            yield (f"{step.name}.{variant}" if variant else step.name), result


def in_this_process(env: Mapping[str, str]) -> Callable[[Request], Result]:
    """Runs steps in this process, each with the settings of its own role out of ``env``."""
    return lambda request: run_step(request, Settings.from_env(step_env(env, ROLES[request.step])))


def _variants(step: Step, project: Project) -> list[str]:
    if step.each == "table":
        return list(project.source.tables)
    if step.each == "candidate":
        return list(project.candidates)
    return [""]


def _upstream(results: dict[tuple[str, str], Result], name: str, step: Step, variant: str) -> list[Result]:
    """Results of an upstream step: a table's own chain, or all variants for a step that joins them."""
    return [
        result
        for (upstream, its_variant), result in results.items()
        if upstream == name and (not step.each or its_variant in ("", variant))
    ]


def _may_run(step: Step, upstream: dict[str, list[Result]], only: str | None) -> bool:
    if only is not None:
        return True
    for found in upstream.values():
        if step.runs_after == "anything":
            continue
        if step.runs_after == "a skip":
            return any(result.status is Status.SKIPPED for result in found)
        fine = {Status.OK, Status.SKIPPED} if step.runs_after == "skipped" else {Status.OK}
        if not found or any(result.status not in fine for result in found):
            return False
    return True
