"""A monitored window, and what was found in it.

A monitor that cannot measure is a finding of its own; it never counts as a good answer. What is
merely not known yet (labels, a baseline) is left out, with the reason.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import not_finite
from mlcycle.domain import gap_monitor, monitors
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.errors import MlcycleError
from mlcycle.ledger import batches
from mlcycle.ledger import gaps as gap_ledger
from mlcycle.project import Project
from mlcycle.settings import Settings


@dataclass
class Watch:
    """The window from ``first`` to ``last``, and where to read it."""

    settings: Settings
    project: Project
    warehouse: Warehouse
    artifacts: ArtifactStore
    first: Partition
    last: Partition
    found: list[Measurement] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, monitor: str, measure: Callable[[], Iterable[Measurement] | str]) -> None:
        """Take in what a monitor measured; a text says what it waits for, an error is a finding."""
        try:
            answer = measure()
        except MemoryError:
            raise
        except Exception as error:
            if isinstance(error, MlcycleError) and error.retryable:
                raise
            reason = error.message if isinstance(error, MlcycleError) else f"{type(error).__name__}: {error}"
            self.found.append(monitors.failed(monitor, reason[:300]))
        else:
            if isinstance(answer, str):
                self.left_out.append(answer)
            else:
                self.found.extend(map(_told, answer))


def _told(item: Measurement) -> Measurement:
    """The measurement, or an error in its place where it holds a number that is none."""
    if problem := not_finite({"value": item.value, "threshold": item.threshold, **item.details}):
        return monitors.failed(item.monitor, problem, item.subject)
    return item


def volume(watch: Watch) -> list[Measurement] | str:
    """Rows of the last partition against the others of the window."""
    project = watch.project
    with watch.warehouse.transaction() as cursor:
        rows = batches.rows(cursor, project.name, project.entity.table, watch.first, watch.last)
    own = rows.pop(watch.last.key, None)
    if own is None:
        return [
            monitors.failed("volume", f"{project.entity.table} has no published partition {watch.last.key}")
        ]
    found = monitors.volume(own, list(rows.values()), project.monitors.volume_ratio)
    return [found] if found else "volume (fewer than 3 other partitions in the window)"


def gaps(watch: Watch) -> list[Measurement] | str:
    """Partitions of the window, of any table, that were never delivered."""
    with watch.warehouse.transaction() as cursor:
        missing = gap_ledger.missing(cursor, watch.project, watch.first, watch.last)
    return [gap_monitor.gaps(missing)]
