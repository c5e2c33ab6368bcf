"""What a family is told of one fit: rows as they weigh, threads, the device, where its checkpoints are."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlcycle.project import Candidate
from mlcycle.steps.context import StepContext
from mlcycle.steps.cross_validated import plan_of
from mlcycle.steps.weighed import weighed

if TYPE_CHECKING:
    from mlcycle.domain.examples import Examples
    from mlcycle.models.base import Job, Report


def job_of(
    context: StepContext,
    candidate: Candidate,
    examples: "tuple[Examples, Examples]",
    report: "Report",
    folder: Path,
) -> "Job":
    """What a family is told of a fit.

    Args:
        context: of the attempt.
        candidate: what to fit.
        examples: rows to learn from, and rows to watch the learning on.
        report: told of each round; it may say stop.
        folder: of checkpoints.

    Raises InputError for a row without a weight.
    """
    from mlcycle.models.base import Job

    learnt, watched = weighed(context.project, examples)
    return Job(
        task=context.project.label.task,
        categorical=context.project.inputs.categorical,
        numeric=context.project.inputs.numeric,
        train=learnt,
        validation=watched,
        threads=context.settings.threads or len(os.sched_getaffinity(0)),
        report=report,
        device=_device(context, candidate),
        checkpoints=folder,
        folds=plan_of(context.project),
        classes=tuple(context.project.label.classes),
        quantiles=tuple(context.project.label.quantiles),
        text=context.project.inputs.text,
        fitted=context.project.inputs.wishes,
    )


def _device(context: StepContext, candidate: Candidate) -> Literal["cpu", "cuda"]:
    """A GPU where one is asked for and can be seen."""
    if not candidate.resources.gpu:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    context.progress("resources ask for a GPU, but none can be seen here: training on the CPU")
    return "cpu"


def work_id(context: StepContext) -> str:
    """The work as a word: its own text may hold quotes, which MLflow's search cannot."""
    return hashlib.sha256(context.request.work.encode()).hexdigest()[:32]
