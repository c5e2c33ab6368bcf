"""With which days a window is compared, and which of training's own windows were compared just so.

A null is true where it is made as the verdict is: every window of the training data is compared with the days
that would have been its reference, so that seasons, trends and the dependence of days are in it.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["trailing", "training", "season", "calendar"]

BACK = 4  # windows of a trailing reference
LEAST = 0.5  # of the days asked for must be there


def chosen(kind: Kind, days: NDArray[np.int64], start: int, length: int, year: int) -> NDArray[np.bool_]:
    """Which of the days (their numbers) are the reference of the window of ``length`` days from ``start``.

    - ``trailing``: the last four whole stretches of the window's length before it, so that all windows
      of a week have one reference.
    - ``training``: every day but the window's and as many on either side.
    - ``season``: a year earlier, the window's days and as many on either side.
    - ``calendar``: the same in every other year.

    ``year`` is a year's length in days (in whatever a day is here).
    """
    if kind == "trailing":
        end = start // length * length
        return (days >= end - BACK * length) & (days < end)
    if kind == "training":
        return (days < start - length) | (days >= start + 2 * length)
    if kind == "season":
        return _around(days, start - year, length)
    away = np.abs(days - start)
    phase = (days - start + year // 2) % year - year // 2 + start
    return _around(phase, start, length) & (away > year // 2)


def _around(days: NDArray[np.int64], start: int, length: int) -> NDArray[np.bool_]:
    return (days >= start - length) & (days < start + 2 * length)


def wanted(kind: Kind, length: int) -> int:
    """How many days a reference has at least."""
    return int(LEAST * {"trailing": BACK, "training": BACK, "season": 3, "calendar": 3}[kind] * length)


def windows(
    kind: Kind, days: NDArray[np.int64], filled: NDArray[np.bool_], length: int, year: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where training's windows start that have all their rows and a reference, and that reference.

    Args:
        kind: which reference.
        days: consecutive numbers of the training's days.
        filled: which of them have rows.
        length: days of a window.
        year: days of a year.

    Returns:
        Positions in ``days``, and for each which of the days are its reference.
    """
    starts, references = [], []
    for at in range(len(days) - length + 1):
        if filled[at : at + length].mean() <= LEAST:
            continue
        reference = chosen(kind, days, int(days[at]), length, year) & filled
        if reference.sum() >= wanted(kind, length):
            starts.append(at)
            references.append(reference)
    found = np.array(references, dtype=bool).reshape(len(starts), len(days))
    return np.array(starts, dtype=np.int64), found
