"""Ask for a retrain: a monitor or a shadow within cooldown and budget, a person with a reason, the schedule.

Where the project wants it, what a monitor gets is a shadow first (``shadow_wish``).
"""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import Status
from mlcycle.domain.retrain_policy import refusal
from mlcycle.errors import InputError
from mlcycle.ledger import batches, past, retrain, spent
from mlcycle.ledger.retrain import RetrainRequest
from mlcycle.steps import shadow_wish
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Decide on one request and note it. Skipped where it is not wanted or refused, with why."""
    source, reason, unproven = _asked(context)
    if source == "monitor" and context.project.retrain.asks == "shadow":
        return shadow_wish.decide(context, reason)
    if not reason:
        return Outcome(Status.SKIPPED, "the monitors ask for no retrain")
    as_of, policy, project = _as_of(context), context.project.retrain, context.project.name
    with context.publication() as publication:
        cursor = publication.cursor
        retrain.hold(cursor, project)
        why_not = (
            unproven
            or _of_the_past(context, cursor, source)
            or refusal(
                source,
                as_of,
                retrain.accepted(cursor, project),
                cooldown=policy.cooldown,
                budget=policy.budget,
                per=policy.per,
            )
            or (source != "person" and spent.overspent(cursor, context.project))
            or ""
        )
        request = RetrainRequest(source, reason, as_of, not why_not, why_not)
        retrain.record(cursor, project, context.request.work, request)
        outcome = publication.outcome = _outcome(request)
    return outcome


def _of_the_past(context: StepContext, cursor: Cursor, source: str) -> str:
    """Why a monitor's wish counts for nothing: what was so then is no reason to train now."""
    if source != "monitor":
        return ""
    why = past.why(cursor, context.project, context.partitions[-1], context.request.work)
    return f"the run is for the past: {why}" if why else ""


def _asked(context: StepContext) -> tuple[str, str, str]:
    """Source, reason (empty where a monitor wants nothing), and why it counts for nothing, if so.

    Raises InputError.
    """
    if "monitor" in context.request.inputs:
        wish = context.handover("monitor").values.get("retrain")
        if not isinstance(wish, dict) or not wish.get("wanted"):
            return "monitor", "", ""
        return "monitor", str(wish.get("reason") or "a monitor asked for it"), ""
    if "shadow" in context.request.inputs:
        compared = context.handover("shadow").values
        return "shadow", str(compared["reason"]), str(compared["why_not"])
    source = context.param("source", "person")
    if source not in ("person", "schedule"):
        raise InputError(f"source {source!r} of a retrain request: write 'person' or 'schedule'")
    reason = " ".join(str(context.param("reason", "")).split())
    if not reason and source == "person":
        raise InputError(
            "a person's retrain request needs a reason: say why the model should be trained again"
        )
    return source, (reason or "the project's schedule")[:2000], ""


def _as_of(context: StepContext) -> datetime:
    """The end of the partitions asked for, else of the newest partition there is."""
    if context.request.partitions is not None:
        return context.partitions[-1].end
    project = context.project
    with context.warehouse.transaction() as cursor:
        newest = batches.newest(cursor, project, project.entity.table)
    if newest is None:
        raise InputError(
            f"{project.name} has no data yet: ingest a partition of {project.entity.table!r} first"
        )
    return newest.end


def _outcome(request: RetrainRequest) -> Outcome:
    if request.refused_because:
        return Outcome(Status.SKIPPED, f"no retrain ({request.reason}): {request.refused_because}")
    message = f"retrain asked for by {request.source}: {request.reason}"
    return Outcome(message=message, values={"as_of": request.as_of.isoformat(), "reason": request.reason})
