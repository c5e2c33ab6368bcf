"""What becomes of one project: brought in line with its file, emptied, taken away."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.reaching import airflow_env, owner_settings, platform_env
from mlcycle.cli.root import project_app
from mlcycle.contract import ExitCode
from mlcycle.errors import ConfigError, InputError, Unavailable

if TYPE_CHECKING:
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.settings import Settings

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Abandon = Annotated[
    bool,
    typer.Option("--abandon", help="Also where steps are at work or were killed: they publish nothing then."),
]


@project_app.command()
def migrate(
    project: ProjectName,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="A column that has another name now, as TABLE.BEFORE=AFTER; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, say what differs.")] = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Say how the warehouse differs from the project file, and mend what can be mended without a loss."""
    from mlcycle.housekeeping.project.migrate import differences, renames
    from mlcycle.housekeeping.project.migrate import migrate as mend
    from mlcycle.project.file import load_named

    spec = load_named(projects, project)
    renamed = renames(spec, rename or [])
    with _owned(state) as warehouse:
        with warehouse.transaction() as cursor:
            found = differences(cursor, spec, renamed)
        for table, changes in found.tables.items():
            for change in changes:
                print(f"{table}: {change.what}{': ' if change.loss else ''}{change.loss}")
        for note in found.notes:
            print(note)
        for table in [] if dry_run else found.can:
            mend(warehouse, spec, table, renamed)
            print(f"{table}: done")
    if found.cannot:
        names = ",".join(found.cannot)
        print(
            f"mlcycle: not without a new ingest: mlcycle project reset {project} --tables {names}",
            file=sys.stderr,
        )
        raise typer.Exit(ExitCode.FATAL)
    if dry_run and found.can:
        print("nothing was changed; without --dry-run the tables are altered")
    elif not found.tables and not found.notes:
        print("nothing differs")


