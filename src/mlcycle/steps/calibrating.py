"""The curve of one fit: learnt from out-of-fold predictions where there are any, else from the earlier half
of the validation rows; logged, and kept where it is surely better on validation rows it has not learnt.
"""

import json
from typing import TYPE_CHECKING, Any, Protocol

from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.own_rows import Asked, Foretold, choose
from mlcycle.steps.context import StepContext
from mlcycle.steps.opening import blocks_of

if TYPE_CHECKING:
    from mlcycle.adapters.tracking.server import Tracking
    from mlcycle.domain.examples import Rows
    from mlcycle.models.base import Model
    from mlcycle.models.out_of_fold import OutOfFold


class Log(Protocol):
    """Where a fit is logged."""

    tracking: "Tracking"
    run_id: str


def calibrated(
    context: StepContext,
    log: Log,
    model: "Model",
    validation: "Rows",
    asked: Asked,
    out_of_fold: Foretold | None = None,
) -> "tuple[Model, dict[str, Any]]":
    """The model with the curve that is surely better, or as it is; and what is told of it.

    The MLflow run gets ``calibration.json``: each curve's gain in log loss on rows of its own.
    """
    from mlcycle.models.calibrated import Calibrated

    chosen = choose(
        validation.labels,
        model.predict(validation.frame),
        blocks_of(validation.frame["event_time"], context.project.gate.block),
        asked,
        validation.weights,
        out_of_fold,
    )
    served = chosen.calibrator.method if chosen.calibrator is not None else ""
    context.progress(f"calibration: {chosen.why}")
    document = {
        "asked": asked,
        "learnt_from": "validation" if out_of_fold is None else "out_of_fold",
        "served": served,
        "why": chosen.why,
        "gains": {name: plain(gain) for name, gain in chosen.gains.items()},
        "rows_fitted": chosen.fitted,
        "rows_judged": chosen.judged,
    }
    log.tracking.log_file(log.run_id, "calibration.json", json.dumps(document, indent=1).encode())
    told = {"calibration": served or "none"}
    return (model if chosen.calibrator is None else Calibrated(model, chosen.calibrator)), told


def foretold(found: "OutOfFold", rows: "Rows") -> Foretold:
    """The rows that a fold predicts, with their labels and weights."""
    at = found.covered
    return Foretold(
        rows.labels[at], found.predictions[at], None if rows.weights is None else rows.weights[at]
    )
