"""Four series made to be forecast, and what is to be found in them; the same every time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

DAYS = np.array([0, 0.7, 1.7, 1, -0.3, -2, -3])  # of a week


@dataclass(frozen=True)
class Series:
    """Times, values, and the season that was put in; None: it cannot be told beforehand."""

    times: pd.DatetimeIndex
    values: np.ndarray  # type: ignore[type-arg]
    season: str | None

    def write(self, path: Path) -> Path:
        """As a CSV file of two columns."""
        clock = "%Y-%m-%dT%H:%M:%SZ" if (self.times.hour > 0).any() else "%Y-%m-%d"
        frame = pd.DataFrame({"date": self.times.strftime(clock), "value": self.values.round(2)})
        frame.to_csv(path, index=False)
        return path


def trend_and_week() -> Series:
    """Days that rise, with a week in them."""
    times = pd.date_range("2021-01-01", periods=400, freq="D")
    noise = np.random.default_rng(7).normal(0, 8, len(times))
    return Series(times, 200 + 0.15 * np.arange(len(times)) + 10 * DAYS[times.dayofweek] + noise, "week")


def day_of_hours() -> Series:
    """Hours that follow the day."""
    times = pd.date_range("2022-03-01", periods=24 * 70, freq="h")
    noise = np.random.default_rng(8).normal(0, 40, len(times))
    day = 200 * np.sin((times.hour - 8) / 24 * 2 * np.pi) + 60 * np.sin(times.hour / 12 * 2 * np.pi)
    return Series(times, 500 + np.asarray(day) + noise, "day")


def months() -> Series:
    """Months that rise and follow the year."""
    times = pd.date_range("2005-01-01", periods=180, freq="MS")
    noise = np.random.default_rng(9).normal(0, 6, len(times))
    year = 25 * np.sin((times.month - 3) / 12 * 2 * np.pi)
    return Series(times, 100 + 0.3 * np.arange(len(times)) + np.asarray(year) + noise, "year")


def random_walk() -> Series:
    """Days that go up or down by chance."""
    times = pd.date_range("2020-01-01", periods=500, freq="D")
    return Series(times, 100 + np.random.default_rng(10).normal(0, 1, len(times)).cumsum(), None)


SERIES: tuple[Callable[[], Series], ...] = (trend_and_week, day_of_hours, months, random_walk)
