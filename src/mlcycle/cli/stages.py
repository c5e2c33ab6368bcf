"""Stages run here and now, and asked of the running platform."""

import sys
from typing import Annotated, Any

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.printed import print_step
from mlcycle.cli.reaching import airflow_env, executor, last_left, platform_env
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode


@app.command()
def run(
    project: ProjectName,
    stage: Annotated[
        str, typer.Argument(help="ingest, features, score, monitor, retrain, train, promote ...")
    ],
    partition: Annotated[str | None, typer.Option(help="Key of the partition, e.g. 2013-06-01.")] = None,
    first: Annotated[str | None, typer.Option(help="First of a range that ends with --partition.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="Parameter as NAME=VALUE; may be repeated.")] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--step", help="This step alone, e.g. score or train.boosting; reads what was last left."
        ),
    ] = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Of train: measure beside the champion, register nothing.")
    ] = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Run one stage here and now, without Airflow; by the platform's step servers while it is up."""
    from mlcycle.project.file import load_named
    from mlcycle.stage_run import run_stage

    params: dict[str, Any] = {}
    for item in param or []:
        key, separator, value = item.partition("=")
        if not separator:
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE")
        params[key] = value
    worst = ExitCode.OK
    spec, env = load_named(projects, project), platform_env(state)
    if trial:
        if stage != "train" or params:
            raise typer.BadParameter("--trial is of the stage train, and takes no --param")
        from mlcycle.cli.trials import try_out

        try_out(spec, env, executor(state, env), first=first, last=partition, only=only)
        return
    for name, result in run_stage(
        *(spec, stage, executor(state, env)),
        first=first,
        last=partition,
        params=params,
        only=only,
        last_left=last_left(env, project),
        say=lambda text: print(text, file=sys.stderr),
    ):
        print_step(name, result)
        worst = max(worst, result.exit_code)
    raise typer.Exit(worst)


@app.command()
def retrain(
    project: ProjectName,
    reason: Annotated[str, typer.Option(help="Why the model should be trained again.")],
    partition: Annotated[str | None, typer.Option(help="Train on what was known by its end.")] = None,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Ask the running platform for a retrain; Airflow shows it as a run of the project's retrain DAG."""
    from mlcycle.airflow_api import AirflowApi
    from mlcycle.project.file import load_named

    load_named(projects, project)
    if not reason.strip():
        raise typer.BadParameter("--reason is empty: say why")
    with AirflowApi.from_env(airflow_env(state)) as api:
        run_id = api.trigger(f"{project}_retrain", partition=partition, conf={"reason": reason})
        print(f"started {project}_retrain: {api.run_url(f'{project}_retrain', run_id)}")


@app.command()
def rollback(
    project: ProjectName,
    to: Annotated[
        int | None, typer.Option(help="Number in the history; the champion before, if not given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")] = "rollback from the command line",
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Make an earlier champion the champion again."""
    from mlcycle.project.file import load_named
    from mlcycle.stage_run import run_stage

    spec, execute = load_named(projects, project), executor(state, platform_env(state))
    params = {"to": "" if to is None else str(to), "reason": reason}
    worst = ExitCode.OK
    for _name, result in run_stage(spec, "rollback", execute, params=params):
        print(f"{result.step}: {result.status}: {result.message}")
        worst = max(worst, result.exit_code)
    raise typer.Exit(worst)


@app.command()
def absent(
    project: ProjectName,
    partition: Annotated[str, typer.Argument(help="Key of the partition that will never be delivered.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the declaration.")],
    first: Annotated[str | None, typer.Option(help="First of a range that ends with the partition.")] = None,
    table: Annotated[str, typer.Option(help="The table; all of them, if not given.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take an earlier declaration back.")] = False,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Say that a partition will never be delivered: nobody waits for it, and nobody is told."""
    from mlcycle.project.file import load_named
    from mlcycle.stage_run import in_this_process, run_stage

    spec, execute = load_named(projects, project), in_this_process(platform_env(state))
    params: dict[str, Any] = {"reason": reason, "table": table, "undo": "yes" if undo else ""}
    worst = ExitCode.OK
    for _name, result in run_stage(spec, "absent", execute, first=first, last=partition, params=params):
        print(f"{result.status}: {result.message}")
        worst = max(worst, result.exit_code)
    raise typer.Exit(worst)
