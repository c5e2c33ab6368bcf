"""Rows unlike those of the reference, by principal components."""

from mlcycle.adapters.monitoring.compared import Array, ByRows
from mlcycle.domain import two_samples


class Novelty(ByRows):
    """Warns where rows are rebuilt worse than they are wont to be: combinations nobody has seen."""

    title = "rows are unlike those before"

    def distance(self, now: Array, before: Array) -> float:  # noqa: D102
        return two_samples.novelty(now, before)
