"""How often guardrails refuse where the truth keeps the limit, and where it does not.

The truth is the year's: what a model's calibration error, or a group's difference, is over all days. A limit
is put above and below it, and fortnights are judged. Beside ours stands the figure itself against the limit.
Latency and size are no estimates of a truth over days: the same model is timed against itself.
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.statistics.data import Year, fitted, year
from benchmarks.statistics.performance import SKIPPED
from numpy.typing import NDArray

from mlcycle.domain.guardrails import calibration, fairness, latency
from mlcycle.domain.metrics import Array

HOLDOUT = 14


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    for name in ("flights", "weather"):
        found = year(name, folder)
        first = int(found.rows["day"].min()) + SKIPPED
        found = replace(found, rows=found.rows[found.rows["day"] >= first])
        windows = _windows(found, 400 if thorough else 80)
        print(f"\n{name}: refused on {HOLDOUT} days in a row, of {len(windows)} stretches; the figure alone")
        _calibration(found, windows)
        _fairness(found, windows)
    _latency(year("flights", folder), 100 if thorough else 20)


def _windows(found: Year, count: int) -> list[NDArray[np.int64]]:
    days = found.rows["day"].to_numpy()
    starts = np.linspace(days.min(), days.max() - HOLDOUT, count).astype(int)
    return [np.flatnonzero((days >= start) & (days < start + HOLDOUT)) for start in starts]


def _calibration(found: Year, windows: list[NDArray[np.int64]]) -> None:
    classes = found.project.label.task == "classification"
    labels, said, days = (found.rows[name].to_numpy() for name in ("label", "prediction", "day"))
    unit = 1.0 if classes else float(labels.std())
    for title, off in (("the project's model", 0.0), ("the same, off by half a unit", 0.5)):
        moved = _moved(said, off, classes)
        truth = _truth(labels, moved) / unit
        for above in (1.25, 2.0, 0.5, 0.25):
            ours = plain = beside = 0
            for at in windows:
                parts = labels[at], moved[at]
                limit = truth * above
                before = _moved(said, off + 0.02, classes)[at]  # a champion that is as far off
                ours += not calibration.judged(
                    *parts, None, days[at], unit=None if classes else unit, max_error=limit
                ).passed
                beside += not calibration.judged(
                    *parts, before, days[at], unit=None if classes else unit, max_error=limit
                ).passed
                plain += _truth(*parts) / unit > limit
            shares = " ".join(f"{count / len(windows):6.2f}" for count in (ours, beside, plain))
            print(f"  {title:30} error {truth:.3f}, limit {above:4.2f} x: {shares}", flush=True)


def _moved(said: Array, off: float, classes: bool) -> Array:
    """Half a unit is of the log odds, or of a number's standard deviation."""
    found: Array = 1 / (1 + np.exp(-np.log(said / (1 - said)) - off)) if classes else said + off * said.std()
    return found


def _truth(labels: Array, said: Array) -> float:
    """The usual expected calibration error of ten groups."""
    edges = np.quantile(said, np.arange(1, 10) / 10)
    group = np.searchsorted(edges, said, side="right")
    return float(np.abs(np.bincount(group, labels - said, 10)).sum() / len(labels))


def _fairness(found: Year, windows: list[NDArray[np.int64]]) -> None:
    project = found.project
    classes = project.label.task == "classification"
    rates: list[fairness.Rate] = ["selection_rate", "true_positive_rate"] if classes else ["mean_error"]
    labels, said, days = (found.rows[name].to_numpy() for name in ("label", "prediction", "day"))
    for column in project.evaluation.slices:
        texts = found.rows[column].astype(str).to_numpy()
        for rate in rates:
            values, counted = fairness.of_rows(rate, labels, said, project.value.threshold)
            truth = max(
                abs(values[counted & (texts == name)].mean() - values[counted & (texts != name)].mean())
                for name in np.unique(texts)
                if (counted & (texts == name)).sum() >= 30
            )
            for above in (1.0, 1.25, 0.5):
                ours = plain = 0
                for at in windows:
                    groups = fairness.differences(values[at], counted[at], list(texts[at]), days[at], 30)
                    ours += not fairness.judged(column, rate, groups, truth * above).passed
                    plain += max((abs(each.difference) for each in groups), default=0.0) > truth * above
                print(
                    f"  {column} {rate:20} difference {truth:.3f}, limit {above:4.2f} x: "
                    f"{ours / len(windows):6.2f} {plain / len(windows):6.2f}",
                    flush=True,
                )


def _latency(found: Year, repeats: int) -> None:
    model, rows = fitted(found.project, found.rows.head(60_000)), found.rows.head(1000)
    for ratio in (1.1, 1.5):
        ours = plain = 0
        for _ in range(repeats):
            times: list[list[float]] = [[], []]
            for turn in range(15):
                for side in (0, 1) if turn % 2 else (1, 0):
                    began = time.perf_counter()
                    model.predict(rows)
                    times[side].append(time.perf_counter() - began)
            ours += not latency.judged(times[0], times[1], 1000, None, ratio).passed
            plain += times[0][0] / times[1][0] > ratio
        shares = f"refused {ours / repeats:.2f}, by one turn {plain / repeats:.2f}"
        print(f"the same model timed twice, limit {ratio}: {shares}")
