"""The window's predictions against the first window that the same version predicted."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.adapters.warehouse.predictions import first_in_force
from mlcycle.domain import monitors
from mlcycle.domain.drift import MIN_VALUES
from mlcycle.domain.monitors import Measurement


class PredictionDrift(Monitor):
    """Warns where the model says other things than when it began to serve."""

    title = "predictions have changed"
    order = 50

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        project = window.project
        assert window.champion is not None
        version = window.champion.version
        with window.cursor() as cursor:
            start = first_in_force(cursor, project.name, version, project.unit)
        if start is None:
            return "no prediction of the champion"
        until = start.shift(int(project.monitors.window / project.unit.length) - 1)
        if until >= window.first:
            return "the champion is too young"
        before = window.scored(start, until, version=version).predictions
        now = window.scored(window.first, window.last, version=version).predictions
        if min(len(before), len(now)) < MIN_VALUES:
            return f"{len(before)} predictions at first, {len(now)} now"
        return [monitors.prediction_drift(before, now)]