@project_app.command()
def reset(
    project: ProjectName,
    tables: Annotated[str | None, typer.Option(help="Tables alone, as a,b; all, if not given.")] = None,
    yes: Yes = False,
    abandon: Abandon = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Empty raw tables and what was computed from them; a backfill brings it back. Models stay."""
    from mlcycle.housekeeping.project import reset as emptying
    from mlcycle.project.file import load_named

    spec = load_named(projects, project)
    named = [each.strip() for each in tables.split(",")] if tables is not None else None
    with _owned(state) as warehouse:
        plan = emptying.look(warehouse, spec, named, abandon=abandon)
        print("\n".join(plan.lines))
        _ask("Empty these tables?", yes)
        done = emptying.reset(warehouse, spec, named, abandon=abandon)
    print(
        f"emptied: {', '.join(done.tables)}. To bring them back:\n"
        f"  mlcycle run {project} ingest --first {spec.source.start} --partition LAST\n"
        f"  mlcycle run {project} features --first {spec.source.start} --partition LAST"
    )


@project_app.command()
def drop(
    project: ProjectName,
    yes: Yes = False,
    models: Annotated[
        bool, typer.Option("--models", help="Also MLflow's experiment and registered model.")
    ] = False,
    abandon: Abandon = False,
    keep_file: Annotated[
        bool, typer.Option("--keep-file", help="Although the project's file is there: it begins anew.")
    ] = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Take a project away wholly: Airflow's runs, the warehouse's tables and logins, the ledger's rows."""
    from mlcycle.housekeeping.project import drop as dropping
    from mlcycle.project.file import find
    from mlcycle.project.part import NAME
    from mlcycle.settings import Settings, step_env

    if not NAME.fullmatch(project) or "__" in project:
        raise InputError(f"{project!r} is no project's name: small letters, digits and single underscores")
    if project in find(projects) and not keep_file:
        raise InputError(
            f"{projects / project} is there, and its DAGs would begin anew: remove the folder first, or say "
            "--keep-file"
        )
    env = platform_env(state)
    settings = Settings.from_env(step_env(env, "keep"))
    with _owned(state) as warehouse:
        lines = dropping.found(warehouse, project, abandon=abandon)
    print("\n".join(f"goes    {line}" for line in lines) or f"the warehouse holds nothing of {project}")
    _ask(f"Take {project} away for good?", yes)
    problems = _from_airflow(state, project)
    if settings.mlflow_url:
        problems += _from_mlflow(state, settings, project, delete=models, may_ask=not yes)
    rows = dropping.from_warehouse(owner_settings(state), project, abandon=abandon)
    print(
        f"warehouse: gone, {rows:,} rows of the ledger with it; mlcycle prune takes its files as they get old"
    )
    for problem in problems:
        print(f"mlcycle: {problem}", file=sys.stderr)
    raise typer.Exit(ExitCode.RETRY if problems else ExitCode.OK)


@project_app.command()
def forget(
    project: ProjectName,
    reason: Annotated[str, typer.Option(help="Why; kept with it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Show it again.")] = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Put a project whose file is gone out of sight: off the page and the metrics. All of it is kept."""
    from mlcycle.ledger import forgotten
    from mlcycle.project.file import find
    from mlcycle.stage_run import person

    if project in find(projects) and not undo:
        raise InputError(f"{projects / project} is there: remove the folder first; what has a file is shown")
    with _owned(state) as warehouse, warehouse.transaction() as cursor:
        if undo:
            done = forgotten.recall(cursor, project)
            print(f"{project} is shown again" if done else f"{project} was not forgotten")
            return
        if not forgotten.known(cursor, project):
            raise InputError(f"the ledger knows no project {project!r}")
        done = forgotten.forget(cursor, project, person(), reason)
    print(
        f"{project} is not shown any more; all of it is kept" if done else f"{project} is forgotten already"
    )


def _from_airflow(state: Path, project: str) -> list[str]:
    """Take its DAGs out of Airflow where that answers; what could not be done."""
    from mlcycle.airflow_api import AirflowApi
    from mlcycle.housekeeping.project import drop as dropping

    try:
        with AirflowApi.from_env(airflow_env(state)) as api:
            print(f"Airflow: {dropping.from_airflow(api, project)} DAGs with their runs gone")
    except (Unavailable, ConfigError) as error:
        return [f"its runs in Airflow stay: {error.message}; run this again to take them away"]
    return []


def _from_mlflow(
    state: Path, settings: "Settings", project: str, *, delete: bool, may_ask: bool
) -> list[str]:
    """Take its experiment and models out of MLflow where that is wanted; what could not be done."""
    from mlcycle.housekeeping.freed import Freed
    from mlcycle.housekeeping.project import drop as dropping
    from mlcycle.local.config import is_configured, load
    from mlcycle.local.own_rows import free_runs

    freed = Freed()

    def free(runs: list[str]) -> None:
        if is_configured(state):
            free_runs(load(state), runs, freed)

    try:
        runs = dropping.runs_in_mlflow(settings, project)
        if runs and not delete and may_ask and sys.stdin.isatty():
            delete = typer.confirm(f"MLflow has {runs} runs of it, with their models. Delete them too?")
        if delete:
            print(f"MLflow: {dropping.from_mlflow(settings, project, free)} runs gone")
        elif runs:
            print(f"MLflow: {runs} runs and their models stay; --models takes them away")
    except Unavailable as error:
        return [f"its models in MLflow stay: {error.message}; run this again to take them away"]
    return freed.problems


@contextmanager
def _owned(state: Path) -> "Iterator[Warehouse]":
    """The warehouse as its owner."""
    from mlcycle.adapters.warehouse.connection import Warehouse

    warehouse = Warehouse(owner_settings(state), name="mlcycle:project")
    try:
        yield warehouse
    finally:
        warehouse.close()


def _ask(question: str, yes: bool) -> None:
    """Go on, or end with nothing done."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Say --yes.")
    if not typer.confirm(question):
        print("nothing was changed")
        raise typer.Exit(ExitCode.OK)
