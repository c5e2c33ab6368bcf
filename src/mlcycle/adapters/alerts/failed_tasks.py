"""Alerts of a run's tasks that failed for good, or of an overdue run: Airflow names them, the ledger why.

A step that was killed, ran out of memory or went down with its machine left no result: Airflow knows
that its task is over, and that alone is told.
"""

from dataclasses import dataclass
from datetime import timedelta

from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import Request
from mlcycle.cycle import BY_PARTITION
from mlcycle.domain import failure_alerts
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import failures, past
from mlcycle.ledger.alerts import Alert
from mlcycle.project import Project

NO_ATTEMPT = "its task failed before the step began: the task's log says why"
NO_RESULT = (
    "the step ended without a result: it was killed, ran out of memory, or its machine was lost. "
    "The task's log says more; clearing the task does the work again"
)
DELIVERY = ("validate", "publish")  # what they reject is an alert of its own already


@dataclass(frozen=True)
class Failed:
    """A failed task's alert, the partitions it is of, and the work that failed."""

    alert: Alert
    span: tuple[str, str]
    work: str


def found(cursor: Cursor, request: Request, project: Project) -> list[Failed]:
    """What to tell of the tasks in the request's ``failed``: ``step`` or ``step.variant`` -> task id.

    Left out is what another alert tells: a delivery that validation refused. Runs for the past tell
    nobody, by when the failed work began.
    """
    if "overdue" in request.params:
        return _overdue(cursor, request, project)
    origin, stage = request.origin, str(request.params.get("stage", ""))
    named = request.params["failed"]
    assert isinstance(named, dict)
    told = []
    for name, task in sorted(named.items()):
        step, _, variant = name.partition(".")
        ended = failures.last_attempt(cursor, project.name, f"{origin.dag_id}/{origin.run_id}/{task}")
        error = ended.error if ended else None
        work = ended.work if ended else f"{origin.dag_id}/{origin.run_id}/{task}"
        if step in DELIVERY and error is not None and error.kind == "data":
            continue
        partitions = request.partitions
        if step in BY_PARTITION and partitions and _past(cursor, project, partitions.last, work, request):
            continue
        why = error.message if error else NO_RESULT if ended else NO_ATTEMPT
        span = (partitions.first, partitions.last) if partitions else ("", "")
        whole = variant == project.entity.table
        link = (ended.link if ended else "") or str(request.params.get("link", ""))
        alert = failure_alerts.failed(project.name, stage, span[1], step, variant, why, link, whole=whole)
        told.append(Failed(Alert(**alert), span, work))
    return told


def _overdue(cursor: Cursor, request: Request, project: Project) -> list[Failed]:
    """The alert of a run that should have ended; none where it is for the past."""
    stage, partitions = str(request.params["overdue"]), request.partitions
    span = (partitions.first, partitions.last) if partitions else ("", "")
    daily = stage in failure_alerts.DAILY_STAGES
    if daily and partitions and _past(cursor, project, partitions.last, request.work, request):
        return []
    within = timedelta(seconds=float(str(request.params["within"])))
    link, run = str(request.params.get("link", "")), request.origin.run_id
    alert = failure_alerts.overdue(project.name, stage, span[1], run, within, link)
    return [Failed(Alert(**alert), span, request.work)]


def _past(cursor: Cursor, project: Project, last: str, work: str, request: Request) -> str:
    backfill = request.params.get("run_type") == "backfill"
    return past.why(cursor, project, Partition.parse(last, project.unit), work, backfill=backfill)
