"""Project files: checked, and drafted for data that nobody has described."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.printed import print_step
from mlcycle.cli.reaching import executor, platform_env
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode
from mlcycle.errors import ConfigError, MlcycleError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcycle.project import Project


@app.command()
def check(projects: Projects = DEFAULT_PROJECTS) -> None:
    """Check every project file; says what is wrong by file, line and key."""
    from mlcycle.domain.seen_labels import unknown
    from mlcycle.project.file import check_code, find, load
    from mlcycle.project_code import using

    files = find(projects)
    if not files:
        print(f"mlcycle: no project.yaml in a folder of {projects}", file=sys.stderr)
        raise typer.Exit(ExitCode.FATAL)
    broken = 0
    for name, path in files.items():
        try:
            project = load(path)
            check_code(path, project)
            with using(project.own_code):
                _check_parts(path, project)
            print(
                f"ok      {name}: {len(project.source.tables)} tables, {len(project.candidates)} candidates"
            )
            value = project.value
            if why := unknown(value.label_needs, drawn=value.explore is not None):
                print(f"note    {name}: {why}")
        except MlcycleError as error:
            broken += 1
            print(f"broken  {error.message}", file=sys.stderr)
    if broken:
        raise typer.Exit(ExitCode.FATAL)


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
    for stage, first, last in stages:
        for step, result in run_stage(spec, stage, execute, first=first, last=last, params={}):
            print_step(step, result)
            if result.exit_code is not ExitCode.OK:
                raise typer.Exit(result.exit_code)


def _check_parts(path: Path, project: "Project") -> None:
    """What the file alone does not tell: SQL, monitors, families, the metric, expectations, the cron.

    Raises ConfigError.
    """
    from mlcycle.adapters.delivery.expectations import Suite
    from mlcycle.adapters.monitoring.registry import watching
    from mlcycle.cycle import check_own
    from mlcycle.domain.cron import check_cron
    from mlcycle.domain.metrics import check_metric
    from mlcycle.models.registry import check_processes, check_task, parse_params
    from mlcycle.models.search_space import space_of
    from mlcycle.project.file import check_sql

    check_sql(path, project)
    check_own(project.code.steps)
    key = "monitors.watch: "
    try:
        watching(project)
        for name, candidate in project.candidates.items():
            key = f"candidates.{name}: "
            parse_params(candidate.family, candidate.params)
            check_processes(candidate.family, candidate.resources.processes)
            check_task(candidate.family, project.label.task, project.label.quantiles)
            if candidate.search:
                space_of(candidate)
        key = ""  # said by the error itself
        check_metric(project.evaluation.metric, project.label.task, project.label.quantiles)
        if project.retrain.schedule:
            check_cron(project.retrain.schedule)
        key = "source.tables: "
        for name, table in project.source.tables.items():
            if table.expectations:
                Suite(name, table.expectations)
    except ConfigError as error:
        raise ConfigError(f"{path}: {key}{error.message}") from None
