"""Text as numbers: a number that is written as text, and the place of a text among all texts."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DIGITS = re.compile(r"(\d+)")
MOSTLY = 0.95  # of the texts must hold a number for them to count as numbers


def orders(texts: npt.NDArray[Any]) -> dict[str, Floats]:
    """Each text as a number, one array for each way of reading it: (n,), NaN where the text is no number.

    Args:
        texts: objects without None, shape (n,).

    Returns:
        ``number``: the number it begins with, where most texts begin with one; ``order``: its place in the
        order of people (``row 9`` before ``row 10``); ``alphabet``: its place letter by letter, where that
        is another one.
    """
    found_names, codes = np.unique(texts.astype(str), return_inverse=True)
    names = [str(name) for name in found_names]
    found = {}
    numbers = np.array([_number(name) for name in names])
    if np.isfinite(numbers).mean() >= MOSTLY:
        found["number"] = numbers[codes]
    natural = sorted(range(len(names)), key=lambda at: _parts(names[at]))
    place = np.empty(len(names))
    place[natural] = np.arange(len(names))
    found["order"] = place[codes]
    if np.any(np.diff(place) < 0):
        found["alphabet"] = codes.astype(np.float64)
    return found


def _number(text: str) -> float:
    match = _NUMBER.match(text)
    return float(match.group()) if match else np.nan


def _parts(text: str) -> list[tuple[bool, int, str]]:
    """Digits by their number, what is between them by its letters."""
    return [
        (part.isdecimal(), int(part[:300]) if part.isdecimal() else 0, part) for part in _DIGITS.split(text)
    ]
