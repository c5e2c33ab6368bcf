"""What becomes of a monitor's wish, and of the calendar's, where the project wants a shadow trained first.

A part of ``request_retrain``. A shadow that could learn nothing new, could not be told from the champion, or
could not have its retrain granted, is not trained.
"""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import Status
from mlcycle.domain import retrain_policy, shadow_policy
from mlcycle.domain.durations import format_duration
from mlcycle.domain.partitions import Partition
from mlcycle.domain.shadow_policy import Fresh
from mlcycle.errors import InputError
from mlcycle.ledger import batches, datasets, models, past, retrain, spent
from mlcycle.ledger import champion as champions
from mlcycle.ledger.retrain import RetrainRequest
from mlcycle.project import Project
from mlcycle.steps.context import Outcome, StepContext


def decide(context: StepContext, wish: str) -> Outcome:
    """Decide and note it; ``wish`` is why a monitor wants a retrain, empty where none does."""
    project, as_of = context.project, context.partitions[-1].end
    with context.publication() as publication:
        cursor = publication.cursor
        retrain.hold(cursor, project.name)
        champion = champions.current(cursor, project.name)
        shadows = retrain.accepted(cursor, project.name, "shadow")
        last = max([*shadows, *filter(None, [retrain.promoted(cursor, project.name)])], default=None)
        every = project.retrain.shadow_every
        if not wish and not shadow_policy.due(as_of, last, every):
            publication.outcome = Outcome(Status.SKIPPED, "the monitors ask for no retrain")
            return publication.outcome
        why_past = past.why(cursor, project, context.partitions[-1], context.request.work)
        little = "" if why_past else _too_little(cursor, project, champion, as_of)
        if not wish and (why_past or little):  # said again on each day until it can be trained: not noted
            publication.outcome = Outcome(
                Status.SKIPPED, f"a shadow is due and not trained yet: {why_past or little}"
            )
            return publication.outcome
        why_not = (
            (why_past and f"the run is for the past: {why_past}")
            or little
            or _not_granted(cursor, project, as_of)
            or shadow_policy.refusal(as_of, shadows, cooldown=project.retrain.cooldown)
            or spent.overspent(cursor, project)
        )
        source = "monitor" if wish else "period"
        reason = wish or f"{format_duration(every)} since the last shadow or promotion, as of {last:%Y-%m-%d}"
        request = RetrainRequest(source, reason, as_of, not why_not, why_not, "shadow")
        retrain.record(cursor, project.name, context.request.work, request)
        outcome = publication.outcome = _outcome(request)
    return outcome


def _not_granted(cursor: Cursor, project: Project, as_of: datetime) -> str:
    """Why the retrain that the shadow might ask for would be refused."""
    policy = project.retrain
    accepted = retrain.accepted(cursor, project.name)
    return retrain_policy.refusal(
        "shadow", as_of, accepted, cooldown=policy.cooldown, budget=policy.budget, per=policy.per
    )


def _too_little(
    cursor: Cursor, project: Project, champion: champions.Champion | None, as_of: datetime
) -> str:
    """Why no shadow can be trained, or would show nothing."""
    if champion is None:
        return f"there is no champion to train beside: start {project.name}_retrain with a reason"
    if champion.candidate not in project.candidates:
        return (
            f"the champion's candidate {champion.candidate!r} is not in the project file any more: "
            f"start {project.name}_retrain with a reason"
        )
    try:
        bounds = datasets.split_windows(cursor, project, as_of)
    except InputError as error:
        return error.message
    splits = datasets.manifest(cursor, project.name, champion.dataset_digest).splits
    used, labelled = max(each.end for each in splits.values()), bounds["holdout"].end
    learnt = models.learnt_until(cursor, project.name, [champion.version]).get(champion.version, used)
    rows = 0
    if used < labelled:
        first = Partition.containing(used, project.unit)
        last = Partition.containing(labelled, project.unit).shift(-1)
        rows = sum(batches.rows(cursor, project.name, project.label.table, first, last).values())
    fresh = Fresh(learnt, used, bounds["validation"].end, labelled, rows)
    return fresh.too_little(project.gate.block, project.gate.min_rows)


def _outcome(request: RetrainRequest) -> Outcome:
    if request.refused_because:
        return Outcome(Status.SKIPPED, f"no shadow ({request.reason}): {request.refused_because}")
    message = f"shadow asked for by {request.source}: {request.reason}"
    return Outcome(message=message, values={"as_of": request.as_of.isoformat(), "reason": request.reason})
