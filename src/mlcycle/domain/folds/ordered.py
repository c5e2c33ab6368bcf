"""Folds along time, for rows whose neighbours tell of each other, with gaps where labels overlap.

A label looks ``horizon`` ahead of its row: one that is learnt must not reach into the time that is
predicted, and the other way round. M. Lopez de Prado, "Advances in Financial Machine Learning", 2018, ch. 7.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.folds.fold import Facts, Fold, Positions, checked, enough
from mlcycle.errors import InputError

Times = NDArray[np.datetime64]


@dataclass(frozen=True)
class Forward:
    """Walk forward: each of ``folds`` blocks is predicted from the rows before it.

    The rows are cut into ``folds`` + 1 blocks of equal size; the first is never predicted. A row is learnt
    where the block begins later than ``horizon`` plus ``embargo`` after it: its label is known by then.
    """

    folds: int
    horizon: timedelta = timedelta(0)
    embargo: timedelta = timedelta(0)

    def of(self, facts: Facts) -> list[Fold]:
        """The folds, in order of time."""
        times = _times(facts)
        blocks = _blocks(times, self.folds + 1)
        gap = np.timedelta64(self.horizon + self.embargo)
        found = []
        for i in range(1, self.folds + 1):
            test = np.flatnonzero(blocks == i)
            # Without a gap the rows of the very moment are not learnt either: blocks share no moment.
            found.append(
                Fold(str(i), np.flatnonzero((times + gap <= times[test].min()) & (blocks < i)), test)
            )
        return checked(found, facts, "time_series")


@dataclass(frozen=True)
class Purged:
    """Each of ``folds`` blocks of time is predicted from all others but those it touches.

    Purged are rows whose label's span (from the row to ``horizon`` after it) overlaps that of a row of the
    block; rows within ``embargo`` after the block's last label are left out as well, for what they look back
    on. Every row is predicted once, at the price that earlier rows are predicted from later ones.
    """

    folds: int
    horizon: timedelta = timedelta(0)
    embargo: timedelta = timedelta(0)

    def of(self, facts: Facts) -> list[Fold]:
        """The folds, in order of time."""
        times = _times(facts)
        blocks = _blocks(times, self.folds)
        horizon, embargo = np.timedelta64(self.horizon), np.timedelta64(self.embargo)
        found = []
        for i in range(self.folds):
            test = np.flatnonzero(blocks == i)
            begin, end = times[test].min(), times[test].max()
            before = (times + horizon < begin) | ((blocks < i) & (self.horizon == timedelta(0)))
            after = (times > end + horizon + embargo) & (blocks > i)
            found.append(Fold(str(i + 1), np.flatnonzero(before | after), test))
        return checked(found, facts, "purged")


def _times(facts: Facts) -> Times:
    if facts.times is None:
        raise InputError("split.cross_validation: the rows have no event times: take the snapshot again")
    if np.isnat(facts.times).any():
        raise InputError("split.cross_validation: some rows have no event time: take the snapshot again")
    return facts.times


def _blocks(times: Times, number: int) -> Positions:
    """The block of each row, from 0: about equally many rows each, and no moment in two of them."""
    moments, codes = np.unique(times, return_inverse=True)
    enough(len(moments), number, "moments")
    codes = np.asarray(codes, dtype=np.int64).reshape(-1)
    through = np.cumsum(np.bincount(codes))  # rows up to and with each moment
    # The block that the moment's last row falls in; where moments hold many rows, at least one moment each.
    block = -(-through * number // len(times)) - 1
    block = np.clip(block, 0, number - 1)
    positions = np.arange(len(moments))
    starts = np.searchsorted(block, np.arange(number), side="left")
    for i in range(1, number):  # every block has a moment of its own
        starts[i] = max(starts[i], starts[i - 1] + 1)
    for i in range(number - 1, 0, -1):
        starts[i] = min(starts[i], len(moments) - (number - i))
    block = np.searchsorted(starts, positions, side="right") - 1
    return np.asarray(block[codes], dtype=np.int64)
