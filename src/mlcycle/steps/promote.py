"""Make the challenger the champion, if the gate and whoever was asked said yes, and nobody was faster."""

from typing import Any

from mlcycle.adapters.tracking.model_check import check_again
from mlcycle.contract import Decision, Status
from mlcycle.errors import Conflict, InputError
from mlcycle.ledger import anchor as anchors
from mlcycle.ledger import champion as champions
from mlcycle.ledger import comparisons, models
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Promote by compare-and-set in the ledger. MLflow's aliases follow in ``reconcile``."""
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
    decision = _decision(context, challenger.version)
    if decision is not None and decision.choice == "reject":
        return _rejected(context, challenger.version, decision)
    served = _served(context, challenger)
    note = check_again(context.settings, context.artifacts, served, context.scratch / "promoted")
    if note:
        context.progress(note)
    origin = context.request.origin
    actor, said = (decision.user, decision.reason) if decision else (origin.user or origin.dag_id, "")
    with context.publication() as publication:
        seq = champions.crown(
            publication.cursor,
            project,
            served.version,
            expected_seq=comparison.champion_seq,
            action="promote",
            actor=actor or "mlcycle",
            reason="; ".join(filter(None, [comparison.reasons[0], _refitted(served), said])),
            comparison_id=comparison.comparison_id,
        )
        if comparison.statistics.get("proven"):
            anchors.move(
                publication.cursor,
                project,
                challenger.version,
                comparison.comparison_id,
                comparison.reasons[0],
            )
        outcome = publication.outcome = Outcome(
            message=f"version {served.version} ({served.candidate}) is champion number {seq}"
            + (f": {_refitted(served)}" if _refitted(served) else ""),
            values={"seq": seq, "version": served.version},
        )
    return outcome


def _served(context: StepContext, judged: models.ModelVersion) -> models.ModelVersion:
    """What takes the champion's place: the judged model, or its recipe trained again on all rows."""
    found = [entry.values.get("version") for entry in context.request.inputs.get("refit", [])]
    versions = [version for version in found if isinstance(version, int)]
    if not versions:
        return judged
    with context.warehouse.transaction() as cursor:
        served = models.get(cursor, context.project.name, versions[0])
    if served.judged != judged.version:
        raise InputError(
            f"step 'refit' handed over version {served.version}, which is no refit of version "
            f"{judged.version}: run it again"
        )
    return served


def _refitted(served: models.ModelVersion) -> str:
    """What was judged, where it is not what is served."""
    return "" if served.judged is None else f"judged was version {served.judged}, served is its refit"


def _rejected(context: StepContext, version: int, decision: Decision) -> Outcome:
    """A person's no: nothing changes."""
    message = f"{decision.user} rejected version {version}" + (
        f": {decision.reason}" if decision.reason else ""
    )
    outcome = Outcome(Status.SKIPPED, message, values={"verdict": "reject"})
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome


def _decision(context: StepContext, version: int) -> Decision | None:
    """What a person decided, kept before anything follows from it: a retry does not ask again.

    Raises Conflict where the project wants a person asked and nobody's answer came with the request.
    """
    before = context.published("decision")
    if before is not None:
        return Decision.model_validate(before)
    decision, project = context.request.decision, context.project
    if decision is None:
        if project.approval.required:
            raise Conflict(
                f"{project.name} asks for an approval before a promotion, and there is no record of one: "
                f"start {project.name}_promote in Airflow and answer its question"
            )
        return None
    with context.publication("decision") as publication:
        champions.record_approval(
            publication.cursor, project.name, version, decision.choice, decision.user, decision.reason
        )
        publication.outputs.update(decision.model_dump(mode="json"))
    return decision


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise InputError("step 'compare' handed over no comparison: run it again")
    return value
