"""All checks of a sample of rows, from the cheapest to those that need a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.leakage import limits, pairs, strength
from mlcycle.domain.leakage.strength import Floats, Ints, Reading
from mlcycle.domain.tasks import task_of
from mlcycle.errors import LeakageError

Columns = Mapping[str, npt.NDArray[Any]]
#: Out-of-fold scores (n,) from columns, label, each row's fold and the task.
QuickModel = Callable[[Columns, Floats, Ints, str], Floats]


@dataclass(frozen=True)
class Sample:
    """Rows of a dataset in order of their time, a bounded number of them.

    ``inputs`` are numbers (NaN is absent) or objects (None is absent); ``past`` is the newest label of the
    row's entity that was known at the row's time, ``entity`` a number of its key, ``position`` the place of
    its key among those of its partition; NaN where there is none. ``known`` names inputs that are declared.
    """

    inputs: Columns
    label: Floats
    task: str
    past: Floats
    entity: Ints
    position: Floats
    known: frozenset[str] = field(default_factory=frozenset)


def check(sample: Sample, quick: QuickModel) -> list[str]:
    """Raise LeakageError for the first input that gives the label away; returns what is odd, and no refusal.

    Args:
        sample: the rows.
        quick: asked only where an input is strong: then it says what the others make together.
    """
    task, label = sample.task, sample.label
    judged = {name: values for name, values in sample.inputs.items() if name not in sample.known}
    own = _own_past(sample)
    past = _left(sample, own[:1])  # what was known: a mean of other times is no excuse for a copy
    alone = {name: limits.check_column(name, values, label, task, past) for name, values in judged.items()}
    for name, values in judged.items():
        if values.dtype != object:
            limits.check_exact_values(name, values, label, own, task)
    said = pairs.check(judged, alone, label, task)
    suspects = {name: found for name, found in alone.items() if found and limits.suspect(found, task)}
    for name, reading in suspects.items():
        # Two columns of one leak hide each other: then all suspects are left out, at stricter limits.
        group = set(suspects) if 1 < len(suspects) <= limits.MOST_SUSPECTS else set()
        for away, strictness in (({name}, 1.0), (group, limits.STRICTER)):
            others = {other: values for other, values in sample.inputs.items() if other not in away}
            if not away:
                continue
            best = _others(sample, others, alone, quick, reading)
            if limits.far_less(reading, best * strictness, task):
                raise LeakageError(limits.too_far(name, reading, best, task))
    return [*said, *_order_of_keys(sample, alone, quick)]


def _own_past(sample: Sample) -> tuple[Floats, Floats]:
    """What an entity that comes again tells: its newest known label, its mean in other stretches of time."""
    label = sample.label
    means, _ = strength.means_elsewhere(sample.entity, label, strength.folds(len(label)))
    return np.where(np.isnan(sample.past), label.mean(), sample.past), means


def _left(sample: Sample, scores: tuple[Floats, ...]) -> float:
    """What the best of some readings of the label's own past leaves to tell."""
    found = [strength.told("the past", score, sample.label, sample.task) for score in scores]
    return min((reading.wrong for reading in found if reading), default=1.0)


def _others(
    sample: Sample, others: Columns, alone: Mapping[str, Reading | None], quick: QuickModel, reading: Reading
) -> float:
    """What the best of the others leaves: one of them, the label's own past, or all of them together.

    The model is asked only where the reading leaves far less than each of the others does.
    """
    label, task = sample.label, sample.task
    found = [alone.get(name) for name in others]
    best = min((_left(sample, _own_past(sample)), *(other.wrong for other in found if other)))
    if limits.far_less(reading, best, task):
        columns = {**others, "(the label before)": sample.past}
        score = quick(columns, label, strength.folds(len(label)), task)
        together = strength.told("together", score, label, task)
        best = min(best, together.wrong) if together else best
    return min(best, 0.5) if task_of(task).probabilities else best


def _order_of_keys(sample: Sample, alone: Mapping[str, Reading | None], quick: QuickModel) -> list[str]:
    """Whether rows were numbered by their label: no model reads it, so it is told and not refused."""
    label, task = sample.label, sample.task
    reading = strength.told("position", sample.position, label, task, either_way=True)
    if reading is None or not limits.suspect(reading, task):
        return []
    best = _others(sample, sample.inputs, alone, quick, reading)
    if not limits.far_less(reading, best, task):
        return []
    return [
        "the order of the entity keys within their partitions tells far more of the label than all inputs: "
        "rows were numbered after their label was known, so make no feature of the key or of a row's number"
    ]
