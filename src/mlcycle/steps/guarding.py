"""What the project's guardrails limit, measured of challenger and champion on the same rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.pages.guardrails_section import Guarded
from mlcycle.domain.evaluation.document import Document
from mlcycle.domain.guardrails import calibration, fairness, figures, latency, size
from mlcycle.domain.guardrails.fairness import Group
from mlcycle.domain.guardrails.finding import Finding
from mlcycle.domain.metrics import Array
from mlcycle.domain.tasks import task_of
from mlcycle.steps.context import StepContext
from mlcycle.steps.opening import Opened

if TYPE_CHECKING:
    import pandas as pd


TURNS = 15  # of each model: with them the median's bound leaves the four fastest out


def measured(
    context: StepContext,
    holdout: "pd.DataFrame",
    labels: Array,
    new: Array,
    blocks: NDArray[np.int64],
    *,
    learnt: Array,
    before: Array | None,
    challenger: Callable[[], Opened],
    champion: Callable[[], Opened | None],
    evaluation: Callable[[], Document | None],
) -> Guarded:
    """What the project's guardrails find; models are opened only where one asks for more than predictions.

    ``learnt`` are the training's labels, ``evaluation`` what is known of the challenger.
    """
    asked, task = context.project.gate.guardrails, context.project.label.task
    found, groups = list[Finding](), dict[str, list[Group]]()
    if asked.calibration:
        limit = asked.calibration.max_error
        unit = None if task_of(task).probabilities else float(learnt.std())
        found.append(calibration.judged(labels, new, before, blocks, unit=unit, max_error=limit))
    if asked.fairness:
        for column in asked.fairness.columns:
            groups[column] = _groups(
                context, holdout[column].astype(str).tolist(), labels, new, before, blocks
            )
            rate, limit = asked.fairness.rate, asked.fairness.max_difference
            found.append(fairness.judged(column, rate, groups[column], limit))
    if asked.latency or asked.size:
        own, other = challenger(), champion()
        if asked.latency:
            context.progress(f"timing predictions of {asked.latency.rows} rows")
            times = _turns([own] if other is None else [own, other], asked.latency.rows)
            rows = min(asked.latency.rows, len(holdout))
            limits = asked.latency.max_ms, asked.latency.max_ratio
            found.append(latency.judged(times[0], times[1] if other else None, rows, *limits))
        if asked.size:
            limits = asked.size.max_mib, asked.size.max_ratio
            found.append(size.judged(own.bytes, other.bytes if other else None, *limits))
    if asked.figures:
        document = evaluation()
        found += [figures.judged(document, each.path, each.at_most, each.at_least) for each in asked.figures]
    return Guarded(found, labels, new, before, groups)


def _groups(
    context: StepContext,
    texts: list[str],
    labels: Array,
    new: Array,
    before: Array | None,
    blocks: NDArray[np.int64],
) -> list[Group]:
    asked, threshold = context.project.gate.guardrails.fairness, context.project.value.threshold
    assert asked is not None

    def of(predictions: Array) -> list[Group]:
        values, counted = fairness.of_rows(asked.rate, labels, predictions, threshold)
        return fairness.differences(values, counted, texts, blocks, asked.min_rows)

    known = {group.name: group.difference for group in of(before)} if before is not None else {}
    return [replace(group, before=known.get(group.name)) for group in of(new)]


def _turns(models: Sequence[Opened], rows: int) -> list[list[float]]:
    """Seconds of each model's turns; the first turn of each, which loads what it needs, does not count."""
    batches = [each.rows.head(rows) for each in models]
    found: list[list[float]] = [[] for _ in models]
    for turn in range(TURNS + 1):
        for at in range(len(models)) if turn % 2 else reversed(range(len(models))):
            began = time.perf_counter()
            models[at].model.predict(batches[at])
            found[at].append(time.perf_counter() - began)
    return [each[1:] for each in found]
