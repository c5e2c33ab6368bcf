"""What acting on the predictions earned over acting as before, day by day, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.inverse_propensity import of_days
from mlcycle.domain.metrics import Payoff

Array = NDArray[np.float64]

WEEK: Final = 7
MONDAY: Final = 4  # 1 January 1970 was a Thursday


@dataclass(frozen=True)
class Day:
    """Sums over a day's labelled rows in the payoff's currency; ``before`` by way of acting as before.

    Where labels depend on decisions the sums are weighted: the labelled rows then stand for ``stood`` of
    ``all`` rows (``seen_labels.Estimated``).
    """

    rows: int
    served: float
    before: dict[str, float]
    stood: float | None = None
    all: float | None = None

    def gain(self, over: str) -> float:
        """What was earned more."""
        return self.served - self.before[over]


@dataclass(frozen=True)
class Return:
    """Earned a week over one way of acting as before; ``spread`` is None for too few days to say how sure."""

    over: str
    days: int
    weekly: float
    spread: Spread | None

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Where the weekly return lies."""
        if self.spread is None:
            return None
        low, high = self.spread.interval(confidence)
        return WEEK * low, WEEK * high


def returns(days: Mapping[int, Day]) -> list[Return]:
    """One for each way of acting as before that every day knows, by the day's number; days count alike."""
    held = [days[number] for number in sorted(days)]
    stood, rows = _stands(held)
    if not held or not stood.sum():
        return []
    ways = [name for name in held[-1].before if all(name in each.before for each in held)]
    found = []
    for name in ways:
        gains = np.array([each.gain(name) for each in held])
        mean, apart = of_days(gains, stood, rows)
        spread = Spread.of(mean, apart) if len(gains) >= MIN_BLOCKS else None
        found.append(Return(name, len(gains), WEEK * mean, spread))
    return found


def weeks(days: Mapping[int, Day], over: str) -> list[tuple[int, int, float]]:
    """Of each week its Monday's number, how many of its days are known, and the sum gained."""
    found: dict[int, list[Day]] = {}
    for number, day in sorted(days.items()):
        if over in day.before:
            found.setdefault(number - (number - MONDAY) % WEEK, []).append(day)
    return [(monday, len(held), _sum(held, over)) for monday, held in found.items()]


def _sum(held: list[Day], over: str) -> float:
    stood, rows = _stands(held)
    if not stood.sum():
        return 0.0
    return len(held) * of_days(np.array([each.gain(over) for each in held]), stood, rows)[0]


def _stands(held: list[Day]) -> tuple[Array, Array]:
    """For how many rows each day's labelled ones stand, and how many there were."""
    stood = np.array([each.rows if each.stood is None else each.stood for each in held], dtype=np.float64)
    rows = np.array([each.rows if each.all is None else each.all for each in held], dtype=np.float64)
    return stood, rows


def paying_threshold(payoff: Payoff) -> float | None:
    """From which probability on acting pays where probabilities are true: Elkan 2001, "The foundations of
    cost-sensitive learning". None where it never does or always does.
    """
    cost = payoff.true_negative - payoff.false_positive
    win = payoff.true_positive - payoff.false_negative
    return cost / (cost + win) if cost > 0 and win > 0 else None
