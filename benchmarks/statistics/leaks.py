"""Leaks that are planted and must be refused, beside controls and clean sets that must pass.

Every set goes through the checks of the dataset step, a chunk at a time. "Before" is the rule that they
replaced: one AUC or correlation of each input, absolute limits.
"""

import csv
import io
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from benchmarks.statistics.data import Year, year

from mlcycle.adapters.datasets.leak_checks import LeakChecks
from mlcycle.demo.world_data import day_file
from mlcycle.domain.metrics import Array, NotMeasured, roc_auc
from mlcycle.errors import LeakageError
from mlcycle.project import Project

SEED = 9
CHUNK = 20  # partitions of days, or as many hours as give as many rows
CLEAN_SETS, THOROUGH_SETS = 120, 3000
SPLITS = (("train", 0.0, 0.8), ("validation", 0.8, 0.9), ("holdout", 0.9, 1.0))


def report(folder: Path, thorough: bool) -> None:
    began = time.monotonic()
    flights, weather = year("flights", folder), year("weather", folder)
    planted = [*_flights(flights), *_weather(weather), *_made()]
    print(f"{'planted leak':62} {'before':>8} {'ours':>8} {'goal':>8}   control passes")
    for name, make, control in planted:
        rows, honest = make(), control()
        found = f"{_word(before(*rows)):>8} {_word(ours(*rows)):>8} {'refused':>8}"
        print(f"{name:62} {found}   {_passes(ours(*honest))}", flush=True)
    count = THOROUGH_SETS if thorough else CLEAN_SETS
    _clean(flights, weather, count)
    print(f"({time.monotonic() - began:.0f} s)")


def _word(refusal: str) -> str:
    return "refused" if refusal else "missed"


def _passes(refusal: str) -> str:
    return f"NO: {refusal}" if refusal else "yes"


def _clean(flights: Year, weather: Year, count: int) -> None:
    kinds = [*_clean_sets(flights, weather)]
    print(f"\n{'clean sets':62} {'sets':>8} {'before':>8} {'ours':>8} {'goal':>8}")
    total = [0, 0, 0]
    for place, (name, make) in enumerate(kinds):
        sets = count // len(kinds)
        refused = [0, 0]
        for number in range(sets):
            rows = make(np.random.default_rng((SEED, place, number)))
            refused[0] += bool(before(*rows))
            said = ours(*rows)
            refused[1] += bool(said)
            if said:
                print(f"  {name} {number}: {said}")
        total = [total[0] + sets, total[1] + refused[0], total[2] + refused[1]]
        print(f"{name:62} {sets:8} {refused[0]:8} {refused[1]:8} {'0':>8}", flush=True)
    # Of none in n the rate is below 3/n with 95 % confidence (rule of three).
    print(f"{'all':62} {total[0]:8} {total[1]:8} {total[2]:8} {'<= .001':>8}")


# What is judged: a table with entity_key, event_time, partition, inputs and label, and which inputs it has.

Set = tuple[pd.DataFrame, list[str], list[str], str]  # rows, categorical, numeric, task


