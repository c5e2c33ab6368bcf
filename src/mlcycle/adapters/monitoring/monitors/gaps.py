"""Partitions of the window, of any table, that were never delivered."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import gap_monitor
from mlcycle.domain.monitors import Measurement
from mlcycle.ledger import gaps


class Gaps(Monitor):
    """Warns of any delivery that is missing and that nobody has declared absent."""

    title = "deliveries are missing"
    order = 15
    needs_champion = False

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        with window.cursor() as cursor:
            return [gap_monitor.gaps(gaps.missing(cursor, window.project, window.first, window.last))]
