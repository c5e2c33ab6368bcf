"""The metric to be expected of a window's predictions before any label is known, and how far to trust it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import numpy as np
from pydantic import Field

from mlcycle.adapters.monitoring import days
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import performance
from mlcycle.domain.effects import MIN_VALUES
from mlcycle.domain.metrics import NotMeasured
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition

MEMORY = timedelta(days=365)  # of how far earlier estimates were off


class Trust(Params):
    """``confidence``: of the interval; it warns where even its better end is worse than the holdout."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9


class Estimate(Monitor):
    """Warns where the model is expected to get worse; it never pages, for it cannot see concept change.

    How far earlier estimates were off is learnt as labels come, from what the monitor ``performance``
    measured on the same windows. Before that it says what is expected, and warns of nothing.
    """

    Parameters = Trust
    title = "the model is expected to get worse"
    order = 70
    pages = False
    gone = {  # noqa: RUF012
        "increase": "leave it out, it warns where the whole interval is worse than the holdout; "
        "confidence says how wide that is"
    }

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        champion, metric = window.champion, window.project.evaluation.metric
        assert champion is not None
        rows = window.scored(window.first, window.last, version=champion.version)
        if len(rows) < MIN_VALUES:
            return f"{len(rows)} predictions"
        now = performance.expected(metric, rows.predictions)
        if isinstance(now, NotMeasured):
            return now.reason
        if metric not in champion.metrics:
            return f"{metric} was not measured on the champion's holdout"
        held = champion.metrics[metric]
        off = _off(window, state, metric)
        found = performance.estimate(metric, now, held, len(rows), *off, self.params.confidence)
        found.details.update(last=window.last.key, expected_positives=float(rows.predictions.sum()))
        return [found]


def _off(window: Window, state: State, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Measured less expected of earlier windows, one a day, by the number of their last day."""
    unit, day = window.project.unit, days.day_of(window.project)
    first = Partition.containing(window.last.end - MEMORY, unit)
    earlier = list(first.to(window.last.shift(-1)))
    expected, measured = (
        {
            each["last"]: float(each["now"])
            for each in reversed(source.before(earlier).get("", []))
            if each.get("metric") == metric and "last" in each
        }
        for source in (state, State(window, "performance"))
    )
    found = {
        day.number(Partition.parse(key, unit).start): measured[key] - expected[key]
        for key in sorted(expected.keys() & measured.keys())
    }
    return np.array(sorted(found), dtype=np.int64), np.array([found[at] for at in sorted(found)])
