"""The conformal shifts of one fit: found within the validation rows, logged, and kept where they help."""

import json
from typing import TYPE_CHECKING, Any

from mlcycle.domain.evaluation.conformal import Shifts, choose
from mlcycle.domain.evaluation.figure import plain
from mlcycle.steps.context import StepContext
from mlcycle.steps.opening import blocks_of

if TYPE_CHECKING:
    from mlcycle.adapters.tracking.server import Tracking
    from mlcycle.domain.examples import Rows
    from mlcycle.models.base import Model


def conformal(
    context: StepContext, tracking: "Tracking", run_id: str, model: "Model", validation: "Rows"
) -> "tuple[Model, dict[str, Any]]":
    """The model with the shifts that help, or as it is; and what is told of it.

    The MLflow run gets ``conformal.json``: the shifts, and what they gain on rows of their own.
    """
    from mlcycle.models.conformal import Conformal
    from mlcycle.models.quantile_models import said

    chosen = choose(
        validation.labels,
        said(model, validation.frame, model.card.quantiles),
        blocks_of(validation.frame["event_time"], context.project.gate.block),
    )
    context.progress(f"conformal: {chosen.why}")
    document = {
        "served": chosen.shifts is not None,
        "why": chosen.why,
        "levels": model.card.quantiles,
        "shifts": _shifts(chosen.asked),
        "gain_in_pinball": None if chosen.gain is None else plain(chosen.gain),
        "share_off_before": chosen.off_before,
        "share_off_after": chosen.off_after,
        "rows_fitted": chosen.fitted,
        "rows_judged": chosen.judged,
    }
    tracking.log_file(run_id, "conformal.json", json.dumps(document, indent=1).encode())
    told = {"calibration": "conformal" if chosen.shifts is not None else "none"}
    return (model if chosen.shifts is None else Conformal(model, chosen.shifts)), told


def _shifts(found: Shifts | None) -> list[float] | None:
    return None if found is None else found.shifts
