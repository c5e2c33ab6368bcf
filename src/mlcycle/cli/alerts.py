"""Open alerts, and acts on them in the name of who runs this."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mlcycle.cli.options import DEFAULT_STATE, ProjectName, State
from mlcycle.cli.printed import print_json, print_table
from mlcycle.cli.reaching import ledger
from mlcycle.cli.root import alert_app, app

AlertName = Annotated[
    str, typer.Argument(help="The alert's key, like drift:distance, or matter, like drift.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the act.")]


@app.command()
def alerts(
    project: Annotated[str | None, typer.Argument(help="Of this project; of all, if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Open alerts, the gravest first: whose they are, who has seen them, what is silenced."""
    from dataclasses import asdict

    from mlcycle.ledger.alert_acts import open_alerts

    with ledger(state) as cursor:
        found = [asdict(alert) for alert in open_alerts(cursor, project)]
    shown = ("project", "severity", "key", "title", "first_partition", "last_partition", "owner")
    if as_json:
        print_json(found)
    elif not found:
        print("no open alerts")
    else:
        print_table([{**{name: row[name] for name in shown}, "state": _standing(row)} for row in found])


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


def _act(state: Path, project: str, action: str, name: str, **said: Any) -> None:
    """Act on alerts in the name of who runs this."""
    from mlcycle.ledger.alert_acts import Act, act
    from mlcycle.stage_run import person

    with ledger(state) as cursor:
        print(act(cursor, project, Act(action, name, person(), **said)))


def _standing(row: dict[str, Any]) -> str:
    """What people did about an open alert, in few words."""
    said = ["escalated"] if row["escalated"] else []
    said += [f"acknowledged by {row['acknowledged_by']}"] if row["acknowledged_by"] else []
    said += [f"silenced until {row['silenced_until']:%Y-%m-%d %H:%M} UTC"] if row["silenced_until"] else []
    return ", ".join(said)
