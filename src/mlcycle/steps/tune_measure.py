"""What a trial of a search is worth: on the validation rows, or over the folds of the training rows."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mlcycle.adapters.datasets.training_data import SplitExamples
from mlcycle.adapters.search.rounds import Rounds
from mlcycle.adapters.search.study import Plan
from mlcycle.domain.metrics import measure
from mlcycle.domain.search import subsamples
from mlcycle.project import Candidate
from mlcycle.steps.context import StepContext
from mlcycle.steps.cross_validated import figures, over_folds, spread
from mlcycle.steps.fitting import fit_alone

if TYPE_CHECKING:
    from mlcycle.domain.examples import Rows
    from mlcycle.models.base import Job, Model, Params

Both = tuple[SplitExamples, SplitExamples]


@dataclass
class Worth:
    """``metrics`` on the validation rows; of the search's own metric ``value`` and its ``spread`` over folds.

    ``value`` is None where the metric could not be measured, or the trial was ended early.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    value: float | None = None
    spread: float | None = None


def worth(
    context: StepContext, plan: Plan, candidate: Candidate, examples: Both, log: Rounds, work: str
) -> Worth:
    """Fit the candidate and measure it.

    Where rows are the fidelity it is fitted on the newest few of them first, then on three times as many and
    so on, each measured on the validation rows: the pruner may end the trial after each.

    Args:
        context: of the attempt.
        plan: of the search.
        candidate: with the trial's parameters.
        examples: train and validation rows.
        log: told of all; ``log.ended`` says whether the trial ended before its time.
        work: names the folder of checkpoints.
    """
    train, validation = examples
    by_rows = plan.fidelity == "rows" and plan.pruner != "none"
    sizes = subsamples(train.count) if by_rows else [train.count]
    later = validation.whole()
    for step, size in enumerate(sizes[:-1]):
        rows = _newest(train.whole(), size)
        if len(np.unique(rows.labels)) < 2:  # nothing to learn from: more rows will tell
            continue
        model = fit_alone(context, candidate, (rows, validation), log.asks, f"{work}-{size}")
        value = None if log.ended else _measured(context, model, later).get(plan.metric)
        if value is not None:
            log.judge(size, 3**step, value, last=False)
        if log.ended:
            return Worth()
    found = Worth()

    def folds(job: "Job", params: "Params", model: "Model") -> None:
        if plan.measure != "cross_validation" or log.ended:
            return
        said, rows = over_folds(job, model, params), train.whole()
        shown = spread([figures(context.project, rows, said, fold) for fold in said.folds])
        found.value, found.spread = (shown.get(f"cv_{plan.metric}_{what}") for what in ("mean", "sd"))

    model = fit_alone(context, candidate, examples, log, work, folds)
    log.flush()
    if log.ended:
        return Worth()
    found.metrics = _measured(context, model, later)
    if plan.measure == "validation":
        found.value = found.metrics.get(plan.metric)
    if found.value is not None and not math.isfinite(found.value):
        found.value = None
    if by_rows and found.value is not None:
        log.judge(train.count, 3 ** (len(sizes) - 1), found.value, last=True)
    return found


def _newest(rows: "Rows", size: int) -> "Rows":
    from mlcycle.models.out_of_fold import at

    return at(rows, np.arange(rows.count - size, rows.count))


def _measured(context: StepContext, model: "Model", rows: "Rows") -> dict[str, float]:
    from mlcycle.models.quantile_models import said

    label = context.project.label
    return measure(label.task, rows.labels, said(model, rows.frame, label.quantiles), rows.weights)
