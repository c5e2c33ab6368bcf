"""Hours of a delivery without any event, where the deliveries before had some."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring import shapes
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import deliveries
from mlcycle.domain.monitors import Measurement


class Freshness(Monitor):
    """Warns where a table's newest delivery ends early, begins late, or has a hole."""

    title = "part of a delivery is missing"
    order = 12
    needs_champion = False

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        found = [
            deliveries.freshness(table, partition, now.slots, [each.slots for each in before], now.newest)
            for table, partition, now, before in shapes.of_tables(window)
        ]
        return [each for each in found if each is not None] or shapes.TOO_FEW
