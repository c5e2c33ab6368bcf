"""`mlcycle step`, what every container, pod and process executes, and the schemas of its documents."""

import os
from typing import Annotated

import typer

from mlcycle.cli.printed import print_json
from mlcycle.cli.root import app, schema_app
from mlcycle.contract import Request, Result


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="Name of the step.")],
    request: Annotated[str, typer.Option(help="Path or URL of the request.")],
    result: Annotated[str, typer.Option(help="Path or URL the result is written to.")],
) -> None:
    """Run one step: what every container, pod and local process of the platform executes."""
    import gc

    from mlcycle.launch import THRESHOLD
    from mlcycle.steps.main import main as run

    gc.set_threshold(*THRESHOLD)  # a seventh of the time that the libraries take to load

    raise typer.Exit(run(request, result, os.environ, step=name))


@schema_app.command("project")
def schema_project() -> None:
    """JSON Schema of a project file, with a sentence on every key."""
    from mlcycle.project.schema import project_schema

    print_json(project_schema())


@schema_app.command("reference")
def schema_reference() -> None:
    """Every key of a project file as a page of Markdown: docs/reference.md."""
    from mlcycle.project.reference import reference

    print(reference(), end="")


@schema_app.command("request")
def schema_request() -> None:
    """JSON Schema of a step's request."""
    print_json(Request.model_json_schema())


@schema_app.command("result")
def schema_result() -> None:
    """JSON Schema of a step's result."""
    print_json(Result.model_json_schema())
