"""What validation counted in each table's newest delivery, and in those of the year before it."""

from collections.abc import Iterator
from datetime import timedelta

from mlcycle.adapters.monitoring.window import Window
from mlcycle.domain.deliveries import KNOWN
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import batches
from mlcycle.ledger.batches import Shape

YEAR = timedelta(days=365)
TOO_FEW = f"fewer than {KNOWN} deliveries before"


def of_tables(window: Window) -> Iterator[tuple[str, Partition, Shape, list[Shape]]]:
    """Each table with the partition that the window's last run brings, that delivery, and those before.

    A table without that delivery is left out: it is a gap.
    """
    project = window.project
    for table, spec in project.source.tables.items():
        partition = window.last.shift(-spec.lag)
        first = Partition.containing(partition.start - YEAR, project.unit)
        with window.cursor() as cursor:
            held = batches.shapes(cursor, project.name, table, first, partition)
        now = held.pop(partition.key, None)
        if now is not None:
            yield table, partition, now, list(held.values())
