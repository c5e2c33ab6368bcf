"""Keep what the monitors found as alerts, and hand each to the project's channels once.

A receiver that does not answer fails nothing: its alerts stay in the ledger, and the next run
delivers them first, oldest first. Where the monitor step left nothing behind, that is the alert.
A run for the past opens, closes and delivers nothing. At the end of an ingest run the step delivers
what that run has opened; by itself, as a run of ``<project>_alerts``, what is due by then: a page that
nobody acknowledged, what was silenced and is no more. Where tasks of a run failed for good, Airflow names
them, and each is an alert.
"""

import itertools
from dataclasses import replace
from urllib.parse import quote

from mlcycle.adapters.alerts import channels as channels
from mlcycle.adapters.alerts import failed_tasks
from mlcycle.adapters.alerts.contacts import contact
from mlcycle.contract import Status
from mlcycle.errors import InputError, MlcycleError
from mlcycle.ledger import alerts as ledger
from mlcycle.ledger import attempts, escalation, failures, past
from mlcycle.ledger.alerts import Alert, Pending, What
from mlcycle.project import Channel, Project
from mlcycle.steps.context import Outcome, StepContext

KEY = "alerts"
PAGES = "/mlcycle"  # where the console shows reports, under Airflow's address
LARGEST = 300_000  # bytes of a picture
BEFORE = "labels"  # the task that the monitor's stands behind
DIED = "error:monitor"  # the alert that says monitoring itself failed


