"""What monitors look at: a window of partitions, what the champion learnt from, and earlier findings."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.monitoring import days, samples
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.predictions import Scored, scored
from mlcycle.domain.effects import MIN_VALUES
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.domain.tally import Tally
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
    that a run for an old day says what was known then. ``load`` gives a model's predictor; ``found`` grows as
    monitors measure; ``asked`` says that a person wants the page of reasons, whatever is found.
    """

    settings: Settings
    project: Project
    warehouse: Warehouse
    artifacts: ArtifactStore
    first: Partition
    last: Partition
    moment: datetime
    champion: Champion | None
    load: Callable[[Champion | models.ModelVersion | models.ModelFiles], Any]
    found: list[Measurement] = field(default_factory=list)
    asked: bool = False
    _read: dict[tuple[Partition, Partition], Scored] = field(default_factory=dict, repr=False)

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A short transaction on the warehouse."""
        with self.warehouse.transaction() as cursor:
            yield cursor

    @property
    def labelled(self) -> tuple[Partition, Partition]:
        """The last window of this length whose labels can be known by the end of the last partition."""
        label = self.project.label
        back = self.project.unit.covering(label.delay, label.ahead)
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

    def scored(
        self,
        first: Partition,
        last: Partition,
        *,
        version: int | None = None,
        columns: Sequence[str] = (),
    ) -> Scored:
        """Predictions in force and their labels as of this window; see ``warehouse.predictions.scored``.

        Rows that their own model was trained on are left out. ``columns`` of the entity table come with them;
        ``version`` keeps the rows that this one was the first to predict.
        """
        stretch = (first, last)
        kept = self._read.get(stretch)
        if kept is None or not set(columns) <= kept.columns.keys():
            kept = self._scored(first, last, columns)
            if stretch in ((self.first, self.last), self.labelled):  # what several monitors look at
                self._read[stretch] = kept
        return kept if version is None else kept.only(kept.versions == version)

    def _scored(self, first: Partition, last: Partition, columns: Sequence[str]) -> Scored:
        with self.cursor() as cursor:
            found = scored(
                *(cursor, self.project.name, first, last),
                as_of=self.last.end,
                made_until=self.moment,
                beside=(self.project, columns),
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

    @cached_property
    def nulls(self) -> days.Nulls:
        """The training's days as counts, and their windows against the references those would have had."""
        window = self.window
        assert window.champion is not None
        digest = window.champion.dataset_digest
        found = days.training(window.warehouse, window.artifacts, window.project, digest, self.sample)
        return days.nulls(found, window.project.monitors.reference)

    @cached_property
    def counts(self) -> tuple[Tally, Tally]:
        """The window as counts, and its reference."""
        window, held = self.window, self.nulls.days
        assert window.champion is not None
        start = window.first.start
        now = days.of(held, window.project, window.sample, start)
        digest = window.champion.dataset_digest
        before = days.before(window.warehouse, window.artifacts, window.project, held, digest, start)
        return now, before

    @property
    def silent(self) -> str:
        """Why nothing can be said of the window against a null; empty where it can."""
        if why := self.window.too_few or self.nulls.too_short:
            return why
        return "" if self.counts[1].rows[0] >= MIN_VALUES else "its reference has too few rows"

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

    def recalled(self, memory: timedelta) -> list[dict[str, Any]]:
        """What it noted of the whole, no subject, within so long before the window's end; newest first."""
        last = self.window.last
        first = Partition.containing(last.end - memory, self.window.project.unit)
        return self.before(first.to(last.shift(-1))).get("", [])

    def days(self, memory: timedelta) -> dict[int, Any]:
        """What it noted day by day under ``days``; the newest note of a day counts."""
        found: dict[int, Any] = {}
        for details in self.recalled(memory):
            for number, document in (details.get("days") or {}).items():
                found.setdefault(int(number), document)
        return found
