"""Every input's distribution against its reference, by the Hellinger distance."""

from mlcycle.adapters.monitoring.compared import Array, ByCounts
from mlcycle.domain import other_effects
from mlcycle.domain.tally import Scheme, Tally


class Hellinger(ByCounts):
    """Warns where a column's cells are filled otherwise than they are wont to be."""

    title = "inputs drift (Hellinger)"

    def effects(self, scheme: Scheme, windows: Tally, befores: Tally) -> Array:  # noqa: D102
        return other_effects.hellinger(scheme, windows, befores)
