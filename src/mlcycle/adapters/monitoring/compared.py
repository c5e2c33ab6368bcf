"""Bases of monitors that compare a window with its reference by another measure than ``drift``.

The null is drift's: the same measure of training's own windows against the references those would have had.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mlcycle.adapters.monitoring import days, samples
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import day_verdicts, references
from mlcycle.domain.effects import MIN_VALUES
from mlcycle.domain.max_t import Null, null
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.tally import Scheme, Tally

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]

WINDOWS = 60  # of training, at the most, that measures of rows are taken of


class Level(Params):
    """``level``: in which share of windows without a fault it warns."""

    level: Annotated[float, Field(gt=0, le=0.1)] = 0.005


class ByCounts(Monitor):
    """Columns by their cells' counts: no row is looked at but once for all such monitors."""

    always = False
    order = 34
    Parameters: ClassVar[type[Params]] = Level

    @abstractmethod
    def effects(self, scheme: Scheme, windows: Tally, befores: Tally) -> Array:
        """(W, columns), none of them below 0; NaN where it is not measured."""

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if why := reference.silent:
            return why
        nulls, scheme = reference.nulls, reference.nulls.days.scheme
        found = self.effects(scheme, *reference.counts)[0]
        usual = null(self.effects(scheme, nulls.windows, nulls.befores), nulls.independent)
        rule = day_verdicts.Rule(self.params.level, 0.0)
        judged = np.flatnonzero(np.isfinite(usual.centre))
        measured = day_verdicts.drift(state.monitor, nulls.days.names, found, usual, rule, {})
        return [measured[at] for at in judged] or "no column can be judged by it"


class Sized(Level):
    """Also ``rows`` of each side, which are drawn."""

    rows: Annotated[int, Field(ge=50, le=2000)] = 300


class ByRows(Monitor):
    """Rows of a window, all columns together, against rows of its reference."""

    always = False
    order = 36
    Parameters: ClassVar[type[Params]] = Sized

    @abstractmethod
    def distance(self, now: Array, before: Array) -> float:
        """Of rows (n, k) and (m, k), 0 or more."""

    def rows(self, window: Window, reference: Reference, table: "pa.Table") -> Array:
        """(n, k): the inputs by their rank in training, from -.5 to .5; 0 where there is none."""
        found = []
        for column in reference.nulls.days.scheme:
            codes = column.codes(days.values(table, column.name, numeric=column.numeric))
            found.append(np.where(codes >= 0, column.scores[codes], 0.0))
        return np.stack(found, axis=1)

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if why := reference.silent:
            return why
        nulls, project = reference.nulls, window.project
        trained = self.rows(window, reference, reference.sample)
        at = days.stretches(reference.sample, project, days.day_of(project), nulls.days.first)
        usual = self.usual(nulls, trained, at)
        now = self.rows(window, reference, window.sample)
        before = self._before(window, reference, trained, at)
        if len(before) < MIN_VALUES:
            return "its reference has too few rows"
        rule = day_verdicts.Rule(self.params.level, 0.0)
        found = np.array([self.drawn(now, before)])
        return day_verdicts.drift(state.monitor, [""], found, usual, rule, {})

    def usual(self, nulls: days.Nulls, trained: Array, at: NDArray[Any]) -> Null:
        """The distances of training's windows (60 at the most) from the references those would have had.

        Args:
            nulls: the windows.
            trained: (n, k) of training.
            at: (n,) the day of each, counted from training's first.
        """
        effects = []
        for place in np.unique(np.linspace(0, len(nulls.starts) - 1, WINDOWS).astype(int)):
            start = nulls.starts[place]
            now = trained[(at >= start) & (at < start + nulls.days.length)]
            before = trained[nulls.references[place][at]]
            few = min(len(now), len(before)) < MIN_VALUES
            effects.append(np.nan if few else self.drawn(now, before))
        return null(np.array(effects)[:, None], nulls.independent)

    def drawn(self, now: Array, before: Array) -> float:
        """The distance of as many rows of each as are looked at, the same ones each time."""
        random = np.random.default_rng(samples.SEED)
        sides = (
            rows
            if len(rows) <= self.params.rows
            else rows[np.sort(random.choice(len(rows), self.params.rows, replace=False))]
            for rows in (now, before)
        )
        return self.distance(*sides)

    def _before(self, window: Window, reference: Reference, trained: Array, at: NDArray[Any]) -> Array:
        """Rows of the window's reference."""
        held, project = reference.nulls.days, window.project
        day, kind = days.day_of(project), project.monitors.reference
        start = day.number(window.first.start)
        if kind != "trailing":
            chosen = references.chosen(kind, held.numbers, start, held.length, held.year)
            found: Array = trained[(chosen & (held.numbers < start))[at]]
            return found
        end = start // held.length * held.length
        first = day.start(end - references.BACK * held.length)
        last, rows = day.start(end), project.monitors.sample
        table = samples.window(window.warehouse, project, first, last, rows)
        return self.rows(window, reference, table) if table.num_rows else trained[:0]
