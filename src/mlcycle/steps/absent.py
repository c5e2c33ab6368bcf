"""Say that partitions will never be delivered, or take that back. Who, when and why is kept."""

from mlcycle.contract import Status
from mlcycle.domain.failure_alerts import stopped_key
from mlcycle.domain.gaps import listed
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.ledger import batches, failures, gaps
from mlcycle.steps.context import Outcome, StepContext

YES = ("yes", "true", "1")


def run(context: StepContext) -> Outcome:
    """Declare the partitions of one table, or of all, by the tables' own keys.

    What holds data already is left out: it was delivered. A declaration whose partition is delivered
    after all is closed by the run that takes it. Raises InputError without a reason.
    """
    project, unit = context.project, context.project.unit
    reason = " ".join(str(context.param("reason", "")).split())
    if not reason:
        raise InputError("say why: a declaration is kept with its reason")
    undo = str(context.param("undo", "")).lower() in YES
    actor = context.request.origin.user or "a person"
    asked = context.param("table")
    if asked and asked not in project.source.tables:
        raise InputError(
            f"no table {asked!r} in project {project.name!r}: {', '.join(project.source.tables)}"
        )
    start = Partition.parse(project.source.start, unit)
    keys = [partition.key for partition in context.partitions if partition >= start]
    if not keys:
        raise InputError(f"{project.name} has no partition before {start.key}: name a later one")
    said = []
    with context.publication() as publication:
        cursor = publication.cursor
        for table in [asked] if asked else project.source.tables:
            if undo:
                done = gaps.undo(cursor, project.name, table, keys, actor, reason)
            else:
                held = batches.current(cursor, project.name, table, keys)
                done = [key for key in keys if key not in held]
                gaps.declare(cursor, project.name, table, done, actor, reason)
                failures.mend(cursor, project.name, stopped_key(table), [(key, key) for key in done])
            if done:
                said.append(f"{table}: {listed(done)}")
        what = "expected again" if undo else "declared absent"
        message = f"{what}: {'; '.join(said)}" if said else f"nothing to be {what}"
        outcome = publication.outcome = Outcome(Status.OK if said else Status.SKIPPED, message)
    return outcome
