"""The metric to be expected of the window's predictions, before any label is known."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import monitors
from mlcycle.domain.drift import MIN_VALUES
from mlcycle.domain.metrics import NotMeasured
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.performance import expected


class Worse(Params):
    """``increase``: of the expected metric's loss, relative, from which it warns."""

    increase: Annotated[float, Field(gt=0)] = 0.1


class Estimate(Monitor):
    """Warns where the model is expected to get worse."""

    Parameters = Worse
    title = "the model is expected to get worse"
    order = 70

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        champion, metric = window.champion, window.project.evaluation.metric
        assert champion is not None
        rows = window.scored(window.first, window.last, version=champion.version)
        if len(rows) < MIN_VALUES:
            return f"{len(rows)} predictions"
        now = expected(metric, rows.predictions)
        if isinstance(now, NotMeasured):
            return now.reason
        if metric not in champion.metrics:
            return f"{metric} was not measured on the champion's holdout"
        found = monitors.performance(
            *(metric, now, champion.metrics[metric], self.params.increase, len(rows)), estimated=True
        )
        found.details["expected_positives"] = float(rows.predictions.sum())
        return [found]
