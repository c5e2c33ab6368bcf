"""The ``mlcycle`` command. Thin: it reads arguments, calls one function, prints its answer.

Exit codes are the step contract's (10 try again, 20 do not, 30 data rejected); 2 is wrong usage.
"""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlcycle.contract import ExitCode, PartitionRange, Request, Result
from mlcycle.cycle import ALL_ROLES
from mlcycle.errors import ConfigError, MlcycleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from psycopg2.extensions import cursor as Cursor

    from mlcycle.ledger.attempts import Left
    from mlcycle.project import Project
    from mlcycle.stage_run import LastLeft

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

ProjectName = Annotated[str, typer.Argument(help="Name of a project: its folder under projects/.")]
Projects = Annotated[
    Path, typer.Option("--projects", envvar="MLCYCLE_PROJECTS", help="Folder that holds the projects.")
]
State = Annotated[
    Path, typer.Option("--state", envvar="MLCYCLE_STATE", help="Folder of the local platform's state.")
]
AlertName = Annotated[
    str, typer.Argument(help="The alert's key, like drift:distance, or matter, like drift.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the act.")]
DEFAULT_PROJECTS = Path("projects")
DEFAULT_STATE = Path(".mlcycle")


def main() -> None:
    """Run the command line; an error a person can mend is one line on standard error."""
    try:
        app()
    except MlcycleError as error:
        print(f"mlcycle: {error.message}", file=sys.stderr)
        if error.rejects_data:
            raise SystemExit(ExitCode.REJECTED) from None
        raise SystemExit(ExitCode.RETRY if error.retryable else ExitCode.FATAL) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


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
    """JSON Schema of a project file."""
    from mlcycle.project import Project

    _print_json(Project.model_json_schema())


@schema_app.command("request")
def schema_request() -> None:
    """JSON Schema of a step's request."""
    _print_json(Request.model_json_schema())


@schema_app.command("result")
def schema_result() -> None:
    """JSON Schema of a step's result."""
    _print_json(Result.model_json_schema())


@app.command()
def check(projects: Projects = DEFAULT_PROJECTS) -> None:
    """Check every project file; says what is wrong by file, line and key."""
    from mlcycle.domain.seen_labels import unknown
    from mlcycle.project.file import find, load

    files = find(projects)
    if not files:
        print(f"mlcycle: no project.yaml in a folder of {projects}", file=sys.stderr)
        raise typer.Exit(ExitCode.FATAL)
    broken = 0
    for name, path in files.items():
        try:
            project = load(path)
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
    source: Annotated[str, typer.Option("--from", help="A file, a folder with one, or an http address.")],
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

    env = _platform_env(state) if go_on else {}  # a platform that is not there is said before all else
    given = [each.strip() for each in columns.split(",")] if columns else None
    folder, draft = begin(name, source, projects, columns=given, label=label, zone=zone, ask=ask, say=print)
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

    spec, execute = load_named(projects, project), _executor(state, env)
    for stage, first, last in stages:
        for step, result in run_stage(spec, stage, execute, first=first, last=last, params={}):
            _print_step(step, result)
            if result.exit_code is not ExitCode.OK:
                raise typer.Exit(result.exit_code)


def _print_step(name: str, result: Result) -> None:
    print(f"{name:24} {result.status:9} {result.seconds:7.2f} s  {result.message}")


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
    spec, env = load_named(projects, project), _platform_env(state)
    for name, result in run_stage(
        *(spec, stage, _executor(state, env)),
        first=first,
        last=partition,
        params=params,
        only=only,
        last_left=_last_left(env, project),
        say=lambda text: print(text, file=sys.stderr),
    ):
        _print_step(name, result)
        worst = max(worst, result.exit_code)
    raise typer.Exit(worst)


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
    from mlcycle.steps.freshness_report import alone

    spec, env = load_named(projects, project), _platform_env(state)
    document, outputs = alone(spec, Settings.from_env(step_env(env, "train")), candidate)
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

    spec, env = load_named(projects, project), _platform_env(state)
    if partition is None:
        newest = "select max(partition) as key from ledger.monitored where project = %s"
        partition = _select(state, newest, (project,))[0]["key"]
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
    result = _executor(state, env)(Request.model_validate(asked))
    if result.error is not None:
        print(f"mlcycle: {result.error.message}", file=sys.stderr)
        raise typer.Exit(result.exit_code)
    found = result.values["hypotheses"]
    assert isinstance(found, list)
    for each in found:
        assert isinstance(each, dict)
        print(f"{each['title']}: {each['verdict']}")
    print(_address(env, result.links["why"]))


