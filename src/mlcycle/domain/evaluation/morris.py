"""What answers do along each input, all others wherever they are: Morris' elementary effects.

An input steps by two thirds of its range, the others staying where they are; another input steps from there,
and so on: a walk asks once more than there are inputs. ``size`` is the mean size of an input's steps (mu*,
which no change of sign cancels), ``mean`` their mean, ``spread`` their standard deviation: of an input that
acts along a straight line by itself it is nought, of one that bends or acts with others it is not.

The range of a number is that of its quantiles in the holdout, so that a far value is no part of a step; a
category steps from a value to another, each drawn as often as it comes. Sources: M. Morris, "Factorial
Sampling Plans for Preliminary Computational Experiments", Technometrics 33, 1991; F. Campolongo, J. Cariboni
and A. Saltelli, "An effective screening design for sensitivity analysis of large models", Environmental
Modelling & Software 22, 2007. Inputs that go together are taken apart: it asks for rows that may not exist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mlcycle.domain.evaluation.coverage import numbers
from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.groups import texts_of
from mlcycle.domain.evaluation.subject import SEED, Subject
from mlcycle.domain.metrics import Array

WALKS: Final = 40
LEVELS: Final = 4  # of a number: its quantiles 0, 1/3, 2/3 and 1 within LOW to HIGH
STEP: Final = LEVELS / (2 * (LEVELS - 1))
LOW, HIGH = 0.02, 0.98


@dataclass(frozen=True)
class Effects:
    """(inputs,) each: mean size, mean, and spread of the steps, per whole range of a number."""

    size: Array
    mean: Array
    spread: Array


def effects(ask: Callable[[Array], Array], stepped: Sequence[bool], walks: int, seed: int) -> Effects:
    """Elementary effects of a function.

    Args:
        ask: points (m, inputs) from 0 to 1 -> answers (m,).
        stepped: of each input, whether it steps by ``STEP``; else it is drawn anew.
        walks: from how many points, two at least.
        seed: the same walks again.
    """
    random, inputs = np.random.default_rng(seed), len(stepped)
    numeric = np.array(stepped, dtype=bool)
    low = random.integers(0, LEVELS // 2, (walks, inputs)) / (LEVELS - 1)
    rises = random.random((walks, inputs)) < 0.5
    begin, end = np.where(rises, low, low + STEP), np.where(rises, low + STEP, low)
    begin = np.where(numeric, begin, random.random((walks, inputs)))
    end = np.where(numeric, end, random.random((walks, inputs)))
    place = np.argsort(random.random((walks, inputs)), axis=1)  # when each input steps
    done = place[:, None, :] < np.arange(inputs + 1)[None, :, None]  # (walks, points, inputs)
    points = np.where(done, end[:, None, :], begin[:, None, :])
    said = ask(points.reshape(-1, inputs)).reshape(walks, inputs + 1)
    moved = np.take_along_axis(np.diff(said, axis=1), place, axis=1)  # (walks, inputs)
    steps = np.where(numeric, moved / np.where(rises, STEP, -STEP), moved)
    return Effects(np.abs(steps).mean(axis=0), steps.mean(axis=0), steps.std(axis=0, ddof=1))


def run(subject: Subject) -> dict[str, Any]:
    """Each input's effects, the largest first; texts stay as they are in one row."""
    import pandas as pd

    frame = subject.sampled
    names = [name for name in [*subject.categorical, *subject.numeric] if frame[name].notna().any()]
    known = {name: _values(frame[name], name in subject.numeric) for name in names}
    names = [name for name in names if len(set(known[name].tolist())) > 1]
    if not names:
        return {"columns": {}, "walks": WALKS}
    fixed = frame.iloc[[0]]

    def ask(points: Array) -> Array:
        rows = fixed.iloc[np.zeros(len(points), dtype=int)].reset_index(drop=True)
        made = {
            name: pd.Series(
                known[name][np.minimum((at * len(known[name])).astype(int), len(known[name]) - 1)]
            )
            for name, at in zip(names, points.T, strict=True)
        }
        return subject.predict(rows.assign(**made))

    found = effects(ask, [name in subject.numeric for name in names], WALKS, SEED)
    order = np.argsort(-found.size, kind="stable")
    columns = {
        names[at]: {"size": found.size[at], "mean": found.mean[at], "spread": found.spread[at]}
        for at in order
    }
    return plain({"walks": WALKS, "columns": columns})  # type: ignore[no-any-return]


def _values(column: Any, numeric: bool) -> Any:
    """A number's quantiles from LOW to HIGH; a category's values by their text, as often as they come."""
    if not numeric:
        return np.sort(texts_of(column.dropna())).astype(object)
    values = numbers(column)
    return np.quantile(values[np.isfinite(values)], np.linspace(LOW, HIGH, 100))
