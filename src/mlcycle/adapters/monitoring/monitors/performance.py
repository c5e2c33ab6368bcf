"""The project's metric on what was served, now that labels are known, against the champion's holdout."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import monitors
from mlcycle.domain.metrics import METRICS, NotMeasured
from mlcycle.domain.monitors import Measurement


class Worse(Params):
    """``increase``: of the metric's loss, relative, from which it pages, on ``min_rows`` rows or more."""

    increase: Annotated[float, Field(gt=0)] = 0.1
    min_rows: Annotated[int, Field(ge=1)] = 500


class Performance(Monitor):
    """Pages where the model got worse, and asks for a retrain."""

    Parameters = Worse
    title = "the model got worse"
    order = 60
    asks_for_retrain = True

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        champion, metric = window.champion, window.project.evaluation.metric
        assert champion is not None
        rows = window.scored(*window.labelled, version=champion.version)
        known = int(rows.known.sum())
        if known < self.params.min_rows:
            return f"{known} of {self.params.min_rows} labelled predictions"
        now = METRICS[metric](rows.labels[rows.known], rows.predictions[rows.known], None)
        if isinstance(now, NotMeasured):
            return f"{metric} on {known} rows is {now}"
        if metric not in champion.metrics:
            return f"{metric} was not measured on the champion's holdout"
        return [monitors.performance(metric, now, champion.metrics[metric], self.params.increase, known)]
