"""Drift of the inputs against what the champion was trained on."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring import samples
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import monitors
from mlcycle.domain.monitors import Measurement


class Thresholds(Params):
    """A column drifts where its effect size reaches ``effect`` and its p-value passes false-discovery
    control at ``rate``; that is news after ``persistence`` partitions in a row.
    """

    effect: Annotated[float, Field(gt=0)] = 0.2
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    persistence: Annotated[int, Field(ge=1)] = 3


class Drift(Monitor):
    """Warns where a column's distribution has moved and stays there."""

    Parameters = Thresholds
    title = "inputs drift"
    order = 30

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if window.too_few:
            return window.too_few
        rule, columns = self.params, reference.columns
        numeric = set(window.project.inputs.numeric)
        earlier = window.first.shift(-2 * rule.persistence).to(window.last.shift(-1))
        history = {
            name: [bool(details.get("drifted")) for details in found]
            for name, found in state.before(earlier).items()
        }
        return monitors.drift(
            {name: samples.column(reference.sample, name, name in numeric) for name in columns},
            {name: samples.column(window.sample, name, name in numeric) for name in columns},
            history,
            effect=rule.effect,
            rate=rule.rate,
            persistence=rule.persistence,
        )
