"""What people ask of the ledger and the warehouse."""

import sys
from typing import Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.printed import print_json, print_table
from mlcycle.cli.reaching import address, executor, platform_env, select
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode


@app.command()
def freshness(
    project: ProjectName,
    candidate: Annotated[str, typer.Option(help="Whose recipe; a candidate of the project.")],
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """What retraining more often is worth: the recipe on windows of different age, the same later rows."""
    from mlcycle.project.file import load_named
    from mlcycle.settings import Settings, step_env
    from mlcycle.steps.freshness_report import here

    spec, env = load_named(projects, project), platform_env(state)
    document, outputs = here(spec, Settings.from_env(step_env(env, "train")), candidate)
    for each in document["every"]:
        figure, metric = each["worth"], document["metric"]
        beside = "" if figure["low"] is None else f" ({figure['low']:+.5f} to {figure['high']:+.5f})"
        print(
            f"retraining every {each['days']:g} days instead of every {each['instead_of_days']:g} is worth "
            f"{figure['value']:+.5f} of {metric}{beside}"
        )
    print(outputs["page"].uri)


@app.command()
def why(
    project: ProjectName,
    partition: Annotated[
        str | None, typer.Argument(help="Last one of the window; by default the newest that was monitored.")
    ] = None,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Why is production worse than the test? Walk the hypotheses now, whatever the monitors found."""
    import uuid

    from mlcycle.contract import Request
    from mlcycle.project.file import load_named

    spec, env = load_named(projects, project), platform_env(state)
    if partition is None:
        newest = "select max(partition) as key from ledger.monitored where project = %s"
        partition = select(state, newest, (project,))[0]["key"]
    if not partition:
        print(f"mlcycle: {project} was never monitored: run its stage monitor first", file=sys.stderr)
        raise typer.Exit(ExitCode.FATAL)
    asked = {
        "step": "monitor",
        "work": f"why-{uuid.uuid4().hex}",
        "project": spec.document(),
        "partitions": {"first": partition, "last": partition},
        "params": {"why": "yes"},
    }
    result = executor(state, env)(Request.model_validate(asked))
    if result.error is not None:
        print(f"mlcycle: {result.error.message}", file=sys.stderr)
        raise typer.Exit(result.exit_code)
    found = result.values["hypotheses"]
    assert isinstance(found, list)
    for each in found:
        assert isinstance(each, dict)
        print(f"{each['title']}: {each['verdict']}")
    print(address(env, result.links["why"]))


@app.command()
def history(
    project: ProjectName,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """The champion's whole history, newest first."""
    rows = select(
        state,
        """select c.seq, c.version, m.candidate, c.action, c.actor, c.reason, c.crowned_at, m.metrics
           from ledger.champion c join ledger.model_version m using (project, version)
           where c.project = %s order by c.seq desc""",
        (project,),
    )
    if as_json:
        print_json(rows)
    elif not rows:
        print(f"{project} has no champion yet: run its train and promote stages")
    else:
        print_table([{k: v for k, v in row.items() if k != "metrics"} for row in rows])


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT on the warehouse.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Ask the warehouse, read-only."""
    rows = select(state, query)
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
