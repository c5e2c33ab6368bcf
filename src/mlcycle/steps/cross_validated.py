"""The spread of a candidate's metrics over folds of its training rows, beside the one figure of validation.

Each fold is trained as long as the candidate's own fit was, and predicts rows that it has not learnt.
Validation and holdout are in no fold. A retry goes on with the folds that a dead attempt had not done.
"""

import io
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.tracking.server import Tracking
from mlcycle.domain.folds import Fold, Plan
from mlcycle.domain.metrics import measure
from mlcycle.domain.quantiles import are, levels_of, point, values_of, word
from mlcycle.project import Project
from mlcycle.project.cross_validation import CrossValidation
from mlcycle.steps.context import StepContext

if TYPE_CHECKING:
    from mlcycle.domain.examples import Rows
    from mlcycle.models.base import Job, Model, Params
    from mlcycle.models.out_of_fold import OutOfFold

FOLDER = "cross_validation"


@dataclass(frozen=True)
class CrossValidated:
    """``metrics``: ``cv_<metric>_mean`` and ``_sd``. ``document``: policy, and each fold's figures."""

    metrics: dict[str, float]
    document: dict[str, Any]


def plan_of(project: Project) -> Plan:
    """How the project's training rows are dealt out; blocks of time where its file does not say."""
    label = project.label
    # Of any row of a partition: its label is known so long after the partition has ended.
    known_after = project.unit.most(project.unit.length + label.ahead + label.delay)
    return (project.split.cross_validation or CrossValidation(policy="time_series")).plan(known_after)


def cross_validated(
    context: StepContext,
    tracking: Tracking,
    run_id: str,
    found: "OutOfFold",
    rows: "Rows",
) -> CrossValidated:
    """Log what the metrics of each fold's predictions are.

    The run gets ``cv_<metric>`` with a step for each fold, their mean and standard deviation, and two files:
    the folds' figures, and what was predicted of each row by its position among the training rows. Figures
    are of ``rows``, the fit's as they weigh without ``training``'s weights.
    """
    folds = [figures(context.project, rows, found, fold) for fold in found.folds]
    logged = [
        (f"cv_{name}", value, step)
        for step, fold in enumerate(folds, start=1)
        for name, value in fold["metrics"].items()
    ]
    metrics = spread(folds)
    policy = context.project.split.cross_validation
    document = {"policy": policy.policy if policy is not None else "time_series", "folds": folds}
    tracking.log(run_id, metrics=[*logged, *((name, value, 0) for name, value in metrics.items())])
    tracking.log_file(run_id, f"{FOLDER}/folds.json", json.dumps(document, indent=1).encode())
    tracking.log_file(run_id, f"{FOLDER}/out_of_fold.parquet", _table(rows, found))
    return CrossValidated(metrics, document)


def over_folds(job: "Job", model: "Model", params: "Params") -> "OutOfFold":
    """What the model's family says of each fold of the training rows, trained as long as the model was.

    Raises InputError where the rows cannot be dealt out as ``job.folds`` says.
    """
    from mlcycle.models.out_of_fold import out_of_fold, within

    job = replace(
        within(job, FOLDER), rounds=model.card.rounds or None, member_rounds=model.card.member_rounds
    )
    return out_of_fold(job, params, model.card.family)


def figures(project: Project, rows: "Rows", found: "OutOfFold", fold: Fold) -> dict[str, Any]:
    """What one fold's predictions are worth."""
    weights = None if rows.weights is None else rows.weights[fold.test]
    said, labels = found.predictions[fold.test], rows.labels[fold.test]
    return {
        "name": fold.name,
        "train_rows": len(fold.train),
        "rows": len(fold.test),
        "metrics": measure(project.label.task, labels, said, weights),
    }


def spread(folds: list[dict[str, Any]]) -> dict[str, float]:
    """Mean and standard deviation over the folds that a metric is defined on, two at the least."""
    names = dict.fromkeys(name for fold in folds for name in fold["metrics"])
    found = {}
    for name in names:
        values = [fold["metrics"][name] for fold in folds if name in fold["metrics"]]
        if len(values) > 1:
            found[f"cv_{name}_mean"] = float(np.mean(values))
            found[f"cv_{name}_sd"] = float(np.std(values, ddof=1))
    return found


def _table(rows: "Rows", found: "OutOfFold") -> bytes:
    """Parquet: ``row``, ``fold``, ``label``, ``prediction``, or ``class_0`` and so on of many classes.

    Of quantiles ``quantile_10`` and so on beside the prediction, which is their median.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = np.concatenate([fold.test for fold in found.folds])
    names = [fold.name for fold in found.folds for _ in fold.test]
    said = found.predictions[at]
    if are(said):
        names_of = (f"quantile_{word(level)}" for level in levels_of(said))
        columns = {"prediction": point(said), **dict(zip(names_of, values_of(said).T, strict=True))}
    elif said.ndim == 1:
        columns = {"prediction": said}
    else:
        columns = {f"class_{i}": each for i, each in enumerate(said.T)}
    table = pa.table({"row": at, "fold": names, "label": rows.labels[at], **columns})
    stream = io.BytesIO()
    pq.write_table(table.sort_by("row"), stream)
    return stream.getvalue()
