"""A step in several processes that torchrun has started: the first is the attempt, the others train with it.

Only the first opens an attempt in the ledger, tells MLflow and publishes.
"""

import shutil
from datetime import UTC, datetime

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import ExitCode, Request, Result, Status, code_version
from mlcycle.project import Project
from mlcycle.settings import Settings
from mlcycle.steps.context import StepContext
from mlcycle.steps.fit_gang import follow
from mlcycle.steps.runtime import run_step


def run_together(request: Request, settings: Settings, *, rank: int) -> Result:
    """Run the step, or, in any but the first process, take part in its fits.

    A process that fails ends with its error; torchrun then ends the others. Raises Unavailable where
    another process is lost, and what a fit raises.
    """
    from mlcycle.models.torch.gang import announce, assembled

    with assembled():
        if rank:
            return _followed(request, settings)
        result = run_step(request, settings)
        if result.exit_code is ExitCode.OK:
            announce(None)
        return result


def _followed(request: Request, settings: Settings) -> Result:
    began = datetime.now(UTC)
    project = Project.model_validate(request.project)
    context = StepContext(request, project, settings, 0, Warehouse(settings, name="mlcycle:follow"))
    try:
        follow(context)
    finally:
        context.warehouse.close()
        shutil.rmtree(context.scratch, ignore_errors=True)
    return Result(
        step=request.step,
        work=request.work,
        status=Status.OK,
        started_at=began,
        seconds=(datetime.now(UTC) - began).total_seconds(),
        code_version=code_version(),
    )