def ours(
    rows: pd.DataFrame, categorical: list[str], numeric: list[str], task: str, ahead: str = "0 hours"
) -> str:
    """What the checks of the dataset step say, empty where they let it pass."""
    checks = LeakChecks(_project(tuple(categorical), tuple(numeric), task, ahead))
    table = pa.Table.from_pandas(
        rows[["entity_key", "event_time", "partition", *categorical, *numeric, "label"]], preserve_index=False
    )
    keys = rows["partition"].to_numpy()
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    try:
        for split, low, high in SPLITS:
            parts = starts[int(low * len(starts)) : int(high * len(starts))]
            end = starts[int(high * len(starts))] if high < 1 else len(rows)
            step = max(1, len(parts) * 20_000 // max(1, end - parts[0]))
            for at in range(0, len(parts), step):
                stop = parts[at + step] if at + step < len(parts) else end
                checks.add(split, table.slice(parts[at], stop - parts[at]))  # type: ignore[arg-type]
        checks.check()
    except LeakageError as error:
        return error.message
    return ""


@lru_cache
def _project(categorical: tuple[str, ...], numeric: tuple[str, ...], task: str, ahead: str) -> Project:
    kinds = {**dict.fromkeys(categorical, "text"), **dict.fromkeys(numeric, "double")}
    return Project.model_validate(
        {
            "version": 1,
            "name": "planted",
            "scope": {
                "goal": "Find leaks.",
                "owner": "Benchmark",
                "stakeholders": ["readers"],
                "success": ["Leaks are found."],
            },
            "value": {"currency": "EUR", **({"per_unit_error": -1} if task == "regression" else {})},
            "source": {
                "url": "{source}/planted",
                "partition": "day",
                "start": "2013-01-01",
                "tables": {
                    "rows": {
                        "columns": {"id": "text", "at": "timestamp", "y": "double", **kinds},
                        "key": ["id"],
                        "event_time": "at",
                    }
                },
            },
            "entity": {"table": "rows"},
            "label": {
                **{"name": "y", "task": task, "table": "rows", "column": "y"},
                **{"delay": "0 hours", "ahead": ahead},
                **({"at_least": 1} if task == "classification" else {}),
            },
            "inputs": {"categorical": list(categorical), "numeric": list(numeric)},
            "split": {"holdout": "1 day", "validation": "1 day", "history": "400 days"},
            "candidates": {"mean": {"family": "rate_table", "params": {"by": [], "smoothing": 1}}},
            "evaluation": {
                "metric": "rmse" if task == "regression" else "log_loss",
                "heuristic": "mean",
            },
            "monitors": {"window": "7 days"},
            "retrain": {"cooldown": "7 days", "budget": 1, "per": "30 days"},
        }
    )


def before(rows: pd.DataFrame, categorical: list[str], numeric: list[str], task: str, ahead: str = "") -> str:
    """The rule of before: every so manieth row, each input alone, absolute limits."""
    step = max(1, len(rows) // 10_000)
    rows = rows.iloc[::step]
    label = rows["label"].to_numpy(dtype=float)
    for name in [*categorical, *numeric]:
        values = rows[name]
        absent = values.isna().to_numpy()
        here, target = values[~absent], label[~absent]
        if task == "classification" and _auc(absent.astype(float), label) >= 0.98:
            return f"{name} is absent"
        if len(target) < 50:
            continue
        if name in categorical or here.dtype == object:
            _, codes = np.unique(here.astype(str), return_inverse=True)
            size = codes.max() + 1
            counts = np.bincount(codes[::2], minlength=size)
            sums = np.bincount(codes[::2], weights=target[::2], minlength=size)
            means = np.where(counts > 0, sums / np.maximum(counts, 1), target[::2].mean())
            score, target = means[codes[1::2]], target[1::2]
        else:
            score = here.to_numpy(dtype=float)
        if task == "classification":
            told = _auc(score, target) >= 0.98
        else:
            told = np.ptp(score) > 0 and abs(np.corrcoef(score, target)[0, 1]) >= 0.9995
        if told:
            return f"{name} is a copy"
    return ""


def _auc(score: Array, label: Array) -> float:
    if min(label.sum(), len(label) - label.sum()) < 10:
        return 0.5
    found = roc_auc(label, score)
    return 0.5 if isinstance(found, NotMeasured) else max(found, 1 - found)


# Planted leaks: (name, with the leak, its control).

Planted = tuple[str, Callable[[], tuple[Any, ...]], Callable[[], tuple[Any, ...]]]


def _flights(source: Year) -> Iterator[Planted]:
    inputs = source.project.inputs
    rows = source.rows
    rows = rows[rows["day"].between(rows["day"].min() + 60, rows["day"].min() + 180)].reset_index(drop=True)
    rows = rows.merge(
        _delays(tuple(sorted(set(rows["partition"])))), how="left", on=["entity_key", "event_time"]
    )
    random = np.random.default_rng(SEED)
    label = rows["label"].to_numpy()
    minutes = rows["arr_delay"].to_numpy(dtype=float)
    flag = label.astype(int)
    noise = random.random(len(rows))
    sorted_by_label = rows.assign(lot=noise).sort_values(["partition", "label", "lot"])
    number = sorted_by_label.groupby("partition").cumcount().reindex(rows.index)
    shuffled = rows.assign(lot=noise).sort_values(["partition", "lot"]).groupby("partition").cumcount()
    ids = rows.assign(lot=noise).sort_values(["label", "lot"]).reset_index()["index"]
    place = pd.Series(np.arange(len(rows)), index=ids.to_numpy()).reindex(rows.index)
    coin = random.integers(0, 2, len(rows))
    other = random.integers(0, 2, len(rows))

    def of(**columns: Any) -> Set:
        text = [name for name, values in columns.items() if pd.Series(values).dtype == object]
        numbers = [name for name in columns if name not in text]
        made = rows.assign(**columns)
        return made, [*inputs.categorical, *text], [*inputs.numeric, *numbers], "classification"

    def share(by: list[str], ahead: int) -> pd.Series:
        """The label's mean of groups of rows, so many days later."""
        means = rows.groupby([*by, "day"])["label"].mean().rename("share").reset_index()
        means["day"] -= ahead
        return rows.merge(means, how="left", on=[*by, "day"])["share"]

    def mean(of_rows: pd.DataFrame, by: list[str], prior: float = 0.0) -> pd.Series:
        sums = of_rows.groupby(by)["label"].agg(["sum", "count"]).reset_index()
        sums["x"] = (sums["sum"] + prior * label.mean()) / (sums["count"] + prior)
        return rows.merge(sums, how="left", on=by)["x"]

    total = rows.groupby("dest")["label"].transform("sum")
    size = rows.groupby("dest")["label"].transform("count")
    own_day = rows["day"].to_numpy() > np.quantile(rows["day"], 0.5)
    earlier = rows[~own_day]
    yield (
        "dep_delay, known at departure, as an input",
        lambda: of(x=rows["dep_delay"]),
        lambda: of(x=rows["dep_delay"] + random.normal(0, 60, len(rows))),
    )
    yield (
        "a copy with 3 % noise",
        lambda: of(x=np.where(noise < 0.03, 1 - flag, flag).astype(float)),
        lambda: of(x=np.where(noise < 0.3, 1 - flag, flag).astype(float)),
    )
    yield (
        "the arrival delay +- 15 min",
        lambda: of(x=minutes + random.normal(0, 15, len(rows))),
        lambda: of(x=minutes + random.normal(0, 120, len(rows))),
    )
    yield (
        "row number in a day's file sorted by label",
        lambda: of(x=number.astype(float)),
        lambda: of(x=shuffled.reindex(rows.index).astype(float)),
    )
    yield (
        "text ids given in order of the label",
        lambda: of(x="row " + place.astype(str)),
        lambda: of(x="row " + pd.Series(random.permutation(len(rows)), index=rows.index).astype(str)),
    )
    yield (
        "target encoding of carrier and destination",
        lambda: of(x=mean(rows, ["carrier", "dest"])),
        lambda: of(x=mean(earlier, ["carrier", "dest"])),
    )
    yield (
        "the same, drawn towards the mean by 20 rows",
        lambda: of(x=mean(rows, ["carrier", "dest"], 20)),
        lambda: of(x=mean(earlier, ["carrier", "dest"], 20)),
    )
    yield (
        "the same by flight number, over all rows",
        lambda: of(x=mean(rows, ["entity_key"])),
        lambda: of(x=mean(earlier, ["entity_key"])),
    )
    yield (
        "the same of the training rows alone",
        lambda: of(
            x=mean(rows[rows["day"] < np.unique(rows["day"])[int(0.8 * rows["day"].nunique())]], ["dest"])
        ),
        lambda: of(x=mean(earlier, ["dest"])),
    )
    yield (
        "target encoding without the row's own label",
        lambda: of(x=(total - label) / (size - 1)),
        lambda: of(x=mean(earlier, ["dest"])),
    )
    yield (
        "a day's own late share at its airport",
        lambda: of(x=share(["origin"], 0)),
        lambda: of(x=share(["origin"], -2)),
    )
    yield (
        "the next day's late share at its airport",
        lambda: of(x=share(["origin"], 1)),
        lambda: of(x=share(["origin"], -1)),
    )
    yield "the next day's late share of all", lambda: of(x=share([], 1)), lambda: of(x=share([], -1))
    yield (
        "XOR of two flags",
        lambda: of(x=(flag ^ coin).astype(float), z=coin.astype(float)),
        lambda: of(x=(flag ^ other).astype(float), z=coin.astype(float)),
    )
    yield (
        "two times whose difference is the delay",
        lambda: of(
            x=rows["sched_arr_minute_of_day"] * 7.0 + minutes, z=rows["sched_arr_minute_of_day"] * 7.0
        ),
        lambda: of(
            x=rows["sched_arr_minute_of_day"] * 7.0 + random.permutation(minutes), z=other.astype(float)
        ),
    )

    def again(keep: bool) -> Set:
        """A fiftieth of the later rows are training rows under other keys; or but their labels."""
        made, *rest = of()
        made = made.copy()
        last = np.flatnonzero(made["day"] > np.quantile(made["day"], 0.85))
        first = np.flatnonzero(made["day"] < np.quantile(made["day"], 0.7))
        at, source_rows = (
            random.choice(last, len(last) // 50, False),
            random.choice(first, len(last) // 50, False),
        )
        columns = [*inputs.all, "label"] if keep else ["sched_hour", "carrier", "dest", "distance", "label"]
        made.loc[at, columns] = made.loc[source_rows, columns].to_numpy()
        return made.astype(dict.fromkeys([*inputs.numeric, "label"], float)), *rest  # type: ignore[return-value]

    yield "2 % of the later rows: training rows under other keys", lambda: again(True), lambda: again(False)


def _weather(source: Year) -> Iterator[Planted]:
    inputs = source.project.inputs
    rows = source.rows.iloc[4000:17000].reset_index(drop=True)
    random = np.random.default_rng(SEED)
    label = rows["label"].to_numpy()

    def of(**columns: Any) -> tuple[Any, ...]:
        text = [name for name, values in columns.items() if pd.Series(values).dtype == object]
        numbers = [name for name in columns if name not in text]
        made = rows.assign(hour_utc=rows["hour_utc"].astype(str), **columns)
        return made, [*inputs.categorical, *text], [*inputs.numeric, *numbers], "regression", "6 hours"

    def texts(values: Array, unit: str = "") -> pd.Series:
        return pd.Series([f"{value:.2f}{unit}" for value in values], dtype=object)

    now = rows["temp"].fillna(0).to_numpy()
    yield "exp(target)", lambda: of(x=np.exp(label / 5)), lambda: of(x=np.exp(now / 5))
    yield "target as text", lambda: of(x=texts(label)), lambda: of(x=texts(now))
    yield "target as text with its unit", lambda: of(x=texts(label, " F")), lambda: of(x=texts(now, " F"))
    yield (
        "target +- .6 degrees",
        lambda: of(x=label + random.normal(0, 0.6, len(rows))),
        lambda: of(x=label + random.normal(0, 3, len(rows))),
    )
    yield (
        "a root of either sign of the target",
        lambda: of(x=random.choice([-1, 1], len(rows)) * np.sqrt(np.abs(label - label.min()))),
        lambda: of(x=random.choice([-1, 1], len(rows)) * np.sqrt(np.abs(now))),
    )
    yield (
        "two parts whose sum is the target",
        lambda: of(x=label - 40 * (noise := random.random(len(rows))), z=40 * noise),
        lambda: of(x=now - 40 * random.random(len(rows)), z=40 * random.random(len(rows))),
    )


def _made() -> Iterator[Planted]:
    def patients(random: np.random.Generator, *, of_patient: bool, number: bool) -> Set:
        """Visits of patients; the label is the patient's, and so are a number or a name, and some noise."""
        visits, people = 12_000, 1500
        who = random.integers(0, people, visits)
        sick = (random.random(people) < 0.2).astype(float)
        label = sick[who] if of_patient else (random.random(visits) < 0.2).astype(float)
        label = np.where(random.random(visits) < 0.03, 1 - label, label)
        made = _frame(random, label, 120)
        weight = random.normal(70, 12, people)[who] if number else random.normal(70, 12, visits)
        made["x"] = (
            weight if number else np.array([f"p{(one * 7919) % 100_003}" for one in who], dtype=object)
        )
        made["z"] = random.normal(0, 1, visits) + 0.5 * label
        return made, [] if number else ["x"], ["x", "z"] if number else ["z"], "classification"

    for kind in (True, False):
        name = f"undeclared groups: a {'number' if kind else 'text'} that names the patient"
        yield (
            name,
            lambda kind=kind: patients(np.random.default_rng(SEED), of_patient=True, number=kind),
            lambda kind=kind: patients(np.random.default_rng(SEED), of_patient=False, number=kind),
        )


@lru_cache
def _delays(days: tuple[str, ...]) -> pd.DataFrame:
    """Departure and arrival delays as they are delivered."""
    found = []
    for day in days:
        data = day_file("flights", "arrivals", day) or b""
        found += list(csv.DictReader(io.StringIO(data.decode())))
    rows = pd.DataFrame(found)
    rows["entity_key"] = rows["carrier"] + "|" + rows["flight"] + "|" + rows["origin"]
    rows["event_time"] = pd.to_datetime(rows["sched_dep"], utc=True).astype("datetime64[us, UTC]")
    for name in ("dep_delay", "arr_delay"):
        rows[name] = pd.to_numeric(rows[name])
    return rows[["entity_key", "event_time", "dep_delay", "arr_delay"]].drop_duplicates(
        ["entity_key", "event_time"]
    )


# Clean sets: no input knows the label but what honestly tells of it.


def _frame(random: np.random.Generator, label: Array, days: int, keys: Array | None = None) -> pd.DataFrame:
    """Rows of so many days with a label, each with a key of its own unless it is given."""
    count = len(label)
    seconds = np.sort(random.integers(0, days * 86_400, count))
    time = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s")
    key = random.permutation(count) if keys is None else keys
    return pd.DataFrame(
        {
            "entity_key": [f"k{one}" for one in key],
            "event_time": time.astype("datetime64[us, UTC]"),
            "partition": time.strftime("%Y-%m-%d"),
            "label": label,
        }
    )


Make = Callable[[np.random.Generator], tuple[Any, ...]]


def _clean_sets(flights: Year, weather: Year) -> Iterator[tuple[str, Make]]:
    def part(source: Year, task: str, days: tuple[int, int]) -> Make:
        def make(random: np.random.Generator) -> tuple[Any, ...]:
            rows, inputs = source.rows, source.project.inputs
            length = int(random.integers(*days))
            first = int(random.integers(rows["day"].min(), rows["day"].max() - length))
            made = rows[rows["day"].between(first, first + length)]
            made = made[random.random(len(made)) < random.uniform(0.1, 0.5)] if len(made) > 15_000 else made
            made = made.assign(**{name: made[name].astype(str) for name in inputs.categorical})
            ahead = "6 hours" if task == "regression" else "0 hours"
            return made.reset_index(drop=True), inputs.categorical, inputs.numeric, task, ahead

        return make

    yield "flights, 20 to 150 days, a tenth to half of the rows", part(flights, "classification", (20, 150))
    yield "weather, 20 to 150 days", part(weather, "regression", (20, 150))

    def strong(random: np.random.Generator) -> Set:
        """One honest input of AUC up to .85 among weak ones; a share of it is missing."""
        count, others = int(random.integers(2000, 15_000)), int(random.integers(3, 12))
        label = (random.random(count) < random.uniform(0.1, 0.5)).astype(float)
        made = _frame(random, label, 90)
        apart = random.uniform(0.7, 1.46)
        made["x"] = np.where(random.random(count) < 0.05, np.nan, random.normal(0, 1, count) + apart * label)
        for number in range(others):
            made[f"z{number}"] = random.normal(0, 1, count) + random.uniform(0, 0.5) * label
        return made, [], ["x", *(f"z{number}" for number in range(others))], "classification"

    yield "one honest strong input (AUC .69 to .85)", strong

    def easy(random: np.random.Generator) -> Set:
        """Many strong inputs that share what they know."""
        count, others = int(random.integers(2000, 10_000)), int(random.integers(5, 15))
        label = (random.random(count) < 0.35).astype(float)
        common = 2.4 * label + random.normal(0, 1, count)
        made = _frame(random, label, 90)
        for number in range(others):
            made[f"z{number}"] = common + random.normal(0, random.uniform(0.1, 1.5), count)
        return made, [], [f"z{number}" for number in range(others)], "classification"

    yield "an easy problem: many inputs of AUC up to .95", easy

    def line(random: np.random.Generator) -> Set:
        """A number that one input explains well, others little."""
        count = int(random.integers(2000, 10_000))
        x = random.gamma(2, 1, count)
        made = _frame(random, 3 * x + random.normal(0, random.uniform(0.7, 3), count), 90)
        return made.assign(x=x, z=random.normal(0, 1, count)), [], ["x", "z"], "regression"

    yield "a number that one honest input explains (r .8 to .986)", line

    def few(random: np.random.Generator) -> Set:
        """Some columns of some values each; the label depends on them, sometimes wholly."""
        count, columns = int(random.integers(2000, 15_000)), int(random.integers(2, 6))
        names = [f"c{number}" for number in range(columns)]
        values = {name: random.integers(0, int(random.integers(2, 9)), count) for name in names}
        score = sum(random.normal(0, 0.8, values[name].max() + 1)[values[name]] for name in names)
        chance = 1 / (1 + np.exp(-score))
        label = (random.random(count) < chance).astype(float)
        made = _frame(random, label, 60).assign(**{name: values[name].astype(str) for name in names[1:]})
        return (
            made.assign(**{names[0]: values[names[0]].astype(float)}),
            names[1:],
            names[:1],
            "classification",
        )

    yield "few columns of few values", few

    def rare(random: np.random.Generator) -> Set:
        count = int(random.integers(5000, 20_000))
        label = (random.random(count) < random.uniform(0.002, 0.02)).astype(float)
        made = _frame(random, label, 90)
        made["c"] = random.integers(0, 30, count).astype(str)
        made["d"] = random.integers(0, 5, count).astype(float)
        made["x"] = random.normal(0, 1, count) + random.uniform(0, 1.2) * label
        made["z"] = np.where(random.random(count) < 0.9, 0.0, random.normal(0, 1, count))
        return made, ["c"], ["d", "x", "z"], "classification"

    yield "rare labels (.2 to 2 %)", rare

    def days(random: np.random.Generator) -> Set:
        """Rows of a day share a level; inputs of the day, of yesterday's labels, of a group's history."""
        length, count = int(random.integers(40, 200)), int(random.integers(5000, 20_000))
        level = np.convolve(random.normal(0, 1, length + 2), [0.6, 0.8, 0.5], "valid")
        at = np.sort(random.integers(0, length, count))
        group = random.integers(0, 15, count)
        effect = random.normal(0, 0.6, 15)
        label = (random.random(count) < 1 / (1 + np.exp(1 - level[at] - effect[group]))).astype(float)
        made = _frame(random, label, length)
        made["partition"] = (pd.Timestamp("2013-01-01") + pd.to_timedelta(at, unit="D")).strftime("%Y-%m-%d")
        made["event_time"] = pd.to_datetime(made["partition"], utc=True).astype("datetime64[us, UTC]")
        share = pd.Series(label).groupby(at).mean()
        made["yesterday"] = pd.Series(at - 1).map(share).to_numpy()
        made["weather"] = (level + random.normal(0, random.uniform(0.05, 1), length))[at]
        half = at < length // 2
        made["history"] = pd.Series(group).map(pd.Series(label[half]).groupby(group[half]).mean()).to_numpy()
        made["group"] = group.astype(str)
        return made, ["group"], ["yesterday", "weather", "history"], "classification"

    yield "dependent days, with yesterday's share and a group's history", days

    def panel(task: str) -> Callable[[np.random.Generator], Set]:
        def make(random: np.random.Generator) -> Set:
            """The same shops every day, far apart in their level, moved by a day's own known event."""
            shops, length = int(random.integers(20, 120)), int(random.integers(60, 150))
            level, event = (
                random.normal(0, random.uniform(1, 6 if task == "regression" else 2.5), shops),
                random.normal(0, 1, length),
            )
            y = level[None] + event[:, None] + random.normal(0, 1, (length, shops))
            label = y.ravel() if task == "regression" else (y.ravel() > 1).astype(float)
            days = np.repeat(np.arange(length), shops)
            made = _frame(random, label, length, keys=np.tile(np.arange(shops), length))
            made["partition"] = (pd.Timestamp("2013-01-01") + pd.to_timedelta(days, unit="D")).strftime(
                "%Y-%m-%d"
            )
            made["event_time"] = pd.to_datetime(made["partition"], utc=True).astype("datetime64[us, UTC]")
            made["event"], made["size"] = event[days], np.tile(level + random.normal(0, 0.3, shops), length)
            made["last"] = np.concatenate([np.full(shops, np.nan), label[:-shops]])
            return made, [], ["event", "size", "last"], task

        return make

    yield "a panel of shops, a number", panel("regression")
    yield "a panel of shops, a class", panel("classification")

    def series(random: np.random.Generator) -> Set:
        """A random walk, or nearly one, of some sensors: the last value is an input."""
        sensors, length = int(random.integers(1, 8)), int(random.integers(1000, 2500))
        keep = random.uniform(0.97, 1.0)
        noise = random.normal(0, 1, (length, sensors))
        walk = np.zeros((length, sensors))
        for at in range(1, length):
            walk[at] = keep * walk[at - 1] + noise[at]
        label = walk[1:].ravel()
        made = _frame(random, label, (length - 1) // 24 + 1, keys=np.tile(np.arange(sensors), length - 1))
        hours = np.repeat(np.arange(length - 1), sensors)
        time = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h")
        made["event_time"] = time.astype("datetime64[us, UTC]")
        made["partition"] = time.strftime("%Y-%m-%d")
        made["last"] = walk[:-1].ravel()
        made["before"] = np.vstack([np.full((1, sensors), np.nan), walk[:-2]]).ravel()
        made["hour"] = (hours % 24).astype(float)
        return made, [], ["last", "before", "hour"], "regression"

    yield "series near a random walk, with their last values", series

    def quota(random: np.random.Generator) -> Set:
        """One click a query: a group's mean is fixed by its size; inputs are the query's or the answer's."""
        queries = int(random.integers(300, 1500))
        size = random.integers(5, 60, queries)
        query = np.repeat(np.arange(queries), size)
        score = random.normal(0, 1, len(query))
        utility = score * random.uniform(0, 1) + random.gumbel(0, 1, len(query))
        best = pd.Series(utility).groupby(query).transform("max").to_numpy()
        made = _frame(random, (utility == best).astype(float), 60)
        made["score"], made["length"] = score, random.normal(0, 1, queries)[query].round(2)
        made["many"] = size[query].astype(float)
        return made, [], ["score", "length", "many"], "classification"

    yield "one click a query: a quota of labels", quota
