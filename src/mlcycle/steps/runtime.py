"""Running a step: from a request to a result, whatever happens in between.

Opens the attempt, answers with the outcome that an earlier attempt of the same work published, or runs
the step, turns errors into the contract's words, and closes the attempt.
"""

import errno
import importlib
import shutil
import time
import traceback
from datetime import UTC, datetime
from typing import Any

import psycopg2
from pydantic import ValidationError

from mlcycle import kept_files, packages
from mlcycle.adapters.warehouse.connection import Warehouse, is_cut
from mlcycle.contract import ErrorInfo, ExitCode, Request, Result, Status, code_version
from mlcycle.cycle import BY_PARTITION, LAST_STEP, OWN, ROLES, STAGES
from mlcycle.domain.failure_alerts import failed_key, overdue_key
from mlcycle.errors import DataRejected, InputError, IntegrityError, MlcycleError, NotYet, OutOfSpace
from mlcycle.ledger import attempts, failures
from mlcycle.project import Project
from mlcycle.project_code import activate
from mlcycle.settings import Settings
from mlcycle.steps.context import OUTCOME, Outcome, StepContext


def run_step(request: Request, settings: Settings) -> Result:
    """Run one step. Never raises for a failure of the step: the result tells it."""
    started_at, clock = datetime.now(UTC), time.perf_counter()

    def result(outcome: Outcome, error: ErrorInfo | None = None, again_at: datetime | None = None) -> Result:
        return Result(
            step=request.step,
            work=request.work,
            status=outcome.status,
            message=outcome.message or (error.message if error else ""),
            outputs=outcome.outputs,
            values=outcome.values,
            metrics=outcome.metrics,
            links=outcome.links,
            replayed=outcome.replayed,
            error=error,
            again_at=again_at,
            started_at=started_at,
            seconds=round(time.perf_counter() - clock, 3),
            code_version=code_version(),
        )

    warehouse = Warehouse(settings, name=f"mlcycle:{request.step}")
    token = None
    try:
        if request.step not in ROLES:
            raise InputError(f"no step {request.step!r}: there are {', '.join(sorted(ROLES))}")
        project = _project(request)
        packages.use(project.code.requirements, settings.packages, project.name)
        kept_files.use(settings.artifacts_url, settings.scratch)
        activate(project.own_code)
        with warehouse.transaction() as cursor:
            before = attempts.finished(cursor, request.work)
            if before is not None:
                return before.model_copy(update={"replayed": True})
            token = attempts.open_attempt(cursor, request, project.name)
            left = attempts.published(cursor, request.work, OUTCOME)
        if left is not None:
            outcome = Outcome.read(left, replayed=True)
        else:
            outcome = _run(StepContext(request, project, settings, token, warehouse))
        try:
            finished = result(outcome)
        except ValidationError as error:
            raise IntegrityError(f"the step hands over what cannot travel: {_first(error)}") from None
    except Exception as error:  # noqa: BLE001 - whatever happens, the contract owes a result
        status, info = describe(error)
        links = error.links if isinstance(error, DataRejected) else {}
        again_at = error.again_at if isinstance(error, NotYet) else None
        finished = result(Outcome(status=status, links=links), info, again_at)
    if token is not None:
        _close(warehouse, token, finished, request)
    warehouse.close()
    return finished


def _run(context: StepContext) -> Outcome:
    try:
        module = importlib.import_module(f"mlcycle.steps.{context.request.step}")
        outcome: Outcome = module.run(context)
        return outcome
    finally:
        if "scratch" in vars(context):
            shutil.rmtree(context.scratch, ignore_errors=True)


def describe(error: Exception) -> tuple[Status, ErrorInfo]:
    """An exception in the contract's words; one that nobody foresaw keeps its traceback in the log."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        error = OutOfSpace(
            f"no room left while staging ({error.filename or 'scratch'}): free space, then retry"
        )
    if isinstance(error, MlcycleError):
        status = Status.REJECTED if error.rejects_data else Status.FAILED
        status = Status.WAITING if isinstance(error, NotYet) else status
        return status, ErrorInfo(kind=error.kind, message=error.message, retryable=error.retryable)
    traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return Status.FAILED, ErrorInfo(
            kind="memory", message="out of memory: give the step more, or it smaller work", retryable=False
        )
    text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    retryable = isinstance(error, ConnectionError | TimeoutError | psycopg2.OperationalError) or is_cut(error)
    return Status.FAILED, ErrorInfo(kind="internal", message=text, retryable=retryable)


def _project(request: Request) -> Project:
    try:
        return Project.model_validate(request.project)
    except ValidationError as error:
        raise InputError(f"the request's project is not valid: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    first: Any = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _close(warehouse: Warehouse, token: int, finished: Result, request: Request) -> None:
    """Note the end in the ledger, and what it mends. What the step published stands without it."""
    try:
        with warehouse.transaction() as cursor:
            attempts.finish(cursor, token, finished)
            if finished.exit_code is ExitCode.OK:
                for key in _failed_keys(request):
                    failures.mend(cursor, request.project["name"], key, [_mended(request)])
    except MlcycleError as error:
        print(f"attempt {token} could not be closed in the ledger: {error.message}", flush=True)


def _failed_keys(request: Request) -> list[str]:
    """Keys of the alerts that this step's success closes: of its failure, of its overdue run."""
    each = next(
        (step.each for stage in STAGES.values() for step in stage.steps if step.name == request.step),
        OWN if request.step == OWN else "",
    )
    own = failed_key(request.step, str(request.params.get(each, "")) if each else "")
    return [own, *(overdue_key(stage) for stage, step in LAST_STEP.items() if step == request.step)]


def _mended(request: Request) -> tuple[str, str]:
    """Failures of which partitions the step's success mends."""
    if request.step not in BY_PARTITION or request.partitions is None:
        return failures.ALL
    return request.partitions.first, request.partitions.last
