"""All inputs together against the reference, by the maximum mean discrepancy."""

from mlcycle.adapters.monitoring.compared import Array, ByRows
from mlcycle.domain import two_samples


class Mmd(ByRows):
    """Warns where rows as a whole are further from their reference than they are wont to be."""

    title = "inputs drift together (MMD)"

    def distance(self, now: Array, before: Array) -> float:  # noqa: D102
        return two_samples.mmd(now, before)
