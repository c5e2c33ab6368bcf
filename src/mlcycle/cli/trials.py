"""Trials: candidates measured beside the champion, and one of them taken into the project's file."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.printed import print_step
from mlcycle.cli.reaching import platform_env
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode, Request, Result
from mlcycle.errors import InputError

if TYPE_CHECKING:
    from mlcycle.project import Project


def try_out(
    project: "Project",
    env: dict[str, str],
    execute: Callable[[Request], Result],
    *,
    first: str | None,
    last: str | None,
    only: str | None,
) -> None:
    """Fit and measure the project's candidates, or the one that ``train.NAME`` names; keep each under its
    name.

    On the newest snapshot; with a partition a new one is taken first, of what was known by its end.
    """
    from mlcycle.adapters.artifacts.store import ArtifactStore
    from mlcycle.settings import Settings, step_env
    from mlcycle.stage_run import run_stage
    from mlcycle.steps.alone import alone, snapshot
    from mlcycle.steps.trial import keep, tried

    names = list(project.candidates)
    if only is not None:
        names = [name for name in names if only in (f"train.{name}", name)]
    if not names:
        there = ", ".join(f"train.{name}" for name in project.candidates)
        raise InputError(f"--step {only}: a trial is of a candidate: there are {there}")
    digest = ""
    if last is not None:
        for name, result in run_stage(project, "train", execute, first=first, last=last, only="dataset"):
            print_step(name, result)
            if result.exit_code is not ExitCode.OK:
                raise typer.Exit(result.exit_code)
            digest = str(result.values["digest"])
    settings = Settings.from_env(step_env(env, "train"))
    with alone(project, settings, "trial") as context:
        manifest = snapshot(context, digest)
        print(f"dataset {manifest.digest[:12]}, measured on its validation rows; nothing is registered")
        for name in names:
            found = tried(context, project.candidates[name], manifest)
            keep(ArtifactStore(settings.artifacts_url), project.name, name, found)
            shown = ", ".join(f"{metric} {value:.5g}" for metric, value in found.metrics.items())
            print(f"{name:20} {shown} ({found.seconds:.1f} s)")
            print(f"{'':20} {found.against or found.why_not}")


@app.command()
def adopt(
    project: ProjectName,
    trial: Annotated[str, typer.Argument(help="Name that the trial was kept under.")],
    as_name: Annotated[
        str | None, typer.Option("--as", help="Name of the candidate; else the trial's.")
    ] = None,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Make a trial a candidate: its recipe goes to the end of the project file's candidates."""
    from mlcycle.adapters.artifacts.store import ArtifactStore
    from mlcycle.project.adopted import add_candidate
    from mlcycle.project.file import find, load_named
    from mlcycle.settings import Settings, step_env
    from mlcycle.steps.trial import Kept

    spec = load_named(projects, project)
    settings = Settings.from_env(step_env(platform_env(state), "train"))
    kept = Kept.read(ArtifactStore(settings.artifacts_url), project, trial)
    name, path = as_name or trial, find(projects)[project]
    add_candidate(path, name, kept.candidate.model_dump(mode="json", exclude_defaults=True))
    print(f"added candidate {name} to {path}: `mlcycle run {project} train` trains it with the others")
    if kept.code and kept.code != spec.own_code.digest:
        print("mlcycle: the project's Python files have changed since that trial", file=sys.stderr)
