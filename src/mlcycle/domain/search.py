"""A search over a family's parameters: what may be tried, and when no more may be begun. Pure."""

import itertools
import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MOST_POINTS = 10_000  # of a grid: more than anybody waits for


@dataclass(frozen=True)
class Dimension:
    """What one parameter may be: a number between two bounds, both included, or one of some values.

    ``log`` draws on a logarithmic scale. With ``step`` a number is ``low`` plus a multiple of it. A choice
    is any JSON value, a list of layers' widths too. ``needs`` is another parameter and the
    least it must be for this one to be asked.
    """

    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    needs: tuple[str, float] | None = None

    def asked(self, values: Mapping[str, Any]) -> bool:
        """Whether it is a question, the values of the others being these."""
        return self.needs is None or values[self.needs[0]] >= self.needs[1]

    def points(self) -> list[Any] | None:
        """Every value there is; None where a number may be anything between its bounds."""
        if self.kind == "choice":
            return list(self.choices)
        if self.kind == "int":
            return list(range(int(self.low), int(self.high) + 1, int(self.step or 1)))
        if self.step is None:
            return None
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return [self.low + number * self.step for number in range(count)]

    def contains(self, value: Any) -> bool:
        """Whether a value is one that may be tried."""
        points = self.points() if self.kind == "choice" or self.step is not None else None
        if points is not None:
            return any(label(value) == label(each) for each in points)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (self.kind == "float" or float(value).is_integer())


Space = Mapping[str, Dimension]


def label(value: Any) -> str:
    """A choice as text: JSON with its keys in order, so that two ways to write one value are one."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def size(space: Space) -> int | None:
    """How many points a grid over the space has at the most; None where a number has no steps."""
    counts = [len(points) if (points := each.points()) is not None else None for each in space.values()]
    return None if None in counts else math.prod(each or 0 for each in counts)


def grid(space: Space, seed: int) -> list[dict[str, Any]]:
    """Every point of the space once, in an order that does not walk along one side of it.

    Raises ValueError for a number without steps, and for more than ``MOST_POINTS``.
    """
    if endless := [name for name, each in space.items() if each.points() is None]:
        raise ValueError(f"a grid needs steps: give {', '.join(endless)} a step, or choices")
    if (count := size(space)) is not None and count > MOST_POINTS:
        raise ValueError(f"a grid of {count} points is more than {MOST_POINTS}: widen the steps")
    sides = [[(name, value) for value in each.points() or []] for name, each in space.items()]
    every = (dict(point) for point in itertools.product(*sides))
    asked = ({name: value for name, value in each.items() if space[name].asked(each)} for each in every)
    found = list({label(point): point for point in asked}.values())  # fewer where some are not asked
    random.Random(seed).shuffle(found)  # noqa: S311 - an order, no secret
    return found


@dataclass(frozen=True)
class Budget:
    """Beyond which no new trial begins; None is no bound. Minutes are by the clock, from the plan on."""

    trials: int
    minutes: float | None = None
    gpu_hours: float | None = None
    money: float | None = None

    def over(self, *, minutes: float, gpu_hours: float, money: float, currency: str = "") -> str:
        """Why no new trial may begin for what was spent; empty where one may. Trials are not counted."""
        if self.minutes is not None and minutes >= self.minutes:
            return f"{self.minutes:g} minutes are over"
        if self.gpu_hours is not None and gpu_hours >= self.gpu_hours:
            return f"{gpu_hours:.2f} of {self.gpu_hours:g} GPU hours are spent"
        if self.money is not None and money >= self.money:
            return f"{money:,.2f} of {self.money:,.2f} {currency} are spent".replace("  ", " ")
        return ""


def rungs(of: int, factor: int = 3) -> list[int]:
    """Rounds at which a fit of ``of`` rounds is judged: 1, 3, 9 ... and the last.

    Those of successive halving (Jamieson & Talwalkar, AISTATS 2016) and of each bracket of Hyperband (Li et
    al., JMLR 2018) with a reduction factor of ``factor`` from one round on.
    """
    found, at = [], 1
    while at < of:
        found.append(at)
        at *= factor
    return [*found, of]


def subsamples(count: int, factor: int = 3, most: int = 4, least: int = 500) -> list[int]:
    """Rows that a fit on ``count`` of them is judged by beforehand, ascending, and ``count`` itself.

    Each is ``factor`` times the one before: the resource of successive halving and Hyperband. At ``most`` so
    many in all, none of fewer than ``least`` rows.
    """
    found = [count]
    while len(found) < most and count // factor ** len(found) >= least:
        found.append(count // factor ** len(found))
    return found[::-1]


@dataclass(frozen=True)
class Tried:
    """One trial of a search as it stands. ``value`` is the metric on the validation rows, or the mean of
    folds, whose standard deviation is ``spread``.
    """

    number: int
    state: Literal["told", "pruned", "failed", "lost", "running", "waiting"]
    values: Mapping[str, Any]  # of the parameters that are searched
    value: float | None = None
    seconds: float = 0.0
    rounds: int = 0  # after which it was ended, where it was pruned; rows, where they are the fidelity
    error: str = ""
    run_id: str = ""
    spread: float | None = None


def best(tried: list[Tried], *, higher: bool) -> Tried | None:
    """The trial with the best value of those that went to their end; the first of several equal ones."""
    ended = [each for each in tried if each.state == "told" and each.value is not None]
    sign = -1 if higher else 1
    return min(ended, key=lambda each: (sign * (each.value or 0.0), each.number), default=None)
