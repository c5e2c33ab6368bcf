"""The interval of a gain over blocks of time, held against what is known of it."""

import numpy as np
import pytest
from scipy import stats

from mlcycle.domain.interval import Spread, cosines, weighted_sums


@pytest.mark.parametrize(("blocks", "count"), [(1, 1), (5, 1), (6, 1), (7, 2), (14, 3), (30, 4), (365, 21)])
def test_there_are_as_many_cosines_as_the_literature_recommends(blocks: int, count: int) -> None:
    assert cosines(blocks) == count
    assert weighted_sums(np.zeros((3, blocks))).shape == (3, count)


def test_a_sum_weighs_the_blocks_by_a_cosine_that_knows_no_level() -> None:
    influence = np.array([3.0, 0.0, -1.0, 5.0, -7.0])
    half_period = np.sqrt(2) * np.cos(np.pi * np.array([0.1, 0.3, 0.5, 0.7, 0.9]))
    assert weighted_sums(influence) == pytest.approx([influence @ half_period])
    assert weighted_sums(influence + 2.0) == pytest.approx(weighted_sums(influence))


def test_the_error_is_the_root_of_the_mean_square_of_the_sums() -> None:
    influence = np.random.default_rng(1).normal(size=30)
    found = Spread.of(0.25, influence)
    assert (found.gain, found.freedom) == (0.25, 4)
    assert found.error == pytest.approx(np.sqrt(np.mean(weighted_sums(influence) ** 2)))


@pytest.mark.parametrize("blocks", [5, 14, 30])
@pytest.mark.parametrize("tied", [0.0, 0.4], ids=["independent", "days that go together"])
def test_nine_of_ten_intervals_hold_the_truth(blocks: int, tied: float) -> None:
    """On independent days as exactly as four thousand windows tell; nearly so where neighbours correlate."""
    random = np.random.default_rng(blocks)
    days = random.normal(size=(4000, blocks + 20))
    for day in range(1, blocks + 20):
        days[:, day] += tied * days[:, day - 1]
    windows = days[:, 20:]
    held = 0
    for window in windows:
        low, high = Spread.of(window.mean(), (window - window.mean()) / blocks).interval(0.9)
        held += low <= 0 <= high
    assert held / 4000 == pytest.approx(0.9, abs=0.015 if not tied else 0.05)


def test_the_interval_the_bound_and_the_confidence_are_of_one_distribution() -> None:
    spread = Spread(0.02, 0.01, 4)
    low, high = spread.interval(0.9)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.95, 4) * 0.01)
    assert (low + high) / 2 == pytest.approx(0.02)
    assert spread.lower(0.95) == pytest.approx(low)
    assert spread.confidence(low) == pytest.approx(0.95)
    assert spread.confidence(0.02) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("gain", "at_least", "sure"), [(0.0, 0.0, 0), (0.1, 0.0, 1), (0.0, -0.1, 1), (0.1, 0.1, 1), (0.1, 0.2, 0)]
)
def test_without_any_spread_a_gain_is_what_it_is(gain: float, at_least: float, sure: int) -> None:
    spread = Spread(gain, 0.0, 2)
    assert spread.confidence(at_least) == sure
    assert spread.power(gain, at_least, 0.9) == sure
    assert spread.visible(at_least, 0.9, 0.8) == at_least
    assert spread.interval(0.9) == (gain, gain)


def test_power_is_the_share_of_windows_that_pass() -> None:
    random = np.random.default_rng(3)
    windows = random.normal(0.5, 1, (4000, 14))
    passed = [Spread.of(window.mean(), (window - window.mean()) / 14).lower(0.9) >= 0.1 for window in windows]
    known = Spread(0.0, 1 / np.sqrt(14), 3)
    assert known.power(0.5, 0.1, 0.9) == pytest.approx(np.mean(passed), abs=0.03)
    assert known.power(0.1, 0.1, 0.9) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("freedom", [1, 2, 4, 20])
def test_a_visible_gain_is_seen_with_the_power_that_was_asked_for(freedom: int) -> None:
    spread = Spread(0.3, 0.01, freedom)
    seen = spread.visible(-0.005, 0.9, 0.8)
    assert spread.power(seen, -0.005, 0.9) == pytest.approx(0.8, abs=1e-3)
    assert seen > -0.005


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9995])
@pytest.mark.parametrize("freedom", [1, 2, 3, 20])
@pytest.mark.parametrize(("at_least", "error"), [(-0.005, 0.01), (0.0, 3.0), (-0.2, 1e-19), (1e6, 1e-12)])
def test_there_is_a_visible_gain_however_few_the_blocks_and_small_the_error(
    at_least: float, error: float, freedom: int, confidence: float
) -> None:
    """An error far below the margin is lost where the two are added up; few blocks ask for many errors."""
    seen = Spread(0.0, error, freedom).visible(at_least, confidence, 0.9)
    assert np.isfinite(seen)
    assert seen >= at_least
    if error > 1e-6:
        assert Spread(0.0, error, freedom).power(seen, at_least, confidence) == pytest.approx(0.9, abs=1e-3)


def test_what_no_gain_reaches_is_said_to_be_endless() -> None:
    assert Spread(0.0, 0.1, 3).visible(0.0, 1.0, 0.8) == float("inf")