@app.command()
def history(
    project: ProjectName,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """The champion's whole history, newest first."""
    rows = _select(
        state,
        """select c.seq, c.version, m.candidate, c.action, c.actor, c.reason, c.crowned_at, m.metrics
           from ledger.champion c join ledger.model_version m using (project, version)
           where c.project = %s order by c.seq desc""",
        (project,),
    )
    if as_json:
        _print_json(rows)
    elif not rows:
        print(f"{project} has no champion yet: run its train and promote stages")
    else:
        _print_table([{k: v for k, v in row.items() if k != "metrics"} for row in rows])


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

    spec, execute = load_named(projects, project), _executor(state, _platform_env(state))
    params = {"to": "" if to is None else str(to), "reason": reason}
    worst = ExitCode.OK
    for _name, result in run_stage(spec, "rollback", execute, params=params):
        print(f"{result.step}: {result.status}: {result.message}")
        worst = max(worst, result.exit_code)
    raise typer.Exit(worst)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT on the warehouse.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Ask the warehouse, read-only."""
    rows = _select(state, query)
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


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
    with AirflowApi.from_env(_airflow_env(state)) as api:
        run_id = api.trigger(f"{project}_retrain", partition=partition, conf={"reason": reason})
        print(f"started {project}_retrain: {api.run_url(f'{project}_retrain', run_id)}")


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

    spec, execute = load_named(projects, project), in_this_process(_platform_env(state))
    params: dict[str, Any] = {"reason": reason, "table": table, "undo": "yes" if undo else ""}
    worst = ExitCode.OK
    for _name, result in run_stage(spec, "absent", execute, first=first, last=partition, params=params):
        print(f"{result.status}: {result.message}")
        worst = max(worst, result.exit_code)
    raise typer.Exit(worst)


@app.command()
def alerts(
    project: Annotated[str | None, typer.Argument(help="Of this project; of all, if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Open alerts, the gravest first: whose they are, who has seen them, what is silenced."""
    from dataclasses import asdict

    from mlcycle.ledger.alert_acts import open_alerts

    with _ledger(state) as cursor:
        found = [asdict(alert) for alert in open_alerts(cursor, project)]
    shown = ("project", "severity", "key", "title", "first_partition", "last_partition", "owner")
    if as_json:
        _print_json(found)
    elif not found:
        print("no open alerts")
    else:
        _print_table([{**{name: row[name] for name in shown}, "state": _standing(row)} for row in found])


@alert_app.command("ack")
def alert_ack(
    project: ProjectName, name: AlertName, reason: Reason = "", state: State = DEFAULT_STATE
) -> None:
    """Say that you have seen it: it is not escalated, unless it gets graver."""
    _act(state, project, "acknowledge", name, reason=reason)


@alert_app.command("silence")
def alert_silence(
    project: ProjectName,
    name: AlertName,
    lasting: Annotated[str, typer.Option("--for", help="For how long, e.g. '2 hours'; 90 days at most.")],
    reason: Reason,
    state: State = DEFAULT_STATE,
) -> None:
    """Tell nobody for a while, of this alert and of any of this name; then of what is open still."""
    from mlcycle.domain.durations import parse_duration

    try:
        duration = parse_duration(lasting)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    _act(state, project, "silence", name, reason=reason, lasting=duration)


@alert_app.command("unsilence")
def alert_unsilence(
    project: ProjectName, name: AlertName, reason: Reason = "", state: State = DEFAULT_STATE
) -> None:
    """End a silence before its time."""
    _act(state, project, "unsilence", name, reason=reason)


@alert_app.command("assign")
def alert_assign(
    project: ProjectName,
    name: AlertName,
    owner: Annotated[str, typer.Option("--to", help="A person or a team.")],
    reason: Reason = "",
    state: State = DEFAULT_STATE,
) -> None:
    """Make it somebody's: its messages and the Projects page say whose."""
    _act(state, project, "assign", name, reason=reason, owner=owner)


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

    env = _platform_env(state)
    keep, settings = Keep.from_env(env), Settings.from_env(step_env(env, "keep"))
    freed = keep_house(settings, keep, dry_run=dry_run, say=lambda text: print(text, file=sys.stderr))
    if is_configured(state):
        from mlcycle.local.own_rows import prune as prune_own_rows

        prune_own_rows(state, settings, keep, freed, dry_run=dry_run)
    if as_json:
        _print_json(freed.document())
    else:
        print("\n".join([*(["nothing was changed; this would go:"] * dry_run), *freed.lines()]))
    for problem in freed.problems:
        print(f"mlcycle: {problem}", file=sys.stderr)
    raise typer.Exit(ExitCode.RETRY if freed.problems else ExitCode.OK)


def _check_parts(path: Path, project: "Project") -> None:
    """What the file alone does not tell: SQL, monitors, families, the metric, expectations, the cron.

    Raises ConfigError.
    """
    from mlcycle.adapters.delivery.expectations import Suite
    from mlcycle.adapters.monitoring.registry import watching
    from mlcycle.domain.cron import check_cron
    from mlcycle.domain.metrics import check_metric
    from mlcycle.models.registry import check_processes, check_task, parse_params
    from mlcycle.models.search_space import space_of
    from mlcycle.project.file import check_sql

    check_sql(path, project)
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


def _platform_env(state: Path) -> dict[str, str]:
    """Settings of the local platform, with this process's own environment above them; that alone where
    there is no local platform and the environment names a warehouse.
    """
    from mlcycle.local.config import is_configured, platform_env

    if not is_configured(state) and any(name.startswith("MLCYCLE_DSN_") for name in os.environ):
        return dict(os.environ)
    return {**platform_env(state), **os.environ}


def _address(env: "Mapping[str, str]", link: str) -> str:
    """Where a browser finds a report: by the console where Airflow is known, else where it lies."""
    from urllib.parse import quote

    if base := env.get("MLCYCLE_AIRFLOW_URL", "").rstrip("/"):
        return f"{base}/mlcycle/{quote(link)}"
    return f"{env.get('MLCYCLE_ARTIFACTS_URL', '').rstrip('/')}/{link}"


def _airflow_env(state: Path) -> dict[str, str]:
    """Which Airflow, and who asks it: the local platform's, what this process's environment says above it."""
    from mlcycle.local.config import airflow_login, is_configured

    return {**(airflow_login(state) if is_configured(state) else {}), **os.environ}


def _executor(state: Path, env: dict[str, str]) -> "Callable[[Request], Result]":
    """How steps are started here: as tasks start them while the platform is up, else in this process."""
    from mlcycle.local.commands import running

    if running(state.absolute()) is not None:
        from mlcycle.orchestration.runners.here import through_runner

        return through_runner(env, log=lambda line: print(line, file=sys.stderr))
    from mlcycle.stage_run import in_this_process

    return in_this_process(env)


def _last_left(env: dict[str, str], project: str) -> "LastLeft":
    """Finds what steps of the project last left, in the ledger."""
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.ledger import attempts
    from mlcycle.settings import Settings, step_env

    def find(step: str, variant: str, partitions: PartitionRange | None) -> "Left | None":
        warehouse = Warehouse(Settings.from_env(step_env(env, "serve")), name="mlcycle:run")
        try:
            with warehouse.transaction() as cursor:
                return attempts.left_by(cursor, project, step, variant, partitions)
        finally:
            warehouse.close()

    return find


@contextmanager
def _ledger(state: Path) -> "Iterator[Cursor]":
    """A cursor of the role that people read the ledger with; it may add acts on alerts."""
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.settings import Settings, step_env

    warehouse = Warehouse(Settings.from_env(step_env(_platform_env(state), "serve")), name="mlcycle:alerts")
    try:
        with warehouse.transaction() as cursor:
            yield cursor
    finally:
        warehouse.close()


def _act(state: Path, project: str, action: str, name: str, **said: Any) -> None:
    """Act on alerts in the name of who runs this."""
    from mlcycle.ledger.alert_acts import Act, act
    from mlcycle.stage_run import person

    with _ledger(state) as cursor:
        print(act(cursor, project, Act(action, name, person(), **said)))


def _standing(row: dict[str, Any]) -> str:
    """What people did about an open alert, in few words."""
    said = ["escalated"] if row["escalated"] else []
    said += [f"acknowledged by {row['acknowledged_by']}"] if row["acknowledged_by"] else []
    said += [f"silenced until {row['silenced_until']:%Y-%m-%d %H:%M} UTC"] if row["silenced_until"] else []
    return ", ".join(said)


def _select(state: Path, query: str, params: tuple[Any, ...] | None = None) -> list[dict[str, Any]]:
    from mlcycle.adapters.warehouse.connection import select_read_only
    from mlcycle.settings import Settings, step_env

    settings = Settings.from_env(step_env(_platform_env(state), "serve"))
    return select_read_only(settings, query, params)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print("no rows")
        return
    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    (Console() if sys.stdout.isatty() else Console(width=200)).print(table)
    print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


if __name__ == "__main__":
    main()
