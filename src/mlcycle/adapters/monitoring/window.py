"""What monitors look at: a window of partitions, what the champion learnt from, and earlier findings."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.monitoring import samples
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.predictions import Scored, scored
from mlcycle.domain.drift import MIN_VALUES
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.ledger import models, monitoring
from mlcycle.ledger.champion import Champion
from mlcycle.project import Project
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Window:
    """Partitions ``first`` to ``last``, and where to read them. Samples are read when first asked for.

    ``moment`` is when the window was first watched: predictions that were made later are not seen, so
    that a run for an old day says what was known then. ``found`` grows as monitors measure.
    """

    settings: Settings
    project: Project
    warehouse: Warehouse
    artifacts: ArtifactStore
    first: Partition
    last: Partition
    moment: datetime
    champion: Champion | None = None
    found: list[Measurement] = field(default_factory=list)

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A short transaction on the warehouse."""
        with self.warehouse.transaction() as cursor:
            yield cursor

    @property
    def labelled(self) -> tuple[Partition, Partition]:
        """The last window of this length whose labels can be known by the end of the last partition."""
        label = self.project.label
        back = -(-(label.delay + label.ahead) // self.project.unit.length)
        return self.first.shift(-back), self.last.shift(-back)

    @cached_property
    def sample(self) -> "pa.Table":
        """At most ``monitors.sample`` rows as they could be predicted: ``partition`` and the inputs."""
        rows = self.project.monitors.sample
        return samples.window(self.warehouse, self.project, self.first.start, self.last.end, rows)

    @property
    def too_few(self) -> str:
        """Why the sample says nothing; empty where it has rows enough."""
        return "" if self.sample.num_rows >= MIN_VALUES else f"{self.sample.num_rows} rows in the window"

    def scored(self, first: Partition, last: Partition, *, version: int | None = None) -> Scored:
        """Predictions in force and their labels as of this window; see ``warehouse.predictions.scored``.

        Rows that their own model was trained on are left out.
        """
        with self.cursor() as cursor:
            found = scored(
                *(cursor, self.project.name, first, last),
                as_of=self.last.end,
                made_until=self.moment,
                version=version,
            )
            versions = {int(number) for number in np.unique(found.versions)}
            return found.only(found.unlearnt(models.learnt_until(cursor, self.project.name, versions)))


@dataclass
class Reference:
    """What the champion was trained on, as a sample. Reading it raises InputError where it is lost."""

    window: Window

    @cached_property
    def sample(self) -> "pa.Table":
        """``partition`` and those of the project's inputs that the champion's dataset has."""
        return self._read(self.window.project.inputs.all)

    @property
    def columns(self) -> list[str]:
        """The inputs that both have."""
        return [name for name in self.window.project.inputs.all if name in self.sample.column_names]

    @cached_property
    def labels(self) -> NDArray[np.float64]:
        """Labels of the sample's rows."""
        values: NDArray[np.float64] = self._read(["label"])["label"].to_numpy()
        return values

    def _read(self, columns: list[str]) -> "pa.Table":
        window = self.window
        if window.champion is None:
            raise InputError("there is no champion, so nothing to compare with")
        return samples.training(
            *(window.warehouse, window.artifacts, window.project.name, window.champion.dataset_digest),
            *(columns, window.project.monitors.sample),
        )


@dataclass(frozen=True)
class State:
    """What a monitor keeps between windows: the details of its own earlier measurements."""

    window: Window
    monitor: str

    def before(self, partitions: Iterable[Partition]) -> dict[str, list[dict[str, Any]]]:
        """By subject, the details measured at these earlier partitions, newest first; errors left out."""
        keys = [partition.key for partition in partitions]
        with self.window.cursor() as cursor:
            return monitoring.details_before(cursor, self.window.project.name, self.monitor, keys)
