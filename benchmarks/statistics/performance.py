"""Performance: pages where nothing is wrong, and declines that are caught; three rules side by side.

A champion is judged on its holdout and validation days, which stand at the year's beginning, and a new one is
crowned every four weeks. What served before is known for a year. Days without a trend are the year's own,
permuted within their weekday. The first fortnight, in which the features' look-back fills, is left out.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.statistics.data import Year, year
from numpy.typing import NDArray

from mlcycle.domain import decline, skill
from mlcycle.domain.metrics import METRICS
from mlcycle.domain.performance import relative_increase
from mlcycle.project import Project

SKIPPED, REIGN, DAYS, WEEK, MEMORY = 14, 28, 14, 7, 365
SEED = 20130101
FALSE_A_YEAR = 0.5
HELD = {"flights": 28, "weather": 8}  # days of holdout and validation
TODAY = {"flights": 0.12, "weather": 0.3}  # the relative increase from which today's rule pages

Rows = pd.DataFrame
Fault = Callable[[Rows, np.random.Generator], Rows]
Days = skill.Days
Numbers = NDArray[np.int64]


@dataclass
class Life:
    """A project's labelled days: rows and readings, in some order."""

    project: Project
    rows: list[Rows]
    days: Days

    def permuted(self, random: np.random.Generator) -> "Life":
        """The same days in another order, each on its weekday."""
        order = np.arange(len(self.rows))
        for weekday in range(WEEK):
            order[weekday::WEEK] = random.permutation(order[weekday::WEEK])
        days = replace(self.days.only(order), numbers=self.days.numbers)
        return Life(self.project, [self.rows[at] for at in order], days)


def read(project: Project, rows: Rows) -> Days:
    """Readings of the days of these rows."""
    return skill.read(
        project.label.task,
        rows["label"].to_numpy(dtype=np.float64),
        rows["prediction"].to_numpy(dtype=np.float64),
        rows["day"].to_numpy(),
        {name: rows[name].astype(str).tolist() for name in project.evaluation.slices},
    )


def lived(found: Year) -> Life:
    """The year in its own order; the last day may be half a day."""
    first, last = int(found.rows["day"].min()) + SKIPPED, int(found.rows["day"].max())
    rows = found.rows[found.rows["day"].between(first, last - 1)]
    return Life(found.project, [day for _, day in rows.groupby("day", sort=True)], read(found.project, rows))


# The rules. Each says whether it pages on a day, of which it sees the days up to ``last``.


def ours(days: Days, last: int, since: int, memory: int = MEMORY) -> set[str]:
    """What the monitor pages of: the whole or slices. ``since`` is the first day of the reign."""
    first = max(since, last - DAYS + 1)
    before = days.only(np.arange(max(0, first - memory), first))
    now = days.only(np.arange(first, last + 1))
    return {v.subject or "whole" for v in decline.judged(before, now, FALSE_A_YEAR) if v.declined}


def loss(project: Project, rows: Sequence[Rows]) -> float:
    """The project's metric."""
    labels, predictions = (
        np.concatenate([day[name].to_numpy(dtype=np.float64) for day in rows])
        for name in ("label", "prediction")
    )
    found = METRICS[project.evaluation.metric](labels, predictions, None)
    assert isinstance(found, float)
    return found


def former(project: Project, held: Sequence[Rows], week: Sequence[Rows]) -> bool:
    """The metric of seven days against the holdout's, a constant share above it."""
    now, before = loss(project, week), loss(project, held)
    return relative_increase(project.evaluation.metric, now, before) >= TODAY[project.name]


