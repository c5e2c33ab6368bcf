"""Whether groups of rows are treated alike: a rate in each group less the rate in all others.

Every group's difference has an interval out of whole blocks of time, and all intervals hold at once (max-T,
as of slices): a small group is uncertain and refuses nobody by luck. Which rate is the project's to say: not
all can be equal at once (J. Kleinberg, S. Mullainathan and M. Raghavan, "Inherent trade-offs in the fair
determination of risk scores", 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.guardrails.finding import Finding
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import Array
from mlcycle.domain.slices import at_once, moderated

Rate = Literal["selection_rate", "true_positive_rate", "mean_error"]
NEAR = 4  # blocks that may resemble each other
WORDS: dict[Rate, str] = {
    "selection_rate": "share of rows acted on",
    "true_positive_rate": "share of positives acted on",
    "mean_error": "mean of prediction less label",
}


@dataclass(frozen=True)
class Group:
    """A group's rate less all others'; ``low`` and ``high`` hold for all groups at once."""

    name: str
    rows: int
    difference: float
    low: float
    high: float
    before: float | None = None  # of the champion, on the same rows


def of_rows(
    rate: Rate, labels: Array, predictions: Array, threshold: float
) -> tuple[Array, NDArray[np.bool_]]:
    """What each row adds to a rate, and whether it counts at all; both (n,)."""
    if rate == "mean_error":
        return predictions - labels, np.full(len(labels), True)
    acted = (predictions >= threshold).astype(np.float64)
    return acted, np.asarray(labels > 0.5 if rate == "true_positive_rate" else np.full(len(labels), True))


def differences(
    values: Array, counted: NDArray[np.bool_], texts: Sequence[str], blocks: NDArray[np.int64], min_rows: int
) -> list[Group]:
    """Each group of at least ``min_rows`` rows that count against all other rows.

    Args:
        values: (n,) what each row adds.
        counted: (n,) whether it counts.
        texts: n names of groups.
        blocks: (n,) block of time of each row.
        min_rows: smaller groups are not judged.
    """
    here = np.flatnonzero(counted)
    values, names = values[here], np.asarray(texts, dtype=object).astype(str)[here]
    _, at = np.unique(np.asarray(blocks)[here], return_inverse=True)
    found, sums, noise = [], [], []
    for name in np.unique(names):
        own = names == name
        rows = int(own.sum())
        if rows < min_rows or rows == len(own) or len(np.unique(at[own])) < MIN_BLOCKS:
            continue
        rates = [float(values[side].mean()) for side in (own, ~own)]
        share = np.where(own, (values - rates[0]) / rows, -(values - rates[1]) / (len(own) - rows))
        sums.append(np.bincount(at, share))
        noise.append(float((share**2).sum()))
        found.append((str(name), rows, rates[0] - rates[1]))
    if not found:
        return []
    either = np.array(sums, dtype=np.float64)
    errors, freedom = moderated(either, np.array(noise))
    errors = errors * _widened(either)
    far = at_once(np.vstack([either, -either]), freedom)
    return [
        Group(name, rows, apart, float(apart - far * error), float(apart + far * error))
        for (name, rows, apart), error in zip(found, errors, strict=True)
    ]


def _widened(sums: Array) -> float:
    """By how much errors grow because blocks (s, k) resemble the next ones: Bartlett, all groups together."""
    centred = sums - sums.mean(axis=1, keepdims=True)
    whole = max(float((centred**2).sum()), 1e-300)
    lags = range(1, min(NEAR, sums.shape[1] - 1) + 1)
    shared = sum((1 - lag / (NEAR + 1)) * float((centred[:, lag:] * centred[:, :-lag]).sum()) for lag in lags)
    return float(np.sqrt(max(1.0, 1 + 2 * shared / whole)))


def judged(column: str, rate: Rate, groups: Sequence[Group], max_difference: float) -> Finding:
    """Refuses where a group's difference is surely larger than allowed, in either direction."""
    name, limit = f"fairness of {column}", f"{max_difference:g} of {WORDS[rate]}"
    if not groups:
        return Finding(name, "not measured", limit, True, "no two groups have rows and blocks of time enough")
    worst = max(groups, key=lambda group: max(group.low, -group.high))
    surely = max(worst.low, -worst.high, 0.0)
    largest = max(groups, key=lambda group: abs(group.difference)) if surely <= max_difference else worst
    return Finding(
        name,
        f"{column}={largest.name} {largest.difference:+.4f} against all others",
        limit,
        surely <= max_difference,
        f"between {largest.low:+.4f} and {largest.high:+.4f} with 95 %, {len(groups)} groups at once",
        "" if largest.before is None else f"{largest.before:+.4f}",
        *(largest.difference, largest.low, largest.high),
    )
