"""Other measures of drift, by training's own windows as ``drift``: alarms where nothing is wrong, what is
caught, and what a window costs. A champion of the first half of the year; windows end on every second day.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.statistics import drift
from benchmarks.statistics.data import year
from benchmarks.statistics.drift import SEED, TRAINED, WINDOW, Lived, lived, plants

from mlcycle.adapters.monitoring import registry
from mlcycle.adapters.monitoring.compared import Array, ByCounts, ByRows
from mlcycle.domain import references, tally
from mlcycle.domain.max_t import null

STEP = 2
A_DAY = 120  # rows of each day that measures of rows choose from
LEVEL = 0.005
BY_COUNTS, BY_ROWS = ("hellinger", "cramer_von_mises", "fisher_rare"), ("mmd", "lsdd", "novelty")
FAULTS = ("+.5 sd", "1 % sentinels", "category renamed", "new category", "all columns permuted")

Rows = pd.DataFrame
Judge = Callable[[int, Rows | None], bool]


def counted(name: str, life: Lived) -> Judge:
    """Whether a measure of columns tells of the window that ends on a day; of other rows, where given."""
    monitor = registry.kind(name)(None)
    assert isinstance(monitor, ByCounts)
    nulls, scheme = life.nulls, life.scheme
    usual = null(monitor.effects(scheme, nulls.windows, nulls.befores), nulls.independent)

    def judge(last: int, rows: Rows | None) -> bool:
        start = last - WINDOW + 1
        now = life.counts.windows(np.array([start]), WINDOW)
        if rows is not None:
            now = tally.count(scheme, drift.read(life.project, rows))
        before = life.counts.pooled(_before(life, start)[None, :])
        with np.errstate(invalid="ignore"):
            return bool((monitor.effects(scheme, now, before)[0] > usual.limits(LEVEL)).any())

    return judge


def by_rows(name: str, life: Lived) -> Judge:
    """The same of a measure of rows."""
    kind = registry.kind(name)
    monitor = kind(kind.Parameters())
    assert isinstance(monitor, ByRows)
    drawn = [encoded(life, life.rows[int(day)], monitor) for day in life.order]
    at = np.repeat(np.arange(TRAINED), [len(rows) for rows in drawn[:TRAINED]])
    usual = monitor.usual(life.nulls, np.concatenate(drawn[:TRAINED]), at)

    def judge(last: int, rows: Rows | None) -> bool:
        start = last - WINDOW + 1
        now = np.concatenate(drawn[start : last + 1]) if rows is None else encoded(life, rows, monitor)
        before = np.concatenate([drawn[day] for day in np.flatnonzero(_before(life, start))])
        return monitor.drawn(now, before) > usual.limits(LEVEL)[0]

    return judge


def encoded(life: Lived, rows: Rows, monitor: ByRows) -> Array:
    """Some of a day's rows as the monitor sees them."""
    rows = rows.sample(min(len(rows), A_DAY * max(1, rows["day"].nunique())), random_state=SEED)
    if type(monitor).__name__ == "MarginDensity":
        away = (rows["prediction"] - life.project.value.threshold).abs().to_numpy()
        usual = life.reference(5000)["prediction"] - life.project.value.threshold
        return (away <= usual.abs().quantile(0.2)).astype(float)[:, None]
    found, values = [], drift.read(life.project, rows)
    for column in life.scheme:
        codes = column.codes(values[column.name])
        found.append(np.where(codes >= 0, column.scores[codes], 0.0))
    return np.stack(found, axis=1)


def _before(life: Lived, start: int) -> np.ndarray:
    return references.chosen("trailing", np.arange(len(life.order)), start, WINDOW, 365)


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    for name in ("flights", "weather"):
        life = lived(year(name, folder))
        random = np.random.default_rng(SEED)
        orders = [life.permuted(random) for _ in range(20 if thorough else 3)]
        planted = [(fault, *_first(life, fault, random, 30 if thorough else 8)) for fault in FAULTS]
        print(f"\n{name}: alerts a year (days open) without a trend, in calendar order; caught in a week")
        print(f"{'':20}{'no trend':>13}{'calendar':>13}" + "".join(f"{f[:16]:>18}" for f in FAULTS))
        margins = ("margin_density",) if life.project.label.task == "classification" else ()
        for monitor in (*BY_COUNTS, *BY_ROWS, *margins):
            make = counted if monitor in BY_COUNTS else by_rows
            began = time.perf_counter()
            judge = make(monitor, life)
            made = time.perf_counter() - began
            began = time.perf_counter()
            lives = [_open(judge, life)]
            each = (time.perf_counter() - began) / len(lives[0])
            null_ = [_open(make(monitor, order), order) for order in orders]
            cells = [_rate(null_), _rate(lives)]
            caught = ["-" if not rows else _share(judge, lasts, rows) for _, lasts, rows in planted]
            print(
                f"{monitor:20}"
                + "".join(f"{cell:>13}" for cell in cells)
                + "".join(f"{cell:>18}" for cell in caught)
                + f"   null {made:.2f} s, window {1000 * each:.0f} ms",
                flush=True,
            )


def _first(
    life: Lived, fault: str, random: np.random.Generator, count: int
) -> tuple[Sequence[int], Sequence[Rows]]:
    """Whole windows of the fault in the first column that it concerns; none where it concerns none."""
    change = next((change for name, _, change in plants(life) if name.startswith(fault)), None)
    lasts = [int(last) for last in np.linspace(TRAINED + WINDOW, len(life.order) - 1, count)]
    return lasts, [change(life.window(last), life, random) for last in lasts] if change else []


def _open(judge: Judge, life: Lived) -> list[bool]:
    return [judge(last, None) for last in life.lasts[::STEP]]


def _rate(lives: Sequence[Sequence[bool]]) -> str:
    began = [now and not before for life in lives for now, before in zip(life, [False, *life], strict=False)]
    looked = sum(len(life) for life in lives)
    share = sum(sum(life) for life in lives) / looked
    return f"{sum(began) / (looked * STEP) * 365:.1f} ({share:.0%})"


def _share(judge: Judge, lasts: Sequence[int], rows: Sequence[Rows]) -> str:
    return f"{np.mean([judge(last, each) for last, each in zip(lasts, rows, strict=True)]):.2f}"
