"""All inputs together against the reference, by the least-squares density difference."""

from mlcycle.adapters.monitoring.compared import Array, ByRows
from mlcycle.domain import two_samples


class Lsdd(ByRows):
    """Warns where the density of rows differs from their reference's by more than it is wont to."""

    title = "inputs drift together (LSDD)"

    def distance(self, now: Array, before: Array) -> float:  # noqa: D102
        return two_samples.lsdd(now, before)
