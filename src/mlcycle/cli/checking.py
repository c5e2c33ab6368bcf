"""Project files checked: all that can be known before a run."""

import sys
from typing import Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, Projects
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode
from mlcycle.errors import ConfigError, MlcycleError


@app.command()
def check(
    name: Annotated[
        str | None, typer.Argument(help="Name of one project; all of them, if not given.")
    ] = None,
    projects: Projects = DEFAULT_PROJECTS,
) -> None:
    """Check project files; says what is wrong by file, line and key, a mistake a line."""
    from mlcycle.checks import check_file
    from mlcycle.domain.closest import among
    from mlcycle.domain.seen_labels import unknown
    from mlcycle.project.file import find

    files = find(projects)
    if not files:
        print(f"mlcycle: no project.yaml in a folder of {projects}", file=sys.stderr)
        raise typer.Exit(ExitCode.FATAL)
    if name is not None and name not in files:
        raise ConfigError(f"no project {name!r} under {projects}: {among(name, files)}")
    broken = 0
    for each, path in files.items():
        if name not in (None, each):
            continue
        try:
            project = check_file(path)
        except MlcycleError as error:
            broken += 1
            for problem in error.problems if isinstance(error, ConfigError) else [error.message]:
                print(f"broken  {problem}", file=sys.stderr)
            continue
        print(f"ok      {each}: {len(project.source.tables)} tables, {len(project.candidates)} candidates")
        value = project.value
        if why := unknown(value.label_needs, drawn=value.explore is not None):
            print(f"note    {each}: {why}")
    if broken:
        raise typer.Exit(ExitCode.FATAL)
