"""The monitors: each takes what was seen and what was expected, and answers with measurements.

A monitor that could not measure says ``error``; silence would read as "all is well". One that lacks
rows answers nothing at all, and the caller says so.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Level = Literal["ok", "info", "warn", "page", "error"]


@dataclass(frozen=True)
class Measurement:
    """One monitor's finding about one subject (a column, or empty for the whole)."""

    monitor: str
    status: Level
    message: str
    subject: str = ""
    value: float | None = None
    threshold: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


def failed(monitor: str, why: str, subject: str = "") -> Measurement:
    """A monitor that could not measure: never the same as a good answer."""
    return Measurement(monitor, "error", f"could not be measured: {why}", subject)


def volume(rows: int, others: Sequence[int], bounds: tuple[float, float]) -> Measurement | None:
    """Rows of a partition against the median of the window's others; None with fewer than 3 others."""
    if len(others) < 3:
        return None
    usual = statistics.median(others)
    ratio = rows / usual if usual else float(rows > 0)
    low, high = bounds
    level: Level = "ok" if low <= ratio <= high else "page"
    message = f"{rows} rows, {ratio:.2f} of the window's median {usual:g} (allowed {low:g} to {high:g})"
    return Measurement("volume", level, message, value=ratio, threshold=low if ratio < low else high)


def missing(
    reference: Mapping[str, float], current: Mapping[str, float], increase: float
) -> list[Measurement]:
    """Share of absent values of each column against the share that is usual in the reference."""
    found = []
    for name, share in current.items():
        before = reference[name]
        level: Level = "page" if share - before >= increase else "ok"
        message = f"{share:.1%} missing, up to {before:.1%} is usual"
        details = {"share": share, "usual": before}
        found.append(Measurement("missing", level, message, name, share - before, increase, details))
    return found
