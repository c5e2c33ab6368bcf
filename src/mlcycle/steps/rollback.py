"""Make an earlier champion the champion again: one more row of history, nothing rewritten."""

from typing import Any

from mlcycle.adapters.tracking.model_check import check_again
from mlcycle.contract import Status
from mlcycle.errors import InputError
from mlcycle.ledger import champion as champions
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Roll back to number ``to`` of the history, or to the last version before the current one."""
    project = context.project.name
    with context.warehouse.transaction() as cursor:
        now = champions.current(cursor, project)
        if now is None:
            raise InputError(f"{project} has no champion yet: there is nothing to roll back")
        asked = context.param("to")
        target = (
            champions.before(cursor, project, now)
            if asked is None
            else champions.at(cursor, project, _number(asked))
        )
    if target is None:
        raise InputError(f"{project} never had another champion than version {now.version}")
    if target.version == now.version:
        return Outcome(Status.SKIPPED, f"version {now.version} is the champion already (number {now.seq})")
    note = check_again(context.settings, context.artifacts, target, context.scratch / "target")
    if note:
        context.progress(note)
    origin = context.request.origin
    reason = str(context.param("reason", f"rollback to number {target.seq}"))
    with context.publication() as publication:
        seq = champions.crown(
            publication.cursor,
            project,
            target.version,
            expected_seq=now.seq,
            action="rollback",
            actor=origin.user or origin.dag_id or "mlcycle",
            reason=reason,
        )
        outcome = publication.outcome = Outcome(
            message=f"version {target.version} ({target.candidate}) is champion again, as number {seq}, "
            f"instead of version {now.version}",
            values={"seq": seq, "version": target.version},
        )
    return outcome


def _number(value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise InputError(f"param to {value!r} is not a number in the champion's history") from None
