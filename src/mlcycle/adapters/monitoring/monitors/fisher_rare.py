"""Rare categories against the reference, by Fisher's exact test."""

from mlcycle.adapters.monitoring.compared import Array, ByCounts
from mlcycle.domain import other_effects
from mlcycle.domain.tally import Scheme, Tally


class FisherRare(ByCounts):
    """Warns where a category of few rows has more or fewer of them than days explain."""

    title = "rare categories come more or less often"

    def effects(self, scheme: Scheme, windows: Tally, befores: Tally) -> Array:  # noqa: D102
        return other_effects.fisher(scheme, windows, befores)
