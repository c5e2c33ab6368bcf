"""The most memory that a fit of each family without torch takes as rows grow, and that predicting them takes.

    python -m benchmarks.training_memory [--times 1 10] [--only linear]

The flights of a year as the platform reads them (categories dictionary-encoded), each as often as asked for
with its numbers moved a little. Every figure is of a process of its own, what the system counts at the most
above what frame and libraries hold already; rounds and trees are few, because memory hangs on rows. Linux.
"""

import argparse
import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.snapshots import data_folder

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job

CATEGORICAL = ["carrier", "origin", "dest", "tailnum"]
NUMERIC = ["sched_hour", "sched_minute_of_day", "weekday", "month", "distance", "sched_arr"]
FAMILIES: dict[str, dict[str, Any]] = {
    "linear": {"max_iter": 5},
    "random_forest": {"n_estimators": 2, "max_depth": 4},
    "hist_gradient_boosting": {"max_iter": 5},
    "lightgbm": {"num_iterations": 5},
}
SHARE = 0.1  # of the rows that validation has beside


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--only", choices=FAMILIES)
    options = parser.parse_args()
    print("| family | rows | frame and libraries | fit, above that | bytes a row | score | fit, CPU s |")
    print("|---|---|---|---|---|---|---|")
    for family in [options.only] if options.only else FAMILIES:
        for times in options.times:
            count, held, fit, seconds = _alone(_fit, family, times)
            score = _alone(_score, family, times)
            a_row = fit * 2**20 / count
            row = (
                f"{count:,} | {held:.0f} MiB | {fit:.0f} MiB | {a_row:.0f} | {score:.0f} MiB | {seconds:.1f}"
            )
            print(f"| `{family}` | {row} |", flush=True)


def _alone(work: Any, family: str, times: int) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, family, times).result()


def _fit(family: str, times: int) -> tuple[int, float, float, float]:
    """Rows; MiB held before the fit, and at the most above that; CPU seconds."""
    warnings.simplefilter("ignore")  # that a few rounds are few
    train, later = rows(times, 1), rows(1, 2).first(SHARE)
    models.family(family).fit(_job(train.first(0.01), later.first(0.1)), _params(family), family)
    began, held = time.process_time(), _held()
    models.family(family).fit(_job(train, later), _params(family), family)
    return train.count, held, _peak() - held, time.process_time() - began


def _score(family: str, times: int) -> float:
    """MiB at the most of predicting so many rows at once."""
    warnings.simplefilter("ignore")
    few, all_rows = rows(1, 3).first(0.2), rows(times, 1)
    model = models.family(family).fit(_job(few, few.first(0.1)), _params(family), family)
    held = _held()
    model.predict(all_rows.frame)
    return _peak() - held


class Flights(Rows):
    """Rows, of which a share can be had."""

    def first(self, share: float) -> "Flights":
        """The first ones."""
        count = round(self.count * share)
        return Flights(self.frame.iloc[:count].reset_index(drop=True), self.labels[:count])


def rows(times: int, seed: int) -> Flights:
    """Flights of 2013, each so many times."""
    raw = pd.read_csv(data_folder() / "flights.csv.zip")
    raw = raw[raw["arr_delay"].notna()].reset_index(drop=True)
    draw, count = np.random.default_rng(seed), len(raw) * times
    numbers = {
        "sched_hour": raw["hour"],
        "sched_minute_of_day": raw["hour"] * 60 + raw["minute"],
        "weekday": pd.to_datetime(raw["time_hour"]).dt.dayofweek + 1,
        "month": raw["month"],
        "distance": raw["distance"],
        "sched_arr": raw["sched_arr_time"],
    }
    frame: dict[str, Any] = {}
    for name in CATEGORICAL:
        codes = raw[name].astype("category")
        frame[name] = pd.Categorical.from_codes(np.tile(codes.cat.codes, times), dtype=codes.dtype)
    for name, values in numbers.items():
        frame[name] = np.tile(values.to_numpy(dtype=np.float64), times)
        frame[name] += draw.random(count)
    labels = np.tile((raw["arr_delay"] >= 15).to_numpy(dtype=np.float64), times)
    return Flights(pd.DataFrame(frame, copy=False), labels)


def _job(train: Rows, later: Rows) -> Job:
    return Job("classification", CATEGORICAL, NUMERIC, train, later, 1, lambda *_: None)


def _params(family: str) -> Any:
    return models.parse_params(family, FAMILIES[family])


def _held() -> float:
    """MiB that the process holds; its peak counts from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


if __name__ == "__main__":
    main()
