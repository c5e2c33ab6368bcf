"""The newest rows of a snapshot's splits, as a fit reads them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from mlcycle.adapters.datasets.training_data import SplitExamples
from mlcycle.domain.examples import Rows
from mlcycle.domain.folds.plan import TIME


@dataclass(frozen=True)
class Recent:
    """Rows of ``examples``, whose columns hold the event time, from a moment on."""

    examples: SplitExamples
    since: datetime

    @cached_property
    def count(self) -> int:
        """How many rows there are."""
        times = replace(self.examples, columns=["label", TIME])
        return sum(self._of(part).count for part in times.parts())

    def whole(self) -> Rows:
        """All rows in memory."""
        return self._of(self.examples.whole())

    def parts(self) -> Iterator[Rows]:
        """The rows in order, a part at a time."""
        found = (self._of(part) for part in self.examples.parts())
        return (part for part in found if part.count)

    def _of(self, rows: Rows) -> Rows:
        kept = (rows.frame[TIME] >= self.since).to_numpy()
        weights = None if rows.weights is None else rows.weights[kept]
        return Rows(rows.frame[kept], rows.labels[kept], weights)
