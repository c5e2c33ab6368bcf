"""What MLflow and Evidently's UI show of long ago. Neither being away keeps the rest from being done."""

from collections.abc import Mapping
from datetime import datetime

from mlcycle.adapters.monitoring import old_reports
from mlcycle.adapters.tracking.old_runs import OldRuns
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import Unavailable
from mlcycle.housekeeping.freed import Freed
from mlcycle.ledger import retention
from mlcycle.settings import Settings


def prune(
    settings: Settings, warehouse: Warehouse, before: Mapping[str, datetime], freed: Freed, *, dry_run: bool
) -> None:
    """Delete old runs and reports, but those of models that stay and of open alerts."""
    with warehouse.transaction() as cursor:
        needed, projects = retention.needed(cursor, before), retention.trained(cursor)
    if settings.evidently_url:
        try:
            freed.rows["runs"] += old_reports.forget(settings, before["runs"], needed.links, dry_run=dry_run)
        except Unavailable as error:
            freed.problems.append(error.message)
    if settings.mlflow_url:
        try:
            for project in projects:
                freed.rows["runs"] += _runs(settings, project, before["runs"], needed, dry_run=dry_run)
        except Unavailable as error:
            freed.problems.append(error.message)


def _runs(
    settings: Settings, project: str, before: datetime, needed: retention.Needed, *, dry_run: bool
) -> int:
    with OldRuns(settings, project) as runs:
        found = [run for run in runs.old(before) if (project, run) not in needed.runs]
        for run in found if not dry_run else ():
            runs.delete(run)
    return len(found)
