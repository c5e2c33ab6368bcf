"""Rows of a delivery that say again what others say, against the deliveries before."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring import shapes
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import deliveries
from mlcycle.domain.monitors import Measurement


class Duplicates(Monitor):
    """Warns where a table's newest delivery has more exact copies, second rows of a key, or rows with the
    content of another key's than any before.
    """

    title = "rows are repeated"
    order = 13
    needs_champion = False

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        found = [
            deliveries.duplicates(table, now.counted, [each.counted for each in before])
            for table, _, now, before in shapes.of_tables(window)
        ]
        return [each for each in found if each is not None] or shapes.TOO_FEW
