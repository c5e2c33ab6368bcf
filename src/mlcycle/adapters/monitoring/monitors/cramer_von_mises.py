"""Every input's distribution against its reference, by the Cramer-von Mises distance."""

from mlcycle.adapters.monitoring.compared import Array, ByCounts
from mlcycle.domain import other_effects
from mlcycle.domain.tally import Scheme, Tally


class CramerVonMises(ByCounts):
    """Warns where a column's distribution function is further off than it is wont to be."""

    title = "inputs drift (Cramer-von Mises)"

    def effects(self, scheme: Scheme, windows: Tally, befores: Tally) -> Array:  # noqa: D102
        return other_effects.cramer_von_mises(scheme, windows, befores)
