"""Intervals by drawing whole blocks of time again: the studentised block bootstrap, and no narrower than t.

Rows of one day share their weather, so that days are drawn and not rows (H. Kuensch, "The jackknife and the
bootstrap for general stationary observations", Annals of Statistics 17, 1989). A fortnight says little of
its own spread: percentiles of draws of 14 days are too narrow. Each draw is therefore divided by its own
error, out of the blocks' jackknife pseudo-values, and the quantiles of that are put to the error of the whole
(P. Hall, "The bootstrap and Edgeworth expansion", 1992, ch. 3): right where days are skewed. Draws take days
as independent; where they resemble their neighbours Student's t on cosines is right (``domain.interval``).
Which of the two is the case a fortnight does not tell, so that the wider bound counts on each side: about
twice as wide as percentiles with seven blocks, one and a half times with thirty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.figure import SURE, Figure
from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import Array, NotMeasured, Reading

DRAWS: Final = 999
SEED: Final = 20130101
LEAST_DRAWS: Final = 200  # in which a figure must be defined, to speak of its tails

#: (draws, blocks) how often each block counts -> (draws,) the figure; NaN where it is not defined.
Statistic = Callable[[Array], Array]


@dataclass(frozen=True)
class Draws:
    """How often each of ``blocks`` was drawn, (draws, blocks)."""

    blocks: int

    @property
    def counts(self) -> Array:
        """Seeded: the same blocks give the same draws."""
        even = np.full(self.blocks, 1 / self.blocks)
        drawn = np.random.default_rng(SEED).multinomial(self.blocks, even, DRAWS)
        return drawn.astype(np.float64)


def figures(
    values: Mapping[str, Reading],
    statistics: Mapping[str, Statistic],
    blocks: int,
    limits: Mapping[str, tuple[float, float]],
) -> dict[str, Figure]:
    """Each value with its interval.

    Args:
        values: measured on all rows.
        statistics: the same as functions of the blocks' weights; those without one have no interval.
        blocks: how many there are.
        limits: between what a figure can lie at all.
    """
    counts = Draws(blocks).counts if blocks >= MIN_BLOCKS else None
    found = {}
    for name, value in values.items():
        if isinstance(value, NotMeasured):
            found[name] = Figure(None, why=value.reason)
        elif name not in statistics:
            found[name] = Figure(value, why="an interval is not made for it")
        elif counts is None:
            found[name] = Figure(
                value, why=f"{blocks} blocks of time: {MIN_BLOCKS} are needed for an interval"
            )
        else:
            found[name] = _figure(value, statistics[name], counts, limits.get(name, (-np.inf, np.inf)))
    return found


def _figure(value: float, statistic: Statistic, counts: Array, limits: tuple[float, float]) -> Figure:
    low, high = around(statistic, counts)
    if not np.isfinite(low + high):
        return Figure(value, why="it is not defined on enough draws of blocks")
    least, most = limits
    return Figure(value, max(value + low, least), min(value + high, most))


def around(statistic: Statistic, counts: Array, sure: float = SURE) -> tuple[float, float]:
    """How far below and above the figure its truth may lie; NaN where too few draws define it.

    Args:
        statistic: of weights.
        counts: (draws, blocks).
        sure: two-sided confidence.
    """
    whole, pseudo = pseudo_values(statistic, counts.shape[1])
    if not np.isfinite(pseudo).all():  # all of a class lies in one block
        return float("nan"), float("nan")
    if float(np.ptp(pseudo)) <= 1e-12 * max(abs(whole), 1.0):
        return 0.0, 0.0
    drawn = studentised(statistic, counts, sure)
    slow = Spread.of(0.0, (pseudo - pseudo.mean()) / len(pseudo)).interval(sure)
    return min(drawn[0], slow[0]), max(drawn[1], slow[1])


def pseudo_values(statistic: Statistic, blocks: int) -> tuple[float, Array]:
    """The figure, and what it would be of each block alone to the first order, (blocks,): the jackknife."""
    whole = float(statistic(np.ones((1, blocks)))[0])
    found: Array = blocks * whole - (blocks - 1) * statistic(1 - np.eye(blocks))
    return whole, found


def studentised(statistic: Statistic, counts: Array, sure: float = SURE) -> tuple[float, float]:
    """The same by draws alone, as if blocks were independent of each other."""
    blocks = counts.shape[1]
    whole, pseudo = pseudo_values(statistic, blocks)
    error = float(pseudo.std(ddof=1) / np.sqrt(blocks))
    drawn = statistic(counts)
    mean = counts @ pseudo / blocks
    spread = np.maximum(counts @ pseudo**2 / blocks - mean**2, 0.0)
    errors = np.sqrt(spread / (blocks - 1))
    usable = np.isfinite(drawn) & (errors > 1e-9 * error)
    if usable.sum() < LEAST_DRAWS:
        return float("nan"), float("nan")
    ratios = (drawn[usable] - whole) / errors[usable]
    lower, upper = np.quantile(ratios, [(1 - sure) / 2, (1 + sure) / 2])
    return float(-upper * error), float(-lower * error)


def codes_of(blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """(n,) the blocks numbered in order of time, and how many there are."""
    numbers, codes = np.unique(blocks, return_inverse=True)
    return codes.astype(np.int64), len(numbers)


def sums(values: Array, codes: NDArray[np.int64], blocks: int) -> Array:
    """(blocks,) sums of values (n,)."""
    return np.bincount(codes, values, blocks).astype(np.float64)


def ratio(over: Array, under: Array) -> Statistic:
    """One sum over another as a statistic, of blocks' sums (k,) each."""

    def statistic(weights: Array) -> Array:
        below = weights @ under
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Array = np.where(below > 0, (weights @ over) / below, np.nan)
        return found

    return statistic
