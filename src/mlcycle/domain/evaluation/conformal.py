"""Shifts that make said quantiles hold their share, out of rows of their own; and whether they are worth it.

Y. Romano, E. Patterson and E. Candes, "Conformalized Quantile Regression", NeurIPS 2019, each tail alone
(their theorem 2): of rows that are exchangeable with those of the shift, a label lies below the shifted
quantile of a level under .5 with at most that probability, above one of .5 or more with at most one less it,
whatever the model is and however labels are spread. Both together give a central interval its share at least.
It is an average over all rows, not of each kind of row; and rows of another time are not exchangeable. The
median is shifted as a level over .5 is: were it not, sorting could undo what the others were shifted by.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mlcycle.domain.evaluation.figure import SURE, Figure
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import Array
from mlcycle.domain.paired import paired_blocks
from mlcycle.domain.quantile_levels import MEDIAN
from mlcycle.domain.quantiles import levels_of, paired, rearranged, values_of


class Shifts(BaseModel):
    """What is added to each level's quantile, in the label's unit.

    ``rows`` are those that it is from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    levels: list[float] = Field(min_length=1)
    shifts: list[float] = Field(min_length=1)
    rows: int = Field(ge=1)

    def __call__(self, values: Array) -> Array:
        """(n, q) shifted, ascending in each row, out of (n, q) of the same levels."""
        return rearranged(values + np.array(self.shifts))


def least_rows(levels: Sequence[float] | Array) -> int:
    """Rows without which the outermost level has no finite shift."""
    return max(math.ceil(1 / min(each, 1 - each) - 1e-9) - 1 for each in levels)


def fit(labels: Array, said: Array) -> Shifts:
    """The shifts of labels (n,) and said quantiles (n, q, 2) that were learnt from other rows.

    Raises ValueError for fewer than ``least_rows``.
    """
    levels, values, count = levels_of(said), values_of(said), len(labels)
    if count < (least := least_rows(levels)):
        raise ValueError(f"{count} rows, the outermost quantile needs {least} at least")
    found = []
    for level, value in zip(levels, values.T, strict=True):
        missed = value - labels if level < MEDIAN else labels - value
        rank = math.ceil(max(level, 1 - level) * (count + 1) - 1e-9)
        reach = float(np.partition(missed, rank - 1)[rank - 1])
        found.append(-reach if level < MEDIAN else reach)
    return Shifts(levels=levels.tolist(), shifts=found, rows=count)


def shifted(shifts: Shifts, said: Array) -> Array:
    """(n, q, 2) with the shifts."""
    return paired(shifts.levels, shifts(values_of(said)))


@dataclass(frozen=True)
class Choice:
    """``shifts`` is None where they are not worth it; ``why`` says so. Shares are of the rows that judge.

    ``gain`` is in pinball loss. ``off_before`` and ``off_after``: how far the share of labels not above a
    quantile lies from its level, the mean over levels.
    """

    shifts: Shifts | None
    why: str
    gain: Figure | None = None
    off_before: float | None = None
    off_after: float | None = None
    fitted: int = 0
    judged: int = 0
    asked: Shifts | None = field(default=None)


def choose(labels: Array, said: Array, blocks: NDArray[np.int64]) -> Choice:
    """Shifts fitted on the earlier half of the blocks of time, kept where the later half says they help.

    They help where quantiles hold their shares better there and the pinball loss is no higher.

    Args:
        labels: (n,) of rows that no weight of the model was learnt from.
        said: (n, q, 2) what the model says of them.
        blocks: (n,) block of time of each row.
    """
    days = np.unique(blocks)
    if len(days) < 2 * MIN_BLOCKS:
        few = f"validation has {len(days)} blocks of time, {2 * MIN_BLOCKS} are needed"
        return Choice(None, f"{few}: half fit the shifts, half judge them")
    early = blocks < days[len(days) // 2]
    later, counts = ~early, (int(early.sum()), int((~early).sum()))
    if counts[0] < (least := least_rows(levels_of(said))):
        return Choice(None, f"the earlier half of validation has {counts[0]} rows, {least} are needed")
    found = fit(labels[early], said[early])
    before, after = said[later], shifted(found, said[later])
    paired_gain = paired_blocks("pinball", labels[later], before, after, blocks[later])
    assert paired_gain.spread is not None  # there are MIN_BLOCKS at least
    gain = Figure(paired_gain.gain, *paired_gain.spread.interval(SURE))
    off = miscoverage(labels[later], before), miscoverage(labels[later], after)
    if off[1] >= off[0]:
        why, kept = "quantiles do not hold their shares better with the shifts on rows of their own", None
    elif paired_gain.gain < 0:
        why, kept = "the pinball loss is higher with the shifts on rows of their own", None
    else:
        why, kept = "quantiles hold their shares better on rows of their own", found
    return Choice(kept, why, gain, *off, *counts, found)


def miscoverage(labels: Array, said: Array) -> float:
    """How far the share of labels not above a quantile lies from its level, the mean over levels."""
    below = (labels[:, None] <= values_of(said)).mean(axis=0)
    return float(np.abs(below - levels_of(said)).mean())
