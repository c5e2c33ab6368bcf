"""Make the challenger the champion, if the gate and whoever was asked said yes, and nobody was faster."""

from typing import Any

from mlcycle.adapters.tracking.model_check import check_again
from mlcycle.contract import Status
from mlcycle.errors import Conflict, InputError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import comparisons, models
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Promote by compare-and-set in the ledger. MLflow's aliases follow in ``reconcile``."""
    before = context.published("champion")
    if before is not None:
        return _outcome(before, replayed=True)
    project = context.project.name
    compared = context.handover("compare").values
    with context.warehouse.transaction() as cursor:
        comparison = comparisons.get(cursor, project, _number(compared.get("comparison_id")))
        challenger = models.get(cursor, project, comparison.challenger)
    if comparison.verdict != "promote":
        return Outcome(
            Status.SKIPPED,
            f"the gate refused version {challenger.version}: {'; '.join(comparison.reasons)}",
            values={"verdict": comparison.verdict, "reasons": comparison.reasons},
        )
    decision = _decision(context)
    if decision == "reject":
        return _rejected(context, challenger.version)
    note = check_again(context.settings, context.artifacts, challenger, context.scratch / "promoted")
    if note:
        context.progress(note)
    actor, said = _actor(context), str(context.param("decision_reason", ""))
    with context.publication("champion") as publication:
        if decision:
            champions.record_approval(publication.cursor, project, challenger.version, decision, actor, said)
        seq = champions.crown(
            publication.cursor,
            project,
            challenger.version,
            expected_seq=comparison.champion_seq,
            action="promote",
            actor=actor,
            reason="; ".join(filter(None, [comparison.reasons[0], said])),
            comparison_id=comparison.comparison_id,
        )
        publication.outputs.update(seq=seq, version=challenger.version, candidate=challenger.candidate)
    return _outcome(publication.outputs)


def _outcome(values: dict[str, Any], *, replayed: bool = False) -> Outcome:
    if values.get("decision") == "reject":
        return Outcome(Status.SKIPPED, values["message"], values={"verdict": "reject"}, replayed=replayed)
    return Outcome(
        message=f"version {values['version']} ({values['candidate']}) is champion number {values['seq']}",
        values={"seq": values["seq"], "version": values["version"]},
        replayed=replayed,
    )


def _rejected(context: StepContext, version: int) -> Outcome:
    """Record a person's no."""
    actor, said = _actor(context), str(context.param("decision_reason", ""))
    message = f"{actor} rejected version {version}" + (f": {said}" if said else "")
    with context.publication("champion") as publication:
        champions.record_approval(publication.cursor, context.project.name, version, "reject", actor, said)
        publication.outputs.update(decision="reject", message=message)
    return _outcome(publication.outputs)


def _decision(context: StepContext) -> str:
    """What a person decided: ``approve``, ``reject``, or nothing where nobody needed to be asked."""
    given = str(context.param("decision", "")).lower()
    if given not in ("", "approve", "reject"):
        raise InputError(f"param decision {given!r} is neither 'approve' nor 'reject'")
    if not given and context.project.approval.required:
        raise Conflict(f"{context.project.name} asks for an approval before a promotion, and none was given")
    return given


def _actor(context: StepContext) -> str:
    return str(context.param("decided_by", "")) or context.request.origin.dag_id or "mlcycle"


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise InputError("step 'compare' handed over no comparison: run it again")
    return value
