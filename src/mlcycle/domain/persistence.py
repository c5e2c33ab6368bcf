"""How long something has been so: one odd day is weather, three in a row are news."""

from collections.abc import Iterable
from itertools import takewhile


def streak(now: bool, before: Iterable[bool]) -> int:
    """How many measurements in a row were true, the newest included; 0 where it is false now.

    ``before`` holds the earlier measurements, newest first.
    """
    return 1 + sum(1 for _ in takewhile(bool, before)) if now else 0
