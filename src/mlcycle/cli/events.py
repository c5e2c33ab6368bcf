"""Events: put into a table's queue, and how the queue stands."""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.reaching import ledger, platform_env
from mlcycle.cli.root import app

events_app = typer.Typer(help="Rows that are put as events (docs/events.md).", no_args_is_help=True)
app.add_typer(events_app, name="events")

AT_ONCE = 5000  # lines


@events_app.command("put")
def put(
    project: ProjectName,
    table: Annotated[str, typer.Argument(help="Of the project, with events: in its file.")],
    file: Annotated[Path, typer.Argument(help="JSON lines, an event each; - is the standard input.")],
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Put events into a table's queue. What was put before is not put again: safe to repeat."""
    from contextlib import closing, nullcontext

    from mlcycle.adapters.delivery import putting
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.errors import InputError
    from mlcycle.project.file import load_named
    from mlcycle.settings import Settings, step_env

    spec = load_named(projects, project)
    putting.table_of(spec, table)
    if str(file) != "-" and not file.is_file():
        raise InputError(f"{file} is no file")
    settings = Settings.from_env(step_env(platform_env(state), "serve"))
    taken = new = before = 0
    with (
        closing(Warehouse(settings, "mlcycle:events")) as warehouse,
        nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as stream,
    ):
        while lines := list(islice(stream, AT_ONCE)):
            try:
                done = (
                    putting.put(warehouse, spec, table, b"".join(lines))
                    if any(map(bytes.strip, lines))
                    else None
                )
            except putting.EventsRefused as error:
                for row in error.rows[:20]:
                    print(f"event {before + row.row}: {row.why}", file=sys.stderr)
                raise InputError(f"{error.message}; {taken} of those before are in the queue") from None
            before += sum(1 for line in lines if line.strip())
            if done is not None:
                taken, new = taken + done.events, new + done.new
    print(f"{table}: {new} new events, {taken - new} had been put before")


@events_app.command("serve")
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; behind a proxy with TLS alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8200,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Take events over HTTP: POST /events/<project>/<table>, with the project's token."""
    from mlcycle.errors import ConfigError
    from mlcycle.settings import Settings, step_env

    try:
        from mlcycle.landing.serve import serve as run
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed: install mlcycle[events]") from None
    run(projects, Settings.from_env(step_env(platform_env(state), "serve")), host, port)


@events_app.command("status")
def status(project: ProjectName, state: State = DEFAULT_STATE) -> None:
    """How the queues of a project stand: events, and partitions whose events are not published yet."""
    from mlcycle.ledger import events

    with ledger(state) as cursor:
        found = events.standings(cursor, project)
    if not found:
        print(f"no event of {project} was put")
    for each in found:
        print(
            f"{each.table}: {each.events} events; {each.partitions} partitions, {each.waiting} not published "
            f"in full, {each.removed} removed after they landed"
        )