class Preset:
    """Evidently's preset of the task with the tests that it makes of a reference; any failing is a page."""

    def __init__(self, project: Project, held: Sequence[Rows]) -> None:
        from evidently import BinaryClassification, DataDefinition, Regression

        self.classified = project.label.task == "classification"
        roles: dict[str, object] = (
            {"classification": [BinaryClassification(target="label", prediction_probas="prediction")]}
            if self.classified
            else {"regression": [Regression(target="label", prediction="prediction")]}
        )
        self.definition = DataDefinition(numerical_columns=[], **roles)  # type: ignore[arg-type]
        self.before = self._data(held)

    def _data(self, rows: Sequence[Rows]) -> object:
        from evidently import Dataset

        frame = pd.concat(rows)[["label", "prediction"]].reset_index(drop=True)
        frame = frame.astype({"label": int} if self.classified else {})
        return Dataset.from_pandas(frame, self.definition)

    def __call__(self, week: Sequence[Rows]) -> bool:
        """Whether any of its tests fails."""
        from evidently import Report
        from evidently.presets import ClassificationPreset, RegressionPreset

        preset = ClassificationPreset() if self.classified else RegressionPreset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = Report([preset], include_tests=True)
            found = report.run(self._data(week), self.before)  # type: ignore[arg-type]
        return any(str(test["status"]).endswith("FAIL") for test in found.dict()["tests"])


# What is planted, in the days from a start on.


def flipped(rows: Rows, random: np.random.Generator) -> Rows:
    """A fifth of the labels: the other class, or the label of another row of the fortnight."""
    hit = random.random(len(rows)) < 0.2
    label = rows["label"].to_numpy(dtype=np.float64).copy()
    binary = set(np.unique(label)) <= {0.0, 1.0}
    label[hit] = 1 - label[hit] if binary else random.permutation(label)[hit]
    return rows.assign(label=label)


def permuted(where: Callable[[Rows], NDArray[np.bool_]]) -> Fault:
    """Labels permuted within each day: base rates and days stay, the signal goes."""

    def change(rows: Rows, random: np.random.Generator) -> Rows:
        label, chosen = rows["label"].to_numpy(dtype=np.float64).copy(), where(rows)
        for day in rows["day"].unique():
            at = np.flatnonzero((rows["day"] == day).to_numpy() & chosen)
            label[at] = label[random.permutation(at)]
        return rows.assign(label=label)

    return change


def turned(rows: Rows, random: np.random.Generator) -> Rows:
    """Label share x 1.45 by another definition: zeros become ones; a number is .45 sd higher."""
    label = rows["label"].to_numpy(dtype=np.float64)
    if not set(np.unique(label)) <= {0.0, 1.0}:
        return rows.assign(label=label + 0.45 * label.std())
    share = label.mean()
    hit = (label == 0) & (random.random(len(label)) < 0.45 * share / (1 - share))
    return rows.assign(label=np.where(hit, 1.0, label))


def drawn(rows: Rows, random: np.random.Generator) -> Rows:
    """Label share x 1.45, each class looking as before (label shift): rows drawn anew within their day."""
    label = rows["label"].to_numpy(dtype=np.float64)
    share = label.mean()
    weight = np.where(label == 1, 1.45, (1 - 1.45 * share) / (1 - share))
    chosen = []
    for day in rows["day"].unique():
        at = np.flatnonzero((rows["day"] == day).to_numpy())
        chosen.append(random.choice(at, len(at), p=weight[at] / weight[at].sum()))
    return rows.iloc[np.concatenate(chosen)]


def plants(project: Project) -> Iterator[tuple[str, Fault]]:
    """What is planted."""
    yield "20 % of labels flipped", flipped
    yield "labels permuted", permuted(lambda rows: np.ones(len(rows), dtype=bool))
    yield "label share x 1.45, turned", turned
    if project.label.task == "classification":
        yield "label share x 1.45, drawn", drawn
    for airport in ("EWR", "JFK", "LGA"):
        yield f"no signal at {airport}", permuted(lambda rows, a=airport: (rows["origin"] == a).to_numpy())


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    for name in ("flights", "weather"):
        life = lived(year(name, folder))
        random = np.random.default_rng(SEED)
        print(f"\n{name}: {len(life.rows)} days, {HELD[name]} of them held out, {DAYS} looked at")
        _nothing_wrong(life, random, thorough)
        _planted(life, random, thorough)


