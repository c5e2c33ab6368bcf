"""What the hypotheses are judged by: readings of days, what monitors found, and what the ledger knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.decline import Verdict
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.prediction_limit import spread
from mlcycle.domain.skill import Days, together
from mlcycle.domain.tasks import task_of

Array = NDArray[np.float64]

MIN_DAYS = 5  # of a side, to be compared
KNOWN = 14  # served days before, to tell what the test was worth by them


@dataclass(frozen=True)
class Evidence:
    """Of a champion's labelled days.

    Args:
        task: classification or regression.
        now: its last labelled days.
        earlier: labelled days that were served before, by whomever.
        held: the days on which the gate judged it.
        verdicts: what ``performance`` says, the whole first; empty where it could not judge.
        found: what all monitors found in this window.
        classes: mean prediction of rows of class 0 and of class 1 on the gate's days; None of a number.
        looks: how often the gate's rows were looked at.
        candidates: of which the champion was the best.
        labelled: share of served rows of the days now whose labels are known.
        definition: how the label's definition changed since the champion was trained; empty where it did not.
    """

    task: str
    now: Days
    earlier: Days
    held: Days
    verdicts: Sequence[Verdict] = ()
    found: Sequence[Measurement] = ()
    classes: tuple[float, float] | None = None
    looks: int = 0
    candidates: int = 1
    labelled: float = 1.0
    definition: str = ""

    @property
    def declined(self) -> bool:
        """Whether the performance monitor pages."""
        return any(verdict.declined for verdict in self.verdicts)

    @cached_property
    def basis(self) -> Days:
        """What the others are compared with: served days, and the gate's beside them where those are few."""
        return self.earlier if len(self.earlier) >= KNOWN else together(self.earlier, self.held)

    @cached_property
    def moved(self) -> tuple[Array, Array] | None:
        """Change of (prediction, bias, slope) of the days now, and its standard errors; (3,) each."""
        return self._against(self.now)

    @cached_property
    def held_apart(self) -> tuple[Array, Array] | None:
        """The same of the gate's days; None where they are a part of the basis."""
        return self._against(self.held) if self.basis is self.earlier else None

    def rows(self, days: Days) -> Array:
        """(D, 3): where the mean prediction lies (log odds of classes), bias and slope of each day."""
        due = days.due
        if task_of(self.task).probabilities:
            share = np.clip(due, 1e-6, 1 - 1e-6)
            due = np.log(share / (1 - share))
        return np.column_stack([due, days.whole[:, :2]])

    def told(self, monitors: Sequence[str]) -> list[Measurement]:
        """What these monitors found wrong."""
        return [item for item in self.found if item.monitor in monitors and item.status not in ("ok", "info")]

    def _against(self, days: Days) -> tuple[Array, Array] | None:
        basis, other = self.rows(self.basis), self.rows(days)
        known, there = (np.isfinite(side).all(axis=1) for side in (basis, other))
        if known.sum() < MIN_DAYS or there.sum() < MIN_DAYS:
            return None
        usual = spread(self.basis.numbers[known], basis[known])
        return other[there].mean(axis=0) - usual.mean, usual.errors(int(there.sum()))
