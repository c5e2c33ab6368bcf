"""Make MLflow's aliases say what the ledger says: ``champion`` and ``previous``."""

from mlcycle.adapters.tracking.server import CHAMPION, PREVIOUS, Tracking
from mlcycle.contract import Status
from mlcycle.ledger import champion as champions
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Reconcile. The ledger is right; running this again, or several at once, ends the same way."""
    project = context.project.name
    tracking = Tracking(context.settings, project)
    changed: list[str] = []
    while True:
        with context.warehouse.transaction() as cursor:
            champion = champions.current(cursor, project)
            previous = champions.before(cursor, project, champion) if champion else None
        if champion is None:
            return Outcome(Status.SKIPPED, f"{project} has no champion yet: there are no aliases to set")
        wanted = {CHAMPION: champion.version, PREVIOUS: previous.version if previous else None}
        present = tracking.aliases()
        for alias, version in wanted.items():
            if present.get(alias) != version:
                tracking.set_alias(alias, version)
                changed.append(f"{alias} -> {version}")
        with context.warehouse.transaction() as cursor:
            newest = champions.current(cursor, project)
        if newest is not None and newest.seq == champion.seq:
            break  # else the history moved on meanwhile, and the aliases may be behind it
    return Outcome(
        message=f"champion is version {champion.version}: " + (", ".join(changed) or "the aliases agree"),
        values={"seq": champion.seq, "version": champion.version, "changed": changed},
        links={"mlflow": tracking.run_url(champion.run_id)},
    )
