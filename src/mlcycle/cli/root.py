"""The root of the command line and its groups; a module of commands hangs its own on them."""

import typer

app = typer.Typer(
    help="The production cycle of machine learning on Apache Airflow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
schema_app = typer.Typer(help="JSON Schemas of the documents mlcycle reads and writes.", no_args_is_help=True)
app.add_typer(schema_app, name="schema")
alert_app = typer.Typer(help="Act on open alerts: in your name, kept in the ledger.", no_args_is_help=True)
app.add_typer(alert_app, name="alert")
project_app = typer.Typer(
    help="What becomes of a project: mended, emptied, taken away.", no_args_is_help=True
)
app.add_typer(project_app, name="project")
