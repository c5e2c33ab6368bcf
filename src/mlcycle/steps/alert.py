"""Keep what the monitors found as alerts, and hand each to the project's channels once.

A receiver that does not answer fails nothing: its alerts stay in the ledger, and the next run
delivers them first, oldest first. Where the monitor step left nothing behind, that is the alert.
A run for the past opens, closes and delivers nothing. At the end of an ingest run the step delivers
what that run has opened.
"""

import itertools

from mlcycle.adapters.alerts import channels as channels
from mlcycle.contract import Status
from mlcycle.errors import InputError, MlcycleError
from mlcycle.ledger import alerts as ledger
from mlcycle.ledger import past
from mlcycle.ledger.alerts import Alert
from mlcycle.steps.context import Outcome, StepContext

KEY = "alerts"
DIED = "error:monitor"  # the alert that says monitoring itself failed


def run(context: StepContext) -> Outcome:
    """Store, close, deliver. Skipped where there was nothing to tell and nothing left to deliver."""
    opened, counted, closed = 0, 0, list[str]()
    if not _ends_ingest(context):
        with context.warehouse.transaction() as cursor:
            why = past.why(cursor, context.project, context.partitions[-1], context.request.work)
        if why:
            return Outcome(Status.SKIPPED, f"for the past ({why}): nobody is told, nothing is closed")
        opened, counted, closed = _store(context)
    delivered, waiting, problems = _deliver(context)
    parts = [
        f"{count} {what}"
        for count, what in (
            (opened, "opened"),
            (counted, "seen again"),
            (len(closed), "closed"),
            (delivered, "delivered"),
            (waiting, "waiting for their receiver"),
        )
        if count
    ]
    if not parts:
        return Outcome(Status.SKIPPED, "no alerts")
    message = f"alerts: {', '.join(parts)}"
    if problems:
        message += f" (warning: {'; '.join(problems)}; the next run tries again)"
    metrics = {"opened": opened, "closed": len(closed), "delivered": delivered, "waiting": waiting}
    return Outcome(message=message, metrics={name: float(value) for name, value in metrics.items()})


def _store(context: StepContext) -> tuple[int, int, list[str]]:
    """Alerts opened, counted onto open ones, and closed; nothing twice for one piece of work."""
    before = context.published(KEY)
    if before is not None:
        return before["opened"], before["counted"], before["closed"]
    project, partition = context.project, context.partitions[-1].key
    found, settled = _found(context)
    with context.publication(KEY) as publication:
        ledger.hold(publication.cursor, project.name)
        opened = 0
        for alert in found:
            due = channels.due_channels(project.alerts.channels, alert)
            opened += ledger.raise_alert(publication.cursor, project.name, partition, alert, due)
        closed = ledger.close(publication.cursor, project.name, settled, partition)
        publication.outputs.update(opened=opened, counted=len(found) - opened, closed=closed)
    return opened, len(found) - opened, closed


def _found(context: StepContext) -> tuple[list[Alert], list[str]]:
    """What the monitor step handed over. That it handed over nothing is an alert, never good news."""
    partition, project = context.partitions[-1].key, context.project.name
    if not context.request.inputs.get("monitor"):
        if not context.request.origin.dag_id:  # nobody ran a monitor that could have died
            raise InputError(f"no result of step 'monitor' for {partition}: run monitor first, then alert")
        body = "The monitor step ended without a result: nothing is known about drift or performance."
        return [Alert(DIED, "page", f"{project} {partition}: monitoring died", body)], []
    values = context.handover("monitor").values
    alerts, settled = values.get("alerts", []), values.get("ok", [])
    if not isinstance(alerts, list) or not isinstance(settled, list):
        raise InputError("the monitor step's handover holds no list of alerts")
    try:
        found = [Alert(**item) for item in alerts]  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"an alert of the monitor step is not one: {error}") from None
    return found, [DIED, *map(str, settled)]


def _ends_ingest(context: StepContext) -> bool:
    """Whether the step stands behind extract: its alerts are in the ledger already."""
    return "extract" in context.request.inputs


def _deliver(context: StepContext) -> tuple[int, int, list[str]]:
    """Hand over what is due, oldest first; a channel that fails is left alone until the next run.

    Each delivery is a transaction that holds the project's alerts, so that two runs never deliver
    one alert at once.
    """
    by_id = {channels.channel_id(channel): channel for channel in context.project.alerts.channels}
    delivered, down, problems = 0, set[str](), list[str]()
    for count in itertools.count():
        with context.warehouse.transaction() as cursor:
            pending = ledger.next_pending(cursor, context.project.name, down)
        if pending is None:
            break
        with context.publication(f"delivery:{context.token}:{count}") as publication:
            ledger.hold(publication.cursor, context.project.name)
            if ledger.next_pending(publication.cursor, context.project.name, down) != pending:
                continue  # another run was faster
            state, error = "delivered", ""
            try:
                channel = by_id.get(pending.channel)
                if channel is None:
                    raise InputError("the project has no such channel any more")
                channels.deliver(channel, pending, context.settings)
            except InputError as problem:
                state, error = "given_up", problem.message
            except MlcycleError as problem:
                state, error = "pending", problem.message
                down.add(pending.channel)
            if error:
                problems.append(error)
            delivered += state == "delivered"
            ledger.note_delivery(publication.cursor, pending, state, error)
    with context.warehouse.transaction() as cursor:
        waiting = ledger.waiting(cursor, context.project.name)
    return delivered, waiting, problems
