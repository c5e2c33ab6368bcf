"""The drift monitors on made-up projects that nobody tuned them on: dependent days, heavy tails, new ids.

Ten columns a project: eight numbers whose days go on as they were (an autoregression), of no, some or much
weight, one skewed and one rounded; a category of twelve, and an id of which a third of the rows is new.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlcycle.adapters.monitoring import days as kept
from mlcycle.domain import day_verdicts, effects, references, tally
from mlcycle.domain.max_t import Array

TRAINED, DAYS, WINDOW = 190, 400, 7
WEIGHTS = np.array([0, 0, 0, 0.15, 0.15, 0.3, 0.3, 0.6])  # of the day in each number
RULE = day_verdicts.Rule(level=0.005, effect=0.1)

Day = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Rows a day, how much of a day goes on to the next, and whether its news have heavy tails (t, 3)."""

    name: str
    rows: int
    memory: float
    heavy: bool


WORLDS = [
    World("60 rows a day", 60, 0.3, False),
    World("300 rows, days alike for weeks", 300, 0.8, False),
    World("300 rows, heavy tails", 300, 0.6, True),
]


def made(world: World, random: np.random.Generator) -> list[Day]:
    """Its days."""
    mood, days = np.zeros(8), []
    for day in range(DAYS):
        news = random.normal(size=8) * (random.standard_t(3, size=8) / 1.7 if world.heavy else 1)
        mood = world.memory * mood + news
        numbers = random.normal(size=(world.rows, 8)) + WEIGHTS * mood
        numbers[:, 1] += 0.8 * numbers[:, 0]
        numbers[:, 6] = np.exp(numbers[:, 6])
        numbers[:, 7] = np.round(np.abs(numbers[:, 7]), 1)
        seldom = (random.random(world.rows) < 0.3) * random.integers(0, 50 * (day + 20), world.rows)
        ids = np.minimum(random.zipf(1.3, world.rows), 100_000) + seldom * 1_000_003
        kinds = random.choice(12, world.rows, p=np.arange(1, 13) / 78)
        columns: Day = {f"x{column}": numbers[:, column] for column in range(8)}
        days.append(columns | {"id": list(map(str, ids)), "kind": [f"k{kind}" for kind in kinds]})
    return days


class Life:
    """A project's days, counted as its champion's training has them."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self.world, self.days = world, made(world, random)
        whole = {name: self._joined(name, DAYS) for name in self.days[0]}
        inside = {name: self._joined(name, TRAINED) for name in self.days[0]}
        self.scheme: list[tally.Numeric | tally.Categorical] = [
            tally.numeric(name, values)
            if isinstance(values, np.ndarray)
            else tally.categorical(name, tally.frequencies(values))
            for name, values in inside.items()
        ]
        at = np.repeat(np.arange(DAYS), world.rows)
        newcomers = tally.Newcomers(kept.RECENT * WINDOW, TRAINED // 2)
        new = {}
        for column in self.scheme:
            if not column.numeric:
                fresh = newcomers(column.name, whole[column.name], at)
                unknown = column.strange(whole[column.name]) >= 0
                new[column.name] = np.where(at < TRAINED, fresh, unknown)
        self.counts = tally.count(self.scheme, whole, at, DAYS, new)
        self.nulls = kept.nulls(kept.Days(self.scheme, 0, self.counts[:TRAINED], WINDOW, 365), "trailing")

    def _joined(self, name: str, days: int) -> Any:
        parts = [day[name] for day in self.days[:days]]
        return (
            np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [v for part in parts for v in part]
        )

    def told(self, start: int, now: tally.Tally | None = None) -> set[str]:
        """Keys of what the monitors find wrong in a window."""
        now = now or self.counts.windows(np.array([start]), WINDOW)
        chosen = references.chosen("trailing", np.arange(DAYS), start, WINDOW, 365)
        before, names = self.counts.pooled(chosen[None, :]), self.nulls.days.names
        found = day_verdicts.drift(
            "drift", names, effects.distances(self.scheme, now, before)[0], self.nulls.drift, RULE, {}
        )
        sides = (effects.paired(side)[0] for side in (before, now))
        changes = effects.dependences(now, before)[0]
        found += day_verdicts.dependence(names, changes, self.nulls.dependence, RULE, *sides)
        found += day_verdicts.values(names, effects.shares(self.scheme, now)[0], self.nulls.ceilings)
        return {f"{item.monitor}:{item.subject}" for item in found if item.status in ("warn", "error")}

    def faults(self, random: np.random.Generator) -> dict[str, Callable[[Day], Day]]:
        """What is planted, by its name and column."""
        few = np.arange(self.world.rows) < max(1, round(0.01 * self.world.rows))
        tenth = np.arange(self.world.rows) < 0.1 * self.world.rows

        def with_(column: str, change: Callable[[Any], Any]) -> Callable[[Day], Day]:
            return lambda day: day | {column: change(day[column])}

        def numbers(there: Array, value: float) -> Callable[[Array], Array]:
            return lambda values: np.where(there, value, values)

        return {
            "+.5 sd x0": with_("x0", lambda values: values + 0.5),
            "stuck x2": with_("x2", lambda values: np.full_like(values, 0.3)),
            "1 % sentinels x5": with_("x5", numbers(few, -9999.0)),
            "1 % sentinels x6": with_("x6", numbers(few, -9999.0)),
            "renamed (15 %) kind": with_("kind", lambda values: ["new" if v == "k11" else v for v in values]),
            "10 % missing x1": with_("x1", numbers(tenth, np.nan)),
            "permuted x1": with_("x1", random.permutation),
        }


def report(folder: Path, thorough: bool) -> None:
    """Print the table."""
    for world in WORLDS:
        random = np.random.default_rng(world.rows)
        messages, opened, caught, tried = [], [], Counter[str](), Counter[str]()
        for _ in range(40 if thorough else 6):
            life = Life(world, random)
            days = [life.told(start) for start in range(TRAINED, DAYS - WINDOW)]
            fresh = sum(bool(now - before) for before, now in zip([set(), *days], days, strict=False))
            messages.append(fresh * 365 / len(days))
            opened.append(np.mean([bool(keys) for keys in days]))
            for start in range(TRAINED + 20, DAYS - 10, 40):
                for fault, change in life.faults(random).items():
                    now = tally.empty(life.scheme, 1)
                    for day in life.days[start : start + WINDOW]:
                        now = now + tally.count(life.scheme, change(day))
                    own = {key.partition(":")[2] for key in life.told(start, now)}
                    tried[fault] += 1
                    caught[fault] += bool(own & {fault.split()[-1], "x0" if "permuted" in fault else ""})
        shares = ", ".join(f"{fault} {caught[fault] / tried[fault]:.2f}" for fault in tried)
        quiet = f"{np.mean(messages):.1f} alerts a year, open on {np.mean(opened):.1%} of days"
        print(f"{world.name}: {quiet}; {shares}", flush=True)
