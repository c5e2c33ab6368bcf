"""The platform itself: started, stopped, brought up to date, kept clean."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlcycle.cli.options import DEFAULT_STATE, State
from mlcycle.cli.printed import print_json
from mlcycle.cli.reaching import platform_env
from mlcycle.cli.root import app
from mlcycle.contract import ExitCode
from mlcycle.cycle import ALL_ROLES


@app.command()
def up(
    state: State = DEFAULT_STATE,
    home: Annotated[Path | None, typer.Option(help="Folder with dags/, plugins/ and projects/.")] = None,
    foreground: Annotated[bool, typer.Option(help="Stay until stopped by Ctrl-C.")] = False,
    airflow_port: Annotated[int | None, typer.Option(help="Port of Airflow.")] = None,
    mlflow_port: Annotated[int | None, typer.Option(help="Port of MLflow.")] = None,
    evidently_port: Annotated[int | None, typer.Option(help="Port of Evidently.")] = None,
    postgres_port: Annotated[int | None, typer.Option(help="Port of PostgreSQL.")] = None,
    world_port: Annotated[int | None, typer.Option(help="Port of the demo's source systems.")] = None,
) -> None:
    """Start the local platform: PostgreSQL, Airflow, MLflow and Evidently, on loopback."""
    from mlcycle.local import commands

    ports = {
        "airflow": airflow_port,
        "mlflow": mlflow_port,
        "evidently": evidently_port,
        "postgres": postgres_port,
        "world": world_port,
    }
    commands.up(state, home=home, ports=ports, foreground=foreground)


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """Stop the local platform; its data stays."""
    from mlcycle.local import commands

    commands.down(state)


@app.command()
def status(state: State = DEFAULT_STATE) -> None:
    """What runs, where, since when; exit code 1 where something does not."""
    from mlcycle.local import commands

    raise typer.Exit(commands.status(state))


@app.command(
    "airflow",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def airflow_command(context: typer.Context) -> None:
    """Run an airflow command on the local platform's Airflow, e.g. mlcycle airflow backfill create ..."""
    from mlcycle.local.config import load
    from mlcycle.local.environment import airflow_env

    state = Path(os.environ.get("MLCYCLE_STATE") or DEFAULT_STATE)
    program = str(Path(sys.executable).parent / "airflow")
    os.execve(program, [program, *context.args], {**os.environ, **airflow_env(load(state))})  # noqa: S606 - becomes it


@app.command()
def demo(
    state: State = DEFAULT_STATE,
    until: Annotated[str, typer.Option(help="The last day that is lived.")] = "2013-06-22",
) -> None:
    """The reference project's whole life, on real data; the platform stays up afterwards.

    Where there is no local platform and the environment names another one, on that one.
    """
    from mlcycle.demo.run import run_demo, run_demo_elsewhere
    from mlcycle.local.config import is_configured

    if not is_configured(state) and os.environ.get("MLCYCLE_AIRFLOW_API_URL"):
        run_demo_elsewhere(os.environ, state, until)
    else:
        run_demo(state, until)


@app.command()
def prepare(
    wait: Annotated[
        bool, typer.Option("--wait", help="Change nothing: wait until another has done it.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="How long to wait at most.")] = 600,
) -> None:
    """Bring all databases of a deployment up to date: the services', the ledger, Airflow's.

    Reads the environment alone (docs/deploy.md). May be run again at any time.
    """
    from mlcycle.deploy import prepare as deployment

    def say(text: str) -> None:
        print(text, flush=True)

    if wait:
        deployment.wait(os.environ, seconds, say)
    else:
        deployment.prepare(os.environ, say)


@app.command()
def migrate() -> None:
    """Bring the ledger of a warehouse of your own up to date; the local platform's is by `up`.

    Reads MLCYCLE_DSN_OWNER, and each role's password out of MLCYCLE_DSN_INGEST, _TRAIN, _PROMOTE, _SERVE
    and _KEEP. May be run again at any time.
    """
    from mlcycle.ledger.migrate import credentials
    from mlcycle.ledger.migrate import migrate as bring_up_to_date

    before, now = bring_up_to_date(*credentials(os.environ))
    if before == now:
        print(f"the ledger is up to date: version {now}")
    else:
        print(f"the ledger was brought from {f'version {before}' if before else 'nothing'} to version {now}")
    print(f"passwords are set for {', '.join(f'mlcycle_{role}' for role in ALL_ROLES)}")


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Housekeeping: take away what is older than MLCYCLE_KEEP_* allow and nothing needs."""
    from mlcycle.housekeeping.keep import Keep
    from mlcycle.housekeeping.prune import prune as keep_house
    from mlcycle.local.config import is_configured
    from mlcycle.settings import Settings, step_env

    env = platform_env(state)
    keep, settings = Keep.from_env(env), Settings.from_env(step_env(env, "keep"))
    freed = keep_house(settings, keep, dry_run=dry_run, say=lambda text: print(text, file=sys.stderr))
    if is_configured(state):
        from mlcycle.local.own_rows import prune as prune_own_rows

        prune_own_rows(state, settings, keep, freed, dry_run=dry_run)
    if as_json:
        print_json(freed.document())
    else:
        print("\n".join([*(["nothing was changed; this would go:"] * dry_run), *freed.lines()]))
    for problem in freed.problems:
        print(f"mlcycle: {problem}", file=sys.stderr)
    raise typer.Exit(ExitCode.RETRY if freed.problems else ExitCode.OK)
