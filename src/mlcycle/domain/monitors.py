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

from mlcycle.domain import drift as drifts
from mlcycle.domain.performance import relative_increase
from mlcycle.domain.persistence import streak

Array = NDArray[np.float64]
Level = Literal["ok", "info", "warn", "page", "error"]
Column = Array | Sequence[str]  # numbers, NaN where absent; or the categories that are there

CHANGED_POPULATION = 0.2  # a stability index from which a population counts as changed


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


def drift(
    reference: Mapping[str, Column],
    current: Mapping[str, Column],
    history: Mapping[str, Sequence[bool]],
    *,
    effect: float,
    rate: float,
    persistence: int,
) -> list[Measurement]:
    """Drift of every column: effect size and false-discovery control, and long enough to be news.

    Args:
        reference: the columns as the model was trained on them.
        current: the same columns as they are now.
        history: for each column whether it drifted at earlier partitions, newest first.
        effect: effect size from which a significant change counts.
        rate: false-discovery rate over all columns.
        persistence: how many partitions in a row make it a warning.
    """
    compared: dict[str, drifts.Drift] = {}
    found = []
    for name, before in reference.items():
        try:
            compared[name] = _compare(before, current[name])
        except ValueError as error:
            found.append(failed("drift", str(error), name))
    significant = drifts.discoveries((item.p_value for item in compared.values()), rate)
    for (name, item), certain in zip(compared.items(), significant, strict=True):
        drifted = certain and item.effect >= effect
        run = streak(drifted, history.get(name, ()))
        level: Level = "warn" if run >= persistence else "ok"
        message = f"effect {item.effect:.2f} ({item.method}), p {item.p_value:.2g}"
        if drifted:
            message += f"; drifts, {run} in a row of {persistence} needed"
        details = {"drifted": drifted, "streak": run, "p_value": item.p_value, "method": item.method}
        found.append(Measurement("drift", level, message, name, item.effect, effect, details))
    return found


def _compare(before: Column, now: Column) -> drifts.Drift:
    if isinstance(before, np.ndarray) and isinstance(now, np.ndarray):
        return drifts.numeric(drifts.present(before), drifts.present(now))
    return drifts.categorical(list(before), list(now))


def prediction_drift(baseline: Array, current: Array) -> Measurement:
    """Whether the model says other things than when it began to serve."""
    index = drifts.stability_index(baseline, current)
    level: Level = "warn" if index >= CHANGED_POPULATION else "ok"
    message = f"stability index {index:.2f}; mean {current.mean():.4g}, at first {baseline.mean():.4g}"
    return Measurement("prediction_drift", level, message, value=index, threshold=CHANGED_POPULATION)


def performance(
    metric: str, value: float, reference: float, increase: float, rows: int, *, estimated: bool = False
) -> Measurement:
    """A metric now against the champion's on its holdout. An estimate warns, a measurement pages."""
    worse = relative_increase(metric, value, reference)
    name = "estimate" if estimated else "performance"
    bad: Level = "warn" if estimated else "page"
    what = f"{'expected ' if estimated else ''}{metric} {value:.4g} on {rows} rows"
    message = (
        f"{what}, {abs(worse):.0%} {'worse' if worse > 0 else 'better'} than {reference:.4g} on the holdout"
    )
    level: Level = bad if worse >= increase else "ok"
    details = {"metric": metric, "now": value, "holdout": reference}
    return Measurement(name, level, message, value=worse, threshold=increase, details=details)
