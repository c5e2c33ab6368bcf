"""Values that training never had so often: absent, out of range, categories nobody knew, one value alone."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import day_verdicts, effects
from mlcycle.domain.monitors import Measurement


class Values(Monitor):
    """Warns of sentinels, new categories, gaps and sensors that are stuck."""

    title = "inputs have strange values"
    order = 34

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if why := window.too_few or reference.nulls.too_short:
            return why
        nulls = reference.nulls
        shares = effects.shares(nulls.days.scheme, reference.counts[0])[0]
        return day_verdicts.values(nulls.days.names, shares, nulls.ceilings)
