"""The window's predictions against the windows before it, judged by what served windows did so far."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from mlcycle.adapters.monitoring import days
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import day_verdicts, effects, references, sketches
from mlcycle.domain.effects import MIN_VALUES
from mlcycle.domain.max_t import MIN_WINDOWS
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.sketches import Sketch

MEMORY = timedelta(days=365)  # of what was served
FILLED = references.BACK + MIN_WINDOWS + 2  # windows before this one that are read where nobody noted them


class Thresholds(Params):
    """As of ``drift``: the share of windows without a fault in which it warns, and the least that is news, in
    standard deviations of what was served.
    """

    level: Annotated[float, Field(gt=0, le=0.1)] = 0.005
    effect: Annotated[float, Field(gt=0)] = 0.1


class PredictionDrift(Monitor):
    """Warns where what is served changes by more than it is wont to, or is one value where it was not.

    Whatever champion served: people act on what is served. A day's predictions are kept as quantiles in what
    this monitor measured, so that a year of them is at hand without its rows.
    """

    Parameters = Thresholds
    title = "predictions have changed"
    order = 50

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        project = window.project
        day = days.day_of(project)
        length = days.window_of(project)
        start = day.number(window.first.start)
        served = _by_day(window, window.first, window.last, day)
        now = np.concatenate([np.array([]), *served.values()])
        if len(now) < MIN_VALUES:
            return f"{len(now)} predictions"
        noted_days = state.days(MEMORY + project.monitors.window)
        held = {at: Sketch.of(document) for at, document in noted_days.items()}
        added = _missing(window, held, day, start - FILLED * length, start)
        held |= added
        new = {
            at: sketches.sketch(values)
            for at, values in served.items()
            if at not in held and day.start(at + 1) <= window.last.end  # the day is over
        }
        before = {at: each for at, each in held.items() if at < start and each.rows}
        noted = {str(at): each.document for at, each in {**added, **new}.items()}
        if not before:
            return self._quiet("no earlier predictions", noted)
        first = min(before)
        past = [before.get(at, Sketch(0, 0, ())) for at in range(first, start)]
        scheme = sketches.scheme("predictions", past)
        found = days.nulls(
            days.Days(scheme, first, sketches.counts(scheme, past), length, day.year), "trailing"
        )
        if found.too_short:
            return self._quiet(found.too_short.replace("training data", "predictions so far"), noted)
        counted = sketches.counts(scheme, [sketches.sketch(values) for values in served.values()]).whole()
        chosen = references.chosen("trailing", found.days.numbers, start, length, found.days.year)
        usual = found.days.counts.pooled(chosen[None, :])
        if usual.rows[0] < MIN_VALUES:
            return self._quiet("no predictions in the four windows before", noted)
        rule = day_verdicts.Rule(self.params.level, self.params.effect)
        distances = effects.distances(scheme, counted, usual)[0]
        measured = day_verdicts.drift("prediction_drift", [""], distances, found.drift, rule, {})
        shares = effects.shares(scheme, counted)[0]
        for item in day_verdicts.values(["one value"], shares, found.ceilings, "prediction_drift"):
            if "one value" in item.details["checks"]:
                measured.append(item)
        measured[0].details["days"] = noted
        return measured

    def _quiet(self, why: str, noted: dict[str, Any]) -> Iterable[Measurement]:
        """Nothing can be said yet; what was served is noted all the same."""
        return [Measurement("prediction_drift", "ok", f"not judged: {why}", details={"days": noted})]


def _by_day(window: Window, first: Partition, last: Partition, day: Unit) -> dict[int, Any]:
    """Predictions in force, by day."""
    rows = window.scored(first, last)
    at = day.numbers(rows.times)
    return {int(number): rows.predictions[at == number] for number in np.unique(at)}


def _missing(window: Window, held: dict[int, Sketch], day: Unit, since: int, until: int) -> dict[int, Sketch]:
    """Days that nobody noted, read a window's length at a time; one without rows is noted too."""
    length = days.window_of(window.project)
    found: dict[int, Sketch] = {}
    for start in range(since, until, length):
        wanted = [at for at in range(start, min(start + length, until)) if at not in held]
        if wanted:
            bounds = days.partitions_of(window.project, wanted[0], wanted[-1])
            served = _by_day(window, *bounds, day)
            found |= {at: sketches.sketch(served.get(at, np.array([]))) for at in wanted}
    return found
