"""Which levels of quantiles a project may ask for; what a project file is read with, no numbers needed."""

from collections.abc import Sequence
from typing import Final

MEDIAN: Final = 0.5
MOST: Final = 9
EDGE: Final = 0.001  # the outermost level: beyond it rows are too few to learn from, or to judge by


def problem(levels: Sequence[float]) -> str:
    """What is wrong with a project's levels, in one line; empty where nothing is."""
    if len(levels) > MOST:
        return f"quantiles names {len(levels)} levels: {MOST} are the most"
    if odd := [each for each in levels if not EDGE <= each <= 1 - EDGE]:
        return f"quantiles names {odd[0]:g}: a level lies between {EDGE:g} and {1 - EDGE:g}"
    if list(levels) != sorted(set(levels)):
        return "quantiles must ascend, none twice: " + ", ".join(f"{each:g}" for each in sorted(set(levels)))
    if MEDIAN not in levels:
        return "quantiles lacks 0.5, the median: it is the point forecast"
    if len(levels) < 2:
        return "quantiles names the median alone: add a level, or leave quantiles out"
    return ""
