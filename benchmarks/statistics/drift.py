"""Drift: alerts where nothing is wrong, and faults that are caught and told of; three rules side by side.

A champion is trained on the first half of the year and never again; its windows end on each later day. Days
without a trend are the year's own, permuted within their weekday. The first fortnight, in which the
features' look-back fills, is left out.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.statistics.data import Year, year
from numpy.typing import NDArray

from mlcycle.adapters.monitoring import days as kept
from mlcycle.domain import day_verdicts, effects, references, sketches, tally
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.tally import Tally
from mlcycle.project import Project

SKIPPED, TRAINED, WINDOW = 14, 175, 7
SEED = 20130101
RULE = day_verdicts.Rule(level=0.005, effect=0.1)
KEEP = 5_000  # rows of each side for the rules that look at rows
#: Today's thresholds of the two projects: effect, windows in a row.
TODAY = {"flights": (0.35, 3), "weather": (1.0, 1)}

Rows = pd.DataFrame
Fault = Callable[[Rows, "Lived", np.random.Generator], Rows]


@dataclass
class Lived:
    """A project's year in counts: rows by day, and each day's counts, in some order of the days."""

    project: Project
    rows: dict[int, Rows]
    scheme: tally.Scheme
    order: NDArray[np.int64]  # which day of the year stands at each place
    counts: Tally
    nulls: kept.Nulls = field(init=False)

    def __post_init__(self) -> None:
        """The null of the first days."""
        self.nulls = kept.nulls(kept.Days(self.scheme, 0, self.counts[:TRAINED], WINDOW, 365), "trailing")

    @property
    def lasts(self) -> range:
        """Places on which a window can end."""
        return range(TRAINED + WINDOW - 1, len(self.order))

    def permuted(self, random: np.random.Generator) -> "Lived":
        """The same days in another order, each on its weekday."""
        order = self.order.copy()
        for weekday in range(7):
            order[weekday::7] = random.permutation(order[weekday::7])
        return Lived(self.project, self.rows, self.scheme, order, self.counts[order])

    def window(self, last: int) -> Rows:
        """The rows of the window that ends there."""
        return pd.concat([self.rows[int(self.order[at])] for at in range(last - WINDOW + 1, last + 1)])

    def reference(self, rows: int) -> Rows:
        """A sample of the training rows."""
        whole = pd.concat([self.rows[int(self.order[at])] for at in range(TRAINED)])
        return whole.sample(min(rows, len(whole)), random_state=SEED)


def read(project: Project, rows: Rows) -> dict[str, Any]:
    """The inputs as they are counted."""
    found: dict[str, Any] = {name: rows[name].to_numpy(dtype=np.float64) for name in project.inputs.numeric}
    for name in project.inputs.categorical:
        found[name] = [None if pd.isna(value) else str(value) for value in rows[name]]
    return found


def lived(found: Year) -> Lived:
    """The year in its own order; a column is counted as the champion's training has it."""
    project, rows = found.project, found.rows
    first = int(rows["day"].min()) + SKIPPED
    rows = rows[rows["day"] >= first]
    days = int(rows["day"].max()) - first  # the last one may be half a day
    trained = rows[rows["day"] < first + TRAINED]
    inside = read(project, trained)
    sample = read(project, trained.sample(min(len(trained), project.monitors.sample), random_state=SEED))
    scheme: list[tally.Numeric | tally.Categorical] = [
        tally.categorical(name, tally.frequencies(inside[name]))
        if name in project.inputs.categorical
        else tally.numeric(name, sample[name])
        for name in project.inputs.all
    ]
    at = rows["day"].to_numpy() - first
    rows, at = rows[at < days], at[at < days]
    newcomers = tally.Newcomers(kept.RECENT * WINDOW, TRAINED // 2)
    columns = read(project, rows)
    new = {}
    for column in scheme:
        if not column.numeric:
            fresh = newcomers(column.name, columns[column.name], at)
            unknown = column.strange(columns[column.name]) >= 0
            new[column.name] = np.where(at < TRAINED, fresh, unknown)
    counts = tally.count(scheme, columns, at, days, new)
    by_day = {day: rows[at == day] for day in range(days)}
    return Lived(project, by_day, scheme, np.arange(days), counts)


# The rules. Each tells what is wrong with a window: the keys under which it is told.


def ours(life: Lived, last: int, window: Tally | None = None) -> set[str]:
    """Keys of the alerts that the monitors drift, dependence and values raise on a window."""
    start, nulls = last - WINDOW + 1, life.nulls
    now = window or life.counts.windows(np.array([start]), WINDOW)
    chosen = references.chosen("trailing", np.arange(len(life.order)), start, WINDOW, 365)
    before = life.counts.pooled(chosen[None, :])
    names, found = nulls.days.names, list[Measurement]()
    distances = effects.distances(life.scheme, now, before)[0]
    found += day_verdicts.drift("drift", names, distances, nulls.drift, RULE, {})
    sides = (effects.paired(side)[0] for side in (before, now))
    changes = effects.dependences(now, before)[0]
    found += day_verdicts.dependence(names[: tally.PAIRED], changes, nulls.dependence, RULE, *sides)
    found += day_verdicts.values(names, effects.shares(life.scheme, now)[0], nulls.ceilings)
    return {f"{item.monitor}:{item.subject}" for item in found if item.status in ("warn", "error")}


class Former:
    """Today's rule: Wasserstein distance and Kolmogorov-Smirnov, total variation and chi-square, rows taken
    as independent, false-discovery control over columns, so many windows in a row; one key for all.
    """

    def __init__(self, life: Lived) -> None:
        self.effect, self.persistence = TODAY[life.project.name]
        self.before = read(life.project, life.reference(KEEP))
        self.numeric = {*life.project.inputs.numeric}
        self.runs: dict[str, int] = {}

    def drifts(self, rows: dict[str, Any]) -> set[str]:
        """Columns whose window differs."""
        sizes, p_values = {}, {}
        for name, before in self.before.items():
            compared = _numbers if name in self.numeric else _categories
            if (found := compared(before, rows[name])) is not None:
                sizes[name], p_values[name] = found
        ordered = sorted(p_values, key=lambda name: p_values[name])
        passed = [at for at, name in enumerate(ordered, 1) if p_values[name] <= 0.01 * at / len(ordered)]
        return {name for name in ordered[: max(passed, default=0)] if sizes[name] >= self.effect}

    def __call__(self, life: Lived, rows: Rows) -> set[str]:
        """The key, where a column has drifted often enough."""
        drifted = self.drifts(read(life.project, rows))
        self.runs = {name: self.runs.get(name, 0) + 1 for name in drifted}
        return {"drift"} if max(self.runs.values(), default=0) >= self.persistence else set()


def _numbers(before: Any, now: Any) -> tuple[float, float] | None:
    from scipy.stats import ks_2samp, wasserstein_distance

    before, now = before[np.isfinite(before)], now[np.isfinite(now)]
    if min(len(before), len(now)) < effects.MIN_VALUES:
        return None
    scale = before.std() or np.concatenate([before, now]).std() or 1.0
    p_value = float(ks_2samp(before, now, method="asymp").pvalue)
    return float(wasserstein_distance(before, now) / scale), p_value


def _categories(before: Any, now: Any) -> tuple[float, float] | None:
    from scipy.stats import chi2_contingency

    counts = [tally.frequencies(before), tally.frequencies(now)]
    table = np.array([[each[name] for name in {*counts[0], *counts[1]}] for each in counts], dtype=float)
    if min(table.sum(axis=1)) < effects.MIN_VALUES:
        return None
    rare = table.sum(axis=0) * (table.sum(axis=1).min() / table.sum()) < 5
    pooled = table[:, ~rare]
    if rare.any():
        pooled = np.column_stack([pooled, table[:, rare].sum(axis=1)])
    shares = pooled / pooled.sum(axis=1, keepdims=True)
    p_value = float(chi2_contingency(pooled, correction=False).pvalue) if pooled.shape[1] > 1 else 1.0
    return float(np.abs(shares[0] - shares[1]).sum() / 2), p_value


class Preset:
    """Evidently's DataDriftPreset as it comes: it alarms where half of the columns drift."""

    def __init__(self, life: Lived) -> None:
        self.columns = list(life.project.inputs.all)
        self.numeric = list(life.project.inputs.numeric)
        self.before = self._frame(life, life.reference(KEEP))

    def _frame(self, life: Lived, rows: Rows) -> Rows:
        found = rows[self.columns].copy()
        for name in life.project.inputs.categorical:
            found[name] = found[name].astype(str)
        return found

    def __call__(self, life: Lived, rows: Rows) -> set[str]:
        """Names of the columns that it says drift."""
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=self.numeric, categorical_columns=list(life.project.inputs.categorical)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = Report([DataDriftPreset()]).run(
                Dataset.from_pandas(self._frame(life, rows), definition),
                Dataset.from_pandas(self.before, definition),
            )
        drifted = set()
        for metric in report.dict()["metrics"]:
            said = metric["config"]
            if said["type"].endswith("ValueDrift"):
                p_value = "p_value" in str(said.get("method"))
                value, threshold = float(metric["value"]), float(said["threshold"])
                if (value < threshold) if p_value else (value >= threshold):
                    drifted.add(str(said["column"]))
        return drifted


# What is planted, in the days from a start on.


def moved(column: str) -> Fault:
    """Half a standard deviation up."""

    def change(rows: Rows, life: Lived, random: np.random.Generator) -> Rows:
        spread = next(c.scale for c in life.scheme if c.name == column and isinstance(c, tally.Numeric))
        return rows.assign(**{column: rows[column] + spread / 2})

    return change


def kilometres(column: str) -> Fault:
    """Another unit."""
    return lambda rows, life, random: rows.assign(**{column: rows[column] * 1.609344})


def stuck(column: str) -> Fault:
    """The day's first value, in every row; the start day's, in every day."""

    def change(rows: Rows, life: Lived, random: np.random.Generator) -> Rows:
        there = rows[column].dropna()
        return rows.assign(**{column: there.iloc[0] if len(there) else life.reference(KEEP)[column].median()})

    return change


def some(column: str, share: float, value: Any) -> Fault:
    """A value in a share of the rows."""

    def change(rows: Rows, life: Lived, random: np.random.Generator) -> Rows:
        hit = random.permutation(len(rows)) < round(share * len(rows))
        return rows.assign(**{column: rows[column].mask(hit, value)})

    return change


def renamed(column: str) -> Fault:
    """Categories that together are about 15 % of the training's rows bear another name."""

    def change(rows: Rows, life: Lived, random: np.random.Generator) -> Rows:
        usual = life.reference(20_000)[column].value_counts(normalize=True)
        name = (usual - 0.15).abs().idxmin()
        return rows.assign(**{column: rows[column].astype(object).replace({name: "renamed"})})

    return change


def shuffled(columns: Sequence[str]) -> Fault:
    """Each column permuted by itself within the day: margins stay, what goes together does not."""

    def change(rows: Rows, life: Lived, random: np.random.Generator) -> Rows:
        return rows.assign(**{c: random.permutation(rows[c].to_numpy()) for c in columns})

    return change


def plants(life: Lived) -> Iterator[tuple[str, str, Fault]]:
    """What is planted: its name, the column, and how. A stable column's effect is usually below .1 sd."""
    inputs, null = life.project.inputs, life.nulls.drift
    centre = dict(zip(life.nulls.days.names, null.centre**2, strict=True))
    stable = [n for n in inputs.numeric if centre[n] < 0.1 and n != "weekday"]
    sensors = [n for n in inputs.numeric if np.isfinite(_limit(life, n, 3))]
    for name in stable:
        yield "+.5 sd, stable column", name, moved(name)
    for name in sensors:
        yield "stuck sensor", name, stuck(name)
    for name in inputs.numeric:
        yield "1 % sentinels (-9999)", name, some(name, 0.01, -9999.0)
    for name in inputs.categorical:
        yield "category renamed (15 %)", name, renamed(name)
        yield "new category (15 %)", name, some(name, 0.15, "new")
    for name in inputs.all:
        if _limit(life, name, 0) <= 0.1:
            yield "10 % missing", name, some(name, 0.1, None if name in inputs.categorical else np.nan)
    yield "all columns permuted", "", shuffled(inputs.all)
    for name in _paired(life):
        yield "one column permuted", name, shuffled([name])
    if "distance" in inputs.numeric:
        yield "distance in kilometres", "distance", kilometres("distance")


def _few(planted: Iterator[tuple[str, str, Fault]], columns: int) -> Iterator[tuple[str, str, Fault]]:
    """So many columns of each fault at most, evenly out of all."""
    by_fault: dict[str, list[tuple[str, str, Fault]]] = {}
    for each in planted:
        by_fault.setdefault(each[0], []).append(each)
    for items in by_fault.values():
        for at in np.unique(np.linspace(0, len(items) - 1, min(columns, len(items))).astype(int)):
            yield items[at]


def _limit(life: Lived, column: str, check: int) -> float:
    return float(life.nulls.ceilings.limits[life.nulls.days.names.index(column), check])


def _paired(life: Lived) -> list[str]:
    """Numbers that go with another one by .5 and more in training, by rank."""
    names = life.nulls.days.names[: tally.PAIRED]
    found = np.abs(np.nan_to_num(effects.correlations(life.nulls.days.counts.whole())[0]))
    np.fill_diagonal(found, 0)
    return [
        n
        for n, most in zip(names, found.max(axis=1), strict=True)
        if most >= 0.5 and n in life.project.inputs.numeric
    ]


@dataclass
class Caught:
    """Of one fault: in how many tries it was told of within a window, on a key not open before, and when."""

    tries: int = 0
    caught: int = 0
    delivered: int = 0
    days: list[int] = field(default_factory=list)

    def add(self, open_before: set[str], told: list[set[str]], column: str) -> None:
        """One try: what was open the day before, and what was told on each day after."""
        self.tries += 1
        own = [{key for key in keys if not column or column in key or ":" not in key} for keys in told]
        self.caught += any(own)
        fresh = [at for at, keys in enumerate(own, 1) if keys - open_before]
        self.delivered += bool(fresh)
        self.days += fresh[:1]


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    for name in ("flights", "weather"):
        life = lived(year(name, folder))
        random = np.random.default_rng(SEED)
        print(f"\n{name}: {len(life.order)} days, {TRAINED} of them training, windows of {WINDOW} days")
        _nothing_wrong(life, random, thorough)
        _planted(life, random, thorough)
        _predictions(life, random, thorough)


def _nothing_wrong(life: Lived, random: np.random.Generator, thorough: bool) -> None:
    orders = 100 if thorough else 20
    print(f"{'rule':34} {'days':16} {'alerts a year':>14} {'subjects':>9} {'days open':>10}")
    null = [life.permuted(random) for _ in range(orders)]
    for what, lives in (("without a trend", null), ("calendar order", [life])):
        open_days = [[ours(each, last) for last in each.lasts] for each in lives]
        _line("ours", what, open_days)
        for monitor in ("drift", "dependence", "values"):
            own = [[{key for key in keys if key.startswith(monitor)} for keys in days] for days in open_days]
            _line(f"  {monitor}", what, own)
        for former, few in (("today's rule", 1), ("Evidently, half the columns", 1), ("Evidently, any", 1)):
            told = []
            for each in lives[: few if not thorough else 5]:
                rule: Any = Former(each) if former.startswith("today") else Preset(each)
                step = 1 if thorough or isinstance(rule, Former) else 3 * WINDOW
                found = [rule(each, each.window(last)) for last in each.lasts[::step]]
                if "half" in former:
                    found = [keys if len(keys) * 2 >= len(life.scheme) else set() for keys in found]
                told.append(found)
            _line(former, what, told, step)


def _predictions(life: Lived, random: np.random.Generator, thorough: bool) -> None:
    """Predictions against what was served: the first half of the year is the null, nothing is retrained."""
    values = [rows["prediction"].to_numpy(dtype=np.float64) for _, rows in sorted(life.rows.items())]
    print("\npredictions, days without a trend, calendar order; then faults in 10 starts each")
    for what, orders in (
        ("without a trend", [life.permuted(random).order for _ in range(100 if thorough else 20)]),
        ("calendar order", [life.order]),
    ):
        told, former = [], []
        for order in orders:
            judged = Served([values[int(at)] for at in order])
            told.append([judged.told(last) for last in life.lasts])
            former.append([judged.former(last) for last in life.lasts])
        _line("ours", what, told)
        _line("stability index of .2, today", what, former)
    judged = Served(values)
    for fault, change in (
        ("+.5 sd", lambda each: each + 0.5 * np.concatenate(values).std()),
        ("constant", lambda each: np.full_like(each, np.concatenate(values).mean())),
        ("constant, then another", lambda each: np.full_like(each, 0.9)),
    ):
        caught = []
        own = Served([np.full_like(each, 0.2) for each in values]) if "then" in fault else judged
        for start in np.linspace(TRAINED + 2 * WINDOW, len(values) - WINDOW, 10).astype(int):
            after = [
                change(own.values[at]) if start <= at < start + WINDOW else own.values[at]
                for at in range(len(values))
            ]
            planted = Served(after, own)
            caught.append(
                (bool(planted.told(int(start) + WINDOW - 1)), bool(planted.former(int(start) + WINDOW - 1)))
            )
        ours_, former_ = (np.mean([each[at] for each in caught]) for at in (0, 1))
        print(f"{fault:26} caught {ours_:.2f}, by today's rule {former_:.2f}", flush=True)


class Served:
    """Predictions of each day, and the null of the first ones (another life's, where faults are planted)."""

    def __init__(self, values: Sequence[NDArray[np.float64]], other: "Served | None" = None) -> None:
        self.values = values
        days = [sketches.sketch(each) for each in values]
        self.scheme = other.scheme if other else sketches.scheme("predictions", days[:TRAINED])
        self.counts = sketches.counts(self.scheme, days)
        held = kept.Days(self.scheme, 0, self.counts[:TRAINED], WINDOW, 365)
        self.nulls = other.nulls if other else kept.nulls(held, "trailing")

    def told(self, last: int) -> set[str]:
        """What ours says of a window."""
        start = last - WINDOW + 1
        now = self.counts.windows(np.array([start]), WINDOW)
        chosen = references.chosen("trailing", np.arange(len(self.values)), start, WINDOW, 365)
        effect = effects.distances(self.scheme, now, self.counts.pooled(chosen[None, :]))[0]
        found = day_verdicts.drift("prediction_drift", [""], effect, self.nulls.drift, RULE, {})
        found += day_verdicts.values(["one value"], effects.shares(self.scheme, now)[0], self.nulls.ceilings)
        return {item.monitor for item in found if item.status == "warn"}

    def former(self, last: int) -> set[str]:
        """The population stability index over tenths of the first window served, from .2 on."""
        before = np.concatenate(self.values[TRAINED - WINDOW : TRAINED])
        now = np.concatenate(self.values[last - WINDOW + 1 : last + 1])
        edges = np.unique(np.quantile(before, np.linspace(0, 1, 11)[1:-1]))
        shares = [
            np.bincount(np.searchsorted(edges, each, side="right"), minlength=len(edges) + 1) + 0.5
            for each in (before, now)
        ]
        p, q = (each / each.sum() for each in shares)
        return {"prediction_drift"} if float(((q - p) * np.log(q / p)).sum()) >= 0.2 else set()


def _line(rule: str, what: str, lives: Sequence[Sequence[set[str]]], step: int = 1) -> None:
    """A message leaves whenever something is open that was not the day before."""
    messages = subjects = 0
    for days in lives:
        for before, now in zip([set(), *days], days, strict=False):
            messages += bool(now - before)
            subjects += len(now - before)
    seen = sum(len(days) for days in lives)
    share = sum(bool(keys) for days in lives for keys in days) / seen
    a_year = 365 / (seen * step)
    told = f"{messages * a_year:14.1f} {subjects * a_year:9.1f}" if step == 1 else f"{'':14} {'':9}"
    print(f"{rule:34} {what:16} {told} {share:10.1%}", flush=True)


def _planted(life: Lived, random: np.random.Generator, thorough: bool) -> None:
    starts = np.linspace(TRAINED + 2 * WINDOW, len(life.order) - WINDOW, 40 if thorough else 10).astype(int)
    found: dict[tuple[str, str], Caught] = {}
    former: dict[str, Caught] = {}
    for start in starts:
        open_before = ours(life, int(start) - 1)
        rule = Former(life)
        runs = {"drift"} if any(rule(life, life.window(int(start) - back)) for back in (3, 2, 1)) else set()
        looked_at = set[str]()
        for fault, column, change in _few(plants(life), 99 if thorough else 5):
            told, days = [], list[Rows]()
            for place in range(start, start + WINDOW):
                days.append(change(life.rows[int(life.order[place])], life, random))
            if "stuck" in fault:
                constant = days[0][column].iloc[0]
                days = [rows.assign(**{column: constant}) for rows in days]
            each = [tally.count(life.scheme, read(life.project, rows)) for rows in days]
            for last in range(WINDOW):
                window = life.counts.windows(np.array([start + last - WINDOW + 1]), WINDOW - last - 1)
                for counted in each[: last + 1]:
                    window = window + counted
                told.append(ours(life, int(start) + last, window))
            found.setdefault((fault, column), Caught()).add(open_before, told, column)
            if fault not in looked_at or thorough:  # one column of each: it looks at rows
                looked_at.add(fault)
                rows = pd.concat(days)
                drifted = rule.drifts(read(life.project, rows))
                now = {"drift"} if drifted & ({column} if column else drifted) else set()
                former.setdefault(fault, Caught()).add(runs, [now] * WINDOW, "")
    print("\nfaults: share caught and told of within a window, median days; today's rule; least caught")
    print(f"{'':26} {'columns':>7} {'caught':>7} {'told':>6} {'days':>5}   {'caught':>7} {'told':>6}")
    for fault in dict.fromkeys(fault for fault, _ in found):
        own = {column: each for (what, column), each in found.items() if what == fault}
        tries = sum(each.tries for each in own.values())
        shares = [
            sum(getattr(each, what) for each in own.values()) / tries for what in ("caught", "delivered")
        ]
        days = sorted(day for each in own.values() for day in each.days)
        median = f"{np.median(days):5.0f}" if days else "     "
        old = former[fault]
        worst = min(own, key=lambda column: own[column].caught / own[column].tries)
        print(
            f"{fault:26} {len(own):7} {shares[0]:7.2f} {shares[1]:6.2f} {median}   "
            f"{old.caught / old.tries:7.2f} {old.delivered / old.tries:6.2f}   "
            f"{worst} {own[worst].caught / own[worst].tries:.2f}",
            flush=True,
        )