def _nothing_wrong(life: Life, random: np.random.Generator, thorough: bool) -> None:
    held = HELD[life.project.name]
    print(f"{'rule':26} {'days':16} {'pages a year':>13} {'whole':>6} {'slices':>7} {'days open':>10}")
    orders = [life.permuted(random) for _ in range(50 if thorough else 8)]
    lasts = range(held, len(life.rows))
    for what, lives in (("without a trend", orders), ("calendar order", [life])):
        for rule, reign in (("ours, a champion a month", REIGN), ("ours, one champion", 10_000)):
            _line(rule, what, [[ours(e.days, t, t - (t - held) % reign) for t in lasts] for e in lives])
        told = []
        for each in lives:
            weeks = [each.rows[t - WEEK + 1 : t + 1] for t in lasts[WEEK:]]
            first = each.rows[:held]
            told.append([{"whole"} if former(life.project, first, week) else set() for week in weeks])
        _line("today's rule", what, told)
        preset = Preset(life.project, lives[0].rows[:held])
        weeks = [lives[0].rows[t - WEEK + 1 : t + 1] for t in lasts[WEEK :: WEEK * (1 if thorough else 3)]]
        share = np.mean([preset(week) for week in weeks])
        print(f"{'Evidently, any test':26} {what:16} {'':13} {'':6} {'':7} {share:10.1%}", flush=True)


def _line(rule: str, what: str, lives: Sequence[Sequence[set[str]]]) -> None:
    """A page is a subject that was not open the day before."""
    seen = sum(len(days) for days in lives)
    counts = {"pages": 0, "whole": 0, "slices": 0}
    for days in lives:
        for before, now in zip([set(), *days], days, strict=False):
            new = now - before
            counts["pages"] += bool(new)
            counts["whole"] += "whole" in new
            counts["slices"] += len(new - {"whole"})
    share = sum(bool(found) for days in lives for found in days) / seen
    pages, whole, slices = (count * 365 / seen for count in counts.values())
    print(f"{rule:26} {what:16} {pages:13.1f} {whole:6.1f} {slices:7.1f} {share:10.1%}", flush=True)


def _planted(life: Life, random: np.random.Generator, thorough: bool) -> None:
    """Faults from a day on, the reign already a fortnight old; by how many days are known before."""
    memories = (28, 91, 182)
    print("\ncaught within two weeks, and median days, by how many days are known before; today's rule")
    print(f"{'':26} {'4 weeks':>11} {'13 weeks':>11} {'26 weeks':>11} {'today':>11}")
    for fault, change in plants(life.project):
        cells = []
        for memory in memories:
            starts = np.linspace(memory + DAYS, len(life.rows) - DAYS, 100 if thorough else 20).astype(int)
            hits = [_caught(life, int(start), change, memory, random) for start in starts]
            cells.append(_cell([ours_ for ours_, _ in hits]))
        cells.append(_cell([today for _, today in hits]))
        print(f"{fault:26} " + " ".join(f"{cell:>11}" for cell in cells), flush=True)


def _cell(days: Sequence[int | None]) -> str:
    caught = [day for day in days if day is not None]
    return f"{len(caught) / len(days):.2f}" + (f" {np.median(caught):5.0f}" if caught else "      ")


def _caught(
    life: Life, start: int, change: Fault, memory: int, random: np.random.Generator
) -> tuple[int | None, int | None]:
    """On which day of the fault ours and today's rule page; None where they do not within two weeks.

    A rule that paged already the day before the fault tells nothing of it.
    """
    rows = change(pd.concat(life.rows[start : start + DAYS]), random)
    first = start - DAYS - memory
    days = skill.together(life.days.only(np.arange(max(0, first), start)), read(life.project, rows))
    offset = start - max(0, first)
    by_day = [*life.rows[start - WEEK : start], *(day for _, day in rows.groupby("day", sort=True))]
    held = life.rows[: HELD[life.project.name]]
    found: list[int | None] = []
    for pages in (
        lambda day: bool(ours(days, offset + day - 1, 0, memory)),
        lambda day: former(life.project, held, by_day[day : day + WEEK]),
    ):
        told = (day for day in range(1, DAYS + 1) if pages(day))
        found.append(None if pages(0) else next(told, None))
    return found[0], found[1]
