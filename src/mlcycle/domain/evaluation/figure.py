"""A number that says how sure it is, or why there is none."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: With what confidence a figure lies in its interval.
SURE = 0.95
SHOWN = 300  # characters of a text


@dataclass(frozen=True)
class Figure:
    """``low`` and ``high`` are None where only the value is known; ``why`` says what is missing, and why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def plain(value: Any) -> Any:
    """The same as JSON knows it: no arrays, and no number that is not finite."""
    if isinstance(value, Figure):
        return plain(value.document)
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cell(value: Any) -> Any:
    """A value of a column as JSON knows it: a number, None where it is missing, else how its text begins."""
    if value is None or value != value:
        return None
    if isinstance(value, int | float | bool):
        return value
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
