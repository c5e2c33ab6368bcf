"""Every input's distribution against its reference, judged by what training's own windows did."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import day_verdicts, effects
from mlcycle.domain.monitors import Measurement


class Thresholds(Params):
    """A column drifts where its effect is beyond what the largest effect of all columns reaches in a share
    ``level`` of windows without a fault, and is ``effect`` at least; that is news after ``persistence``
    windows in a row that do not overlap.
    """

    level: Annotated[float, Field(gt=0, le=0.1)] = 0.005
    effect: Annotated[float, Field(gt=0)] = 0.1
    persistence: Annotated[int, Field(ge=1)] = 1


class Drift(Monitor):
    """Warns where a column's distribution has moved by more than it is wont to."""

    Parameters = Thresholds
    title = "inputs drift"
    order = 30

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if why := reference.silent:
            return why
        rule, nulls = self.params, reference.nulls
        length = window.project.monitors.window // window.project.unit.length
        earlier = [window.last.shift(-length * back) for back in range(1, max(rule.persistence, 2))]
        held = state.before(earlier)
        history = {name: [bool(each.get("drifted")) for each in found] for name, found in held.items()}
        scheme, names = nulls.days.scheme, nulls.days.names
        distances = effects.distances(scheme, *reference.counts)[0]
        few = effects.present(scheme, reference.counts[0])[0] < effects.MIN_VALUES
        gone = {
            name: 1 + (held[name][0].get("gone", 0) if name in held else 0)
            for name, is_gone in zip(names, few, strict=True)
            if is_gone
        }
        said = day_verdicts.Rule(rule.level, rule.effect, rule.persistence)
        return day_verdicts.drift("drift", names, distances, nulls.drift, said, history, gone)