def run(context: StepContext) -> Outcome:
    """Store, close, deliver. Skipped where there was nothing to tell and nothing left to deliver."""
    opened, counted, closed = 0, 0, list[str]()
    if context.param("failed") or context.param("overdue"):
        opened, counted = _store_failures(context)
    elif not _ends_ingest(context) and not _by_itself(context):
        with context.warehouse.transaction() as cursor:
            why = past.why(cursor, context.project, context.partitions[-1], context.request.work)
        if why:
            return Outcome(Status.SKIPPED, f"for the past ({why}): nobody is told, nothing is closed")
        opened, counted, closed = _store(context)
    escalated, silenced = _become_due(context)
    delivered, waiting, problems = _deliver(context)
    parts = [
        f"{count} {what}"
        for count, what in (
            (opened, "opened"),
            (counted, "seen again"),
            (len(closed), "closed"),
            (escalated, "escalated"),
            (silenced, "silenced"),
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
    metrics |= {name: n for name, n in (("escalated", escalated), ("silenced", silenced)) if n}
    return Outcome(message=message, metrics={name: float(value) for name, value in metrics.items()})


def _store(context: StepContext) -> tuple[int, int, list[str]]:
    """Alerts opened, counted onto open ones, and closed; nothing twice for one piece of work."""
    before = context.published(KEY)
    if before is not None:
        return before["opened"], before["counted"], before["closed"]
    project, partition = context.project, context.partitions[-1].key
    found, settled, held = _found(context)
    with context.publication(KEY) as publication:
        ledger.hold(publication.cursor, project.name)
        opened = 0
        for alert in found:
            due = channels.due_channels(project.alerts.channels, alert)
            opened += ledger.raise_alert(publication.cursor, project.name, partition, alert, due)
        closed = ledger.close(publication.cursor, project.name, settled, partition, held)
        publication.outputs.update(opened=opened, counted=len(found) - opened, closed=closed)
    return opened, len(found) - opened, closed


def _found(context: StepContext) -> tuple[list[Alert], list[str], list[str]]:
    """What the monitor step handed over: alerts, matters that were measured, keys that stay open anyway.

    That it handed over nothing is an alert, never good news.
    """
    partition, project = context.partitions[-1].key, context.project.name
    if not context.request.inputs.get("monitor"):
        if not context.request.origin.dag_id:  # nobody ran a monitor that could have died
            raise InputError(f"no result of step 'monitor' for {partition}: run monitor first, then alert")
        if _never_reached(context):
            return [], [], []
        body = "The monitor step ended without a result: nothing is known about drift or performance."
        return [Alert(DIED, "page", f"{project} {partition}: monitoring died", body)], [], []
    values = context.handover("monitor").values
    alerts, settled, held = (values.get(name, []) for name in ("alerts", "ok", "held"))
    if not isinstance(alerts, list) or not isinstance(settled, list) or not isinstance(held, list):
        raise InputError("the monitor step's handover holds no list of alerts")
    try:
        found = [Alert(**item) for item in alerts]  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"an alert of the monitor step is not one: {error}") from None
    return found, [DIED, *map(str, settled)], [*map(str, held), *(alert.key for alert in found)]


def _never_reached(context: StepContext) -> bool:
    """Whether the run ended at the step before the monitor: that step's failure is an alert of its own."""
    origin, project = context.request.origin, context.project.name
    task = f"{origin.dag_id}/{origin.run_id}"
    with context.warehouse.transaction() as cursor:
        before = failures.last_attempt(cursor, project, f"{task}/{BEFORE}")
        began = failures.last_attempt(cursor, project, f"{task}/monitor")
        return bool(before and not began and attempts.finished(cursor, before.work) is None)


def _store_failures(context: StepContext) -> tuple[int, int]:
    """Alerts of failed tasks opened, and counted onto open ones; nothing twice for one piece of work."""
    before = context.published(KEY)
    if before is not None:
        return before["opened"], before["counted"]
    project, opened = context.project.name, 0
    with context.publication(KEY) as publication:
        found = failed_tasks.found(publication.cursor, context.request, context.project)
        for failed in found:
            due = channels.due_channels(context.project.alerts.channels, failed.alert)
            opened += failures.note(publication.cursor, project, failed.alert, failed.span, failed.work, due)
        publication.outputs.update(opened=opened, counted=len(found) - opened)
    return opened, len(found) - opened


def _ends_ingest(context: StepContext) -> bool:
    """Whether the step stands behind extract: its alerts are in the ledger already."""
    return "extract" in context.request.inputs


def _by_itself(context: StepContext) -> bool:
    """Whether the step is a stage of its own, and tells what is due."""
    asked = context.request
    return not asked.inputs and asked.origin.dag_id in ("", f"{context.project.name}_alerts")


def _become_due(context: StepContext) -> tuple[int, int]:
    """Make due what people's acts, or their absence, lead to; alerts escalated, and open ones silenced."""
    project = context.project
    incidents = [channels.channel_id(item) for item in _all_channels(project) if item.kind == "pagerduty"]
    with context.warehouse.transaction() as cursor:
        ledger.hold(cursor, project.name)
        escalated = 0
        if project.alerts.escalate is not None:
            told = [channels.channel_id(item) for item in project.alerts.escalate.channels]
            escalated = escalation.escalate(cursor, project.name, told, project.alerts.escalate.after)
        escalation.pass_on(cursor, project.name, incidents)
        return escalated, ledger.silenced(cursor, project.name)


def _all_channels(project: Project) -> list[Channel]:
    escalate = project.alerts.escalate
    return [*project.alerts.channels, *(escalate.channels if escalate else [])]


def _channel(project: Project, name: str, what: What) -> Channel | None:
    """The channel of this name; where both lists hold it, the one that the message is for."""
    found = [item for item in _all_channels(project) if channels.channel_id(item) == name]
    if not found:
        return None
    return found[-1] if what == "escalated" else found[0]


def _tell(context: StepContext, pending: Pending) -> tuple[str, str, bool]:
    """Hand one message over: the delivery's state, what went wrong, whether its channel is down."""
    try:
        channel = _channel(context.project, pending.channel, pending.what)
        if channel is None:
            raise InputError("the project has no such channel any more")
        if pending.what == "resolved" and not channel.tells_end:
            return "given_up", "", False
        owner, runbook = contact(context.project, pending.alert.matter, pending.owner)
        told = replace(pending, owner=owner, runbook=runbook, alert=_addressed(context, pending.alert))
        picture = _picture(context, pending) if channel.kind == "email" else b""
        channels.deliver(channel, told, context.settings, picture=picture)
    except InputError as problem:
        return "given_up", problem.message, False
    except MlcycleError as problem:
        return "pending", problem.message, True
    return "delivered", "", False


def _addressed(context: StepContext, alert: Alert) -> Alert:
    """The alert with addresses that a browser opens, where it is known where Airflow is.

    A picture without one is no link for anybody: an e-mail shows it, the others say nothing of it.
    """
    base = context.settings.airflow_url.rstrip("/")

    def address(path: str) -> str:
        return f"{base}{PAGES}/{quote(path)}" if base and path.startswith("reports/") else path

    picture = address(alert.picture)
    return replace(alert, link=address(alert.link), picture=picture if "://" in picture else "")


def _picture(context: StepContext, pending: Pending) -> bytes:
    """The alert's picture; nothing where it is gone, large, or the message tells of an end."""
    path = pending.alert.picture
    if not path or pending.what == "resolved":
        return b""
    try:
        found = context.artifacts.read(path)
    except InputError:
        return b""
    return found if len(found) <= LARGEST else b""


def _deliver(context: StepContext) -> tuple[int, int, list[str]]:
    """Hand over what is due, oldest first; a channel that fails is left alone until the next run.

    Each delivery is a transaction that holds the project's alerts, so that two runs never deliver
    one alert at once.
    """
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
            state, error, down_now = _tell(context, pending)
            if down_now:
                down.add(pending.channel)
            if error:
                problems.append(error)
            delivered += state == "delivered"
            ledger.note_delivery(publication.cursor, pending, state, error)
    with context.warehouse.transaction() as cursor:
        waiting = ledger.waiting(cursor, context.project.name)
    return delivered, waiting, problems
