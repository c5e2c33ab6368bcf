"""One stage of a project, here and now, without Airflow: how a scientist debugs.

Runs the same steps with the same requests as the stage's DAG would, one after the other. Each run is
new work: nothing is replayed from an earlier one. A step asked for alone takes what the steps before
it last left, by the ledger.
"""

import getpass
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from mlcycle.contract import ExitCode, Handover, Origin, PartitionRange, Request, Result, Status
from mlcycle.cycle import OWN, ROLES, STAGES, Stage, Step, with_own
from mlcycle.domain.closest import among
from mlcycle.domain.partitions import Partition
from mlcycle.domain.step_secrets import secret_names
from mlcycle.errors import InputError
from mlcycle.ledger.attempts import Left
from mlcycle.project import Project
from mlcycle.settings import Settings, step_environment

#: What a step (and its variant) last left in the ledger for these partitions, if it ever did.
LastLeft = Callable[[str, str, PartitionRange | None], Left | None]


@dataclass(frozen=True)
class Chosen:
    """A step of a stage and the variant it runs as."""

    step: Step
    variant: str

    @property
    def name(self) -> str:
        """As it is printed, and as ``--step`` takes it: ``publish.flights``, ``score``."""
        return f"{self.step.name}.{self.variant}" if self.variant else self.step.name


def run_stage(
    project: Project,
    stage_name: str,
    execute: Callable[[Request], Result],
    *,
    first: str | None = None,
    last: str | None = None,
    params: Mapping[str, JsonValue] | None = None,
    only: str | None = None,
    last_left: LastLeft | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[str, Result]]:
    """Yield each step's name (``publish.flights`` for a table's) and result as it ends.

    ``execute`` runs one request: :func:`in_this_process`, or any other way to start a step.
    A step whose upstream step did not end ok is left out, as Airflow would. ``only`` names one step,
    or one variant of it, as it is printed; ``last_left`` finds what it reads, and ``say`` is told
    what that is. Raises InputError for a stage, step, parameter or partition there is none of.
    """
    stage = STAGES.get(stage_name)
    if stage is None:
        raise InputError(f"no stage {stage_name!r}: {among(stage_name, STAGES)}")
    if any(step.each == "search" for step in stage.steps) and not project.variants("search"):
        raise InputError(f"no candidate of {project.name!r} has a search: say what to try under its search")
    stage = with_own(stage, project.code.steps)
    _check_params(stage, params or {})
    steps = _chosen(stage, project, only)
    partitions = _range(project, first or str((params or {}).get("first") or "") or None, last)
    who = person()
    run_id = f"here/{who}/{uuid.uuid4().hex}"
    results: dict[tuple[str, str], Result] = {}
    for chosen in steps:
        step, variant = chosen.step, chosen.variant
        if only is not None and last_left is not None:
            inputs = {
                name: _left(project, last_left, step, name, variant, partitions, say) for name in step.after
            }
        else:
            upstream = {name: _upstream(results, name, step, variant) for name in step.after}
            if only is None and not _may_run(step, upstream):
                continue
            inputs = {
                name: [result.handover for result in found if result.exit_code is ExitCode.OK]
                for name, found in upstream.items()
            }
        extra = {step.each: variant} if step.each else {}
        request = Request(
            step=step.name,
            work=f"{run_id}/{step.name}/{variant}",
            project=project.document(),
            partitions=partitions,
            params={**(params or {}), **extra},
            inputs=inputs,
            origin=Origin(run_id=run_id, task_id=step.name, user=who),
        )
        result = execute(request)
        results[step.name, variant] = result
        yield chosen.name, result


def in_this_process(env: Mapping[str, str]) -> Callable[[Request], Result]:
    """Runs steps in this process, each with the settings of its own role out of ``env``."""
    from mlcycle.steps.runtime import run_step

    def execute(request: Request) -> Result:
        given = step_environment(env, ROLES[request.step], secret_names(request.project, request.step))
        return run_step(request, Settings.from_env(given.variables))

    return execute


def person() -> str:
    """Who runs it. In a container a user may have a number and no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def _range(project: Project, first: str | None, last: str | None) -> PartitionRange | None:
    """The partitions asked for, None where none are. Raises InputError."""
    if last is None:
        if first is not None:
            raise InputError(f"a range begins with {first} and has no end: name its last partition")
        return None
    begin, end = Partition.parse(first or last, project.unit), Partition.parse(last, project.unit)
    if begin > end:
        raise InputError(f"the range ends ({end.key}) before it begins ({begin.key})")
    return PartitionRange(first=begin.key, last=end.key)


def _check_params(stage: Stage, params: Mapping[str, JsonValue]) -> None:
    """The form's parameters and no others, as Airflow's side takes them."""
    if refusal := stage.refusal(params):
        raise InputError(f"stage {stage.name!r} has no parameter {refusal}")


def _chosen(stage: Stage, project: Project, only: str | None) -> list[Chosen]:
    """The stage's steps with their variants; those that ``only`` names. Raises InputError."""
    every = [
        Chosen(step, variant)
        for step in stage.steps
        for variant in ([step.variant] if step.variant else project.variants(step.each))
    ]
    found = [one for one in every if only in (None, one.step.name, one.name)]
    if not found:
        names = dict.fromkeys(name for one in every for name in (one.step.name, one.name))
        raise InputError(f"stage {stage.name!r} has no step {only!r}: {among(only or '', names)}")
    return found


def _left(
    project: Project,
    last_left: LastLeft,
    step: Step,
    upstream: str,
    variant: str,
    partitions: PartitionRange | None,
    say: Callable[[str], None],
) -> list[Handover]:
    """What an upstream step last left, all its variants or this one's. Raises InputError for a gap."""
    if upstream == OWN:
        return []  # what it leaves is nobody's input: it holds a stage, not a step alone
    before = next(one for stage in STAGES.values() for one in stage.steps if one.name == upstream)
    names = [variant] if variant and before.each == step.each else project.variants(before.each)
    handovers = []
    for name in names:
        found, shown = last_left(upstream, name, partitions), Chosen(before, name).name
        if found is not None:
            what = f" of {found.partitions}" if found.partitions else ""
            say(f"takes {shown}{what} as {found.work} left it at {found.finished_at:%Y-%m-%d %H:%M:%S} UTC")
            handovers.append(found.handover)
        elif step.runs_after == "ok":
            where = f" for {partitions.last}" if partitions else ""
            raise InputError(
                f"step {step.name!r} reads what {shown} leaves, and that has not ended ok{where} yet: "
                "run it first"
            )
    return handovers


def _upstream(results: dict[tuple[str, str], Result], name: str, step: Step, variant: str) -> list[Result]:
    """Results of an upstream step: a table's own chain, or all variants for a step that joins them."""
    return [
        result
        for (upstream, its_variant), result in results.items()
        if upstream == name and (not step.each or OWN in (step.each, name) or its_variant in ("", variant))
    ]


def _may_run(step: Step, upstream: dict[str, list[Result]]) -> bool:
    if step.runs_after == "an ok":
        return any(result.status is Status.OK for found in upstream.values() for result in found)
    for found in upstream.values():
        if step.runs_after == "anything":
            continue
        if step.runs_after == "a skip":
            return any(result.status is Status.SKIPPED for result in found)
        fine = {Status.OK, Status.SKIPPED} if step.runs_after == "skipped" else {Status.OK}
        if not found or any(result.status not in fine for result in found):
            return False
    return True
