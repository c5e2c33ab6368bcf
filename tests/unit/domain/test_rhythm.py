"""Seasons, and what a series' past tells: of series whose answer is known."""

import numpy as np
import pytest

from mlcycle.domain.rhythm import gain, seasons

SHAPE = np.array([0, 3, 1, 4, -1, -5, -2], dtype=float)


def weekly(count: int, noise: float, seed: int, trend: float = 0.0) -> np.ndarray:  # type: ignore[type-arg]
    return (
        SHAPE[np.arange(count) % 7]
        + trend * np.arange(count)
        + np.random.default_rng(seed).normal(0, noise, count)
    )


@pytest.mark.parametrize("trend", [0.0, 0.3], ids=["level", "trend"])
@pytest.mark.parametrize("gaps", [0.0, 0.15], ids=["whole", "gaps"])
def test_a_season_is_found_and_no_other(trend: float, gaps: float) -> None:
    values = weekly(300, 1.5, 1, trend)
    values[np.random.default_rng(2).random(300) < gaps] = np.nan
    (found,) = seasons([values], [7, 30])
    assert found.rows == 7
    assert found.strength > 0.5


def test_several_short_series_make_up_for_one_another() -> None:
    some = [weekly(30, 2.0, seed) for seed in range(20)]
    assert [one.rows for one in seasons(some, [7])] == [7]


@pytest.mark.parametrize("seed", range(20))
def test_chance_has_no_season(seed: int) -> None:
    steps = np.random.default_rng(seed).normal(0, 1, 400)
    assert seasons([steps], [7, 30]) == []
    assert seasons([steps.cumsum()], [7, 30]) == []


def test_a_multiple_counts_where_it_tells_more() -> None:
    hours = np.arange(24 * 7 * 6)
    day = 5 * np.sin(hours / 24 * 2 * np.pi)
    noise = np.random.default_rng(4).normal(0, 0.3, len(hours))
    assert [one.rows for one in seasons([day + noise], [24, 168])] == [24]
    weekend = np.where(hours // 24 % 7 >= 5, 0.2, 1.0)
    assert [one.rows for one in seasons([day * weekend + noise], [24, 168])] == [24, 168]


def test_a_year_is_seen_through_the_noise_of_days() -> None:
    days = np.arange(364 * 5)
    values = 3 * np.sin(days / 364 * 2 * np.pi) + np.random.default_rng(5).normal(0, 2, len(days))
    assert [one.rows for one in seasons([values], [7, 364])] == [364]


def test_the_past_of_a_season_tells_more_than_a_season_before() -> None:
    told = gain([weekly(400, 1.0, 6, 0.05)], 1, 7)
    assert told is not None
    assert told.season is not None
    assert 1.0 < told.line < 0.9 * told.season < told.newest


def test_the_past_of_a_random_walk_tells_nothing_but_its_newest_value() -> None:
    told = gain([np.random.default_rng(7).normal(0, 1, 600).cumsum()], 1, None)
    assert told is not None
    assert told.season is None
    assert told.line > 0.97 * told.newest


def test_what_is_too_short_is_not_judged() -> None:
    assert gain([weekly(25, 1.0, 8)], 1, 7) is None
    assert seasons([weekly(20, 0.0, 9)], [7]) == []
    assert seasons([np.full(100, 3.0), np.full(100, np.nan)], [7]) == []
