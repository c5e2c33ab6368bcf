"""Project files drafted for data that nobody has described."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.printed import print_step
from mlcycle.cli.reaching import executor, platform_env
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode
from mlcycle.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the project, and of its folder.")],
    source: Annotated[
        str, typer.Option("--from", help="A file, a folder with one, an http address, or a database's.")
    ],
    table: Annotated[str | None, typer.Option(help="The table, where it is a database's address.")] = None,
    label: Annotated[str | None, typer.Option(help="The column to be predicted.")] = None,
    columns: Annotated[str | None, typer.Option(help="Names for a file without header: a,b,c.")] = None,
    zone: Annotated[str, typer.Option(help="Zone of times that name none, like Europe/Berlin.")] = "UTC",
    yes: Annotated[bool, typer.Option("--yes", help="Go on with what is not sure.")] = False,
    go_on: Annotated[
        bool, typer.Option("--run", help="Go on to a champion; where rows have times, score the newest.")
    ] = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Draft a project for a file that nobody has described: looks, says what it concludes, and writes it."""
    from mlcycle.proposal.new import new as begin

    def ask(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            print(f"mlcycle: {question} Say --yes.", file=sys.stderr)
            return False
        return typer.confirm(question)

    env = platform_env(state) if go_on else {}  # a platform that is not there is said before all else
    given = [each.strip() for each in columns.split(",")] if columns else None
    folder, draft = begin(
        name, source, projects, table=table, columns=given, label=label, zone=zone, ask=ask, say=print
    )
    print(
        f"wrote {folder}/project.yaml: read it",
        end="" if go_on else ", then, while the platform is up (make up):\n",
    )
    if go_on:
        print()
        _live(projects, name, state, env, draft.stages)
        return
    for stage, first, last in draft.stages:
        span = f"--first {first} --partition {last}" if first else f"--partition {last}"
        print(f"  .venv/bin/mlcycle run {name} {stage} {span}")


@app.command()
def install(
    project: ProjectName, projects: Projects = DEFAULT_PROJECTS, state: State = DEFAULT_STATE
) -> None:
    """Install a project's own packages (code.requirements) beside the platform's, for its steps alone."""
    from mlcycle import packages
    from mlcycle.project.file import load_named
    from mlcycle.settings import Settings, step_env

    wanted = load_named(projects, project).code.requirements
    if not wanted:
        print(f"{project} names no packages in code.requirements: nothing to install")
        return
    base = Settings.from_env(step_env(platform_env(state), "train")).packages
    if base is None:
        raise ConfigError("MLCYCLE_PACKAGES is not set: name the folder that projects' packages go to")
    print(packages.install(wanted, base, print))


def _live(
    projects: Path,
    project: str,
    state: Path,
    env: dict[str, str],
    stages: "Iterable[tuple[str, str | None, str]]",
) -> None:
    """Run stages one after the other; ends with the exit code of the first that is not ok."""
    from mlcycle.project.file import load_named
    from mlcycle.stage_run import run_stage

    spec, execute = load_named(projects, project), executor(state, env)
    best = ""
    for stage, first, last in stages:
        for step, result in run_stage(spec, stage, execute, first=first, last=last, params={}):
            print_step(step, result)
            if result.exit_code is not ExitCode.OK:
                raise typer.Exit(result.exit_code)
            if step == "evaluate":
                found = result.values["best"]
                best = str(found["candidate"]) if isinstance(found, dict) else ""
    if best == spec.evaluation.heuristic:
        print(f"nothing was gained: the best on validation is the heuristic itself, {best}")
