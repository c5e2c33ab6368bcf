"""Project files checked: all that can be known before a run."""

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, Projects, State
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode
from mlcycle.errors import ConfigError, MlcycleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor


@app.command()
def check(
    name: Annotated[
        str | None, typer.Argument(help="Name of one project; all of them, if not given.")
    ] = None,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Check project files; says what is wrong by file, line and key, a mistake a line.

    While the platform is up its PostgreSQL explains the views' SQL, on empty tables and read only.
    """
    from mlcycle.checks import check_file
    from mlcycle.checks.dag_ids import dags_folder, own_dags
    from mlcycle.checks.own_code import missing_requirements
    from mlcycle.checks.packages import missing_packages
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
    own = own_dags(dags_folder(projects))
    with _server(state) as cursor:
        for each, path in files.items():
            if name not in (None, each):
                continue
            try:
                project = check_file(path, cursor, own)
            except MlcycleError as error:
                broken += 1
                for problem in error.problems if isinstance(error, ConfigError) else [error.message]:
                    print(f"broken  {problem}", file=sys.stderr)
                continue
            tables, candidates = len(project.source.tables), len(project.candidates)
            print(f"ok      {each}: {tables} tables, {candidates} candidates")
            value = project.value
            why = unknown(value.label_needs, drawn=value.explore is not None)
            for note in [*([why] if why else []), *missing_packages(project), *missing_requirements(project)]:
                print(f"note    {each}: {note}")
    if broken:
        raise typer.Exit(ExitCode.FATAL)


@contextmanager
def _server(state: Path) -> "Iterator[Cursor | None]":
    """A read-only cursor on the platform's PostgreSQL; None where none is up."""
    from mlcycle.local.commands import running

    named = os.environ.get("MLCYCLE_DSN_SERVE")
    if not named and running(state.absolute()) is None:
        yield None
        return
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.cli.reaching import platform_env
    from mlcycle.settings import Settings, step_env

    with ExitStack() as open_:
        try:
            settings = Settings.from_env(step_env(platform_env(state), "serve"))
            cursor = open_.enter_context(Warehouse(settings, name="mlcycle:check").reading())
        except MlcycleError as error:
            print(f"note    no PostgreSQL explains the views' SQL: {error.message}", file=sys.stderr)
            cursor = None
        yield cursor
