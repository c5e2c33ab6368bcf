"""What one input may tell: never all of the label, and not far more than all the others together.

Absolute limits need nothing else. The relative ones compare an input that is strong with what a quick model
makes of all the others, out of fold, and with the newest label of the same entity that was known: a series'
own past explains an honest lag. An input that honestly stands so far out is declared (``inputs.known``).
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mlcycle.domain.leakage import strength
from mlcycle.domain.leakage.strength import Floats, Reading
from mlcycle.domain.tasks import task_of
from mlcycle.errors import LeakageError

TELLING_AUC = 0.98  # a single input that ranks this well, or this badly, knows the label
TELLING_CORRELATION = 0.9995

SUSPECT_AUC = 0.86  # from here an input is compared with the others
SUSPECT_CORRELATION = 0.99
SUSPECT_ROWS = 500
SUSPECT_RARE = 50
FAR_LESS_PAIRS = 0.4  # of the pairs that the others rank wrongly
FAR_LESS_VARIANCE = 0.08  # of the variance that the others leave
MOST_SUSPECTS = 3  # several strong inputs may be one leak in several columns; many are an easy problem
STRICTER = 0.75  # of these limits, where the other strong inputs are left out as well

DECLARE = "remove it from inputs, or list it under inputs.known where it is known when a prediction is due"


def check_column(
    name: str, values: npt.NDArray[np.generic], label: Floats, task: str, past: float = 1.0
) -> Reading | None:
    """One input must not give the label away, by its value, by what it is near to, or by being absent.

    A slow series' last value is nearly the next one, and no copy of it: what the label's own known past
    tells as well, an input may tell.

    Args:
        name: the input.
        values: numbers (NaN is absent) or objects (None is absent), in order of time, shape (n,).
        label: 0 or 1 for classification, else the value, shape (n,).
        task: ``classification`` or ``regression``.
        past: what the newest known label of the same entity leaves to tell, as ``Reading.wrong``.

    Returns:
        The reading that tells most, None where none could be made.

    Raises:
        LeakageError: it tells all there is.
    """
    best = None
    for reading in strength.readings(values, label, task):
        if told_all(reading, task) and far_less(reading, past, task):
            raise LeakageError(_copy(name, reading, task))
        if best is None or reading.wrong < best.wrong:
            best = reading
    return best


def told_all(reading: Reading, task: str) -> bool:
    """Whether a reading tells so much that nothing is left to predict."""
    if task_of(task).probabilities:
        return 1 - reading.wrong >= TELLING_AUC
    return math.sqrt(max(0.0, 1 - reading.wrong)) >= TELLING_CORRELATION


def suspect(reading: Reading, task: str) -> bool:
    """Whether an input tells so much that it has to be compared with the others."""
    if reading.rows < SUSPECT_ROWS:
        return False
    if task_of(task).probabilities:
        # Two standard errors of an AUC (Hanley & McNeil 1982, its leading term).
        doubt = 2 * math.sqrt(reading.wrong * (1 - reading.wrong) / max(1, reading.rare))
        return reading.rare >= SUSPECT_RARE and 1 - reading.wrong - doubt >= SUSPECT_AUC
    return reading.wrong <= 1 - SUSPECT_CORRELATION**2


def far_less(reading: Reading, others: float, task: str) -> bool:
    """Whether an input leaves a small part of what the others leave."""
    return reading.wrong <= others * (FAR_LESS_PAIRS if task_of(task).probabilities else FAR_LESS_VARIANCE)


def too_far(name: str, reading: Reading, others: float, task: str) -> str:
    """The refusal of an input that leaves far less than what others leave."""
    return (
        f"input {name!r} tells far more than all the others: {_left(reading.wrong, task)} by {reading.how}, "
        f"{_share(others)} by the other inputs and the label's own past; {DECLARE}"
    )


def check_exact_values(name: str, values: Floats, label: Floats, past: Iterable[Floats], task: str) -> None:
    """The very value of a number must not tell far more than its neighbourhood: then it names a group.

    A patient's weight to the gram is the patient. Where the same entities come again by their key, their
    earlier labels explain as much, and it is no leak.

    Args:
        name: the input.
        values: NaN is absent, in order of time, shape (n,).
        label: shape (n,).
        past: what entities that come again by their key tell of it, each of shape (n,).
        task: ``classification`` or ``regression``.
    """
    found = strength.by_exact_value(values, label, task)
    if found is None:
        return
    exact, near, rows = found
    limit = 1 - SUSPECT_AUC if task_of(task).probabilities else EXACT_VARIANCE
    if (
        exact.wrong > limit
        or exact.rows < SUSPECT_ROWS
        or (exact.rare < SUSPECT_RARE and task_of(task).probabilities)
    ):
        return
    others = [near, *(strength.told("the past", score[rows], label[rows], task) for score in past)]
    best = min(other.wrong for other in others if other)
    if far_less(exact, best, task):
        raise LeakageError(
            f"input {name!r} names a group of rows: {_left(exact.wrong, task)} by its exact values, which "
            f"come again in other stretches of time, {_share(near.wrong)} by what it is near to; name the "
            f"group's column under split.groups and {DECLARE}"
        )


EXACT_VARIANCE = 0.1  # an exact value that leaves more of the label's variance names no group


def _left(wrong: float, task: str) -> str:
    what = (
        "of pairs of rows ranked wrongly" if task_of(task).probabilities else "of the label's variance left"
    )
    return f"{_share(wrong)} {what}"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"


def _copy(name: str, reading: Reading, task: str) -> str:
    if reading.how == "is absent":
        return (
            f"input {name!r} is absent just where the label says so: AUC {1 - reading.wrong:.3f} by itself; "
            "remove it from inputs"
        )
    by = "" if reading.how == "its value" else f" by {reading.how}"
    if task_of(task).probabilities:
        figure = f"AUC {1 - reading.wrong:.3f} by itself"
    else:
        figure = f"correlation {math.sqrt(max(0.0, 1 - reading.wrong)):.4f}"
    return f"input {name!r} is a copy of the label{by}: {figure}; remove it from inputs"
