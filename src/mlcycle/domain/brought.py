"""What a retrain brought: two champions on labelled days that neither of them learnt from.

The gate judged on a holdout, and it lets a retrain pass that is a little worse. What became of that is seen
later, day by day, on the same rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.tasks import task_of

Array = NDArray[np.float64]

ENOUGH: Final = 7  # days, to count a retrain among those that are summed up


@dataclass(frozen=True)
class Day:
    """One day's rows under both models: sums of log loss or squared error."""

    rows: int
    old: float
    new: float


@dataclass(frozen=True)
class Brought:
    """Positive gains are better; ``spread`` is None for fewer than ``MIN_BLOCKS`` days."""

    task: str
    days: int
    rows: int
    old: float
    new: float
    spread: Spread | None

    @property
    def gain(self) -> float:
        """What was won, in the unit of the loss."""
        return self.old - self.new

    def words(self, confidence: float) -> str:
        """The figures for people."""
        text = (
            f"{task_of(self.task).mean_loss_words} {self.new:.4g} against {self.old:.4g} on {self.rows} rows "
            f"of {self.days} days: {abs(self.gain):.2g} {'better' if self.gain >= 0 else 'worse'}"
        )
        if self.spread is None:
            return f"{text}; with fewer than {MIN_BLOCKS} days that may be luck"
        low, high = self.spread.interval(confidence)
        return f"{text}, {confidence:.0%} interval {low:+.2g} to {high:+.2g}"


def losses(task: str, labels: Array, predictions: Array) -> Array:
    """(n,) of each row: log loss, or the squared error of a number."""
    return task_of(task).row_loss(labels, predictions)


def brought(task: str, days: Mapping[int, Day]) -> Brought | None:
    """Both models over these days, by the day's number; None where there are no rows.

    Days count by their rows, as losses do; how sure the gain is comes from how the days differ.
    """
    held = [days[number] for number in sorted(days) if days[number].rows]
    if not held:
        return None
    rows = np.array([each.rows for each in held], dtype=np.float64)
    sums = np.array([[each.old, each.new] for each in held])
    means = sums.sum(axis=0) / rows.sum()
    influence = (sums - means * rows[:, None]) / rows.sum()
    if task_of(task).loss == "rmse":  # of a root: half its square's over the root
        roots = np.sqrt(np.maximum(means, np.finfo(float).tiny))
        means, influence = roots, influence / (2 * roots)
    old, new = (float(value) for value in means)
    added = influence[:, 0] - influence[:, 1]
    spread = Spread.of(old - new, added) if len(held) >= MIN_BLOCKS else None
    return Brought(task, len(held), int(rows.sum()), old, new, spread)


def bring_nothing(found: Sequence[Brought], least: int, confidence: float) -> str:
    """Why the last retrains together cannot be told from none; empty where they can, or are too few.

    Args:
        found: what each of them brought, measured on a week or more.
        least: of how many this is asked.
        confidence: of the two-sided t interval over retrains.
    """
    gains = np.array([each.gain for each in found if each.days >= ENOUGH])
    if len(gains) < max(least, 2):
        return ""
    from scipy.stats import t

    mean = float(gains.mean())
    half = (
        float(t.ppf((1 + confidence) / 2, len(gains) - 1)) * float(gains.std(ddof=1)) / math.sqrt(len(gains))
    )
    if mean - half > 0:
        return ""
    unit = task_of(found[0].task).mean_loss_words
    return (
        f"the last {len(gains)} retrains brought {mean:+.2g} of {unit} on average, "
        f"{confidence:.0%} interval {mean - half:+.2g} to {mean + half:+.2g}: not to be told from nothing; "
        "retrain less often, or give the model something new to learn from"
    )
