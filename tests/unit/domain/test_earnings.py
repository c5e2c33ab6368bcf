"""What acting on predictions earned, by day and week, and what running it cost."""

from types import SimpleNamespace

import numpy as np
import pytest

from mlcycle.domain.earnings import Day, paying_threshold, returns, weeks
from mlcycle.domain.spending import Prices, Used, cost

PAYOFF = {"true_positive": 60.0, "false_positive": -45.0, "true_negative": 0.0, "false_negative": -80.0}


def lived(gains: list[float], first: int = 4) -> dict[int, Day]:
    """Days from a Monday on that earned so much more than never acting, and 100 less than always acting."""
    return {
        first + at: Day(10, 500 + gain, {"never": 500.0, "always": 600 + gain})
        for at, gain in enumerate(gains)
    }


def test_a_week_earns_seven_days() -> None:
    never, always = returns(lived([10.0, 30.0] * 7))
    assert (never.over, never.weekly, never.days) == ("never", pytest.approx(140), 14)
    assert always.weekly == pytest.approx(-700)


def test_nine_of_ten_intervals_hold_the_true_return() -> None:
    random, held = np.random.default_rng(5), 0
    for _ in range(200):
        found = returns(lived(list(20 + random.normal(0, 50, 28))))[0].interval(0.9)
        assert found is not None
        held += found[0] <= 140 <= found[1]
    assert 0.84 <= held / 200 <= 0.95


def test_of_few_days_no_interval_is_claimed() -> None:
    assert returns(lived([1.0] * 4))[0].interval(0.9) is None
    assert returns({}) == []


def test_a_way_that_not_every_day_knows_is_left_out() -> None:
    days = lived([1.0] * 6)
    days[4] = Day(10, 501.0, {"never": 500.0})
    assert [each.over for each in returns(days)] == ["never"]


def test_weeks_begin_on_monday() -> None:
    assert weeks(lived([1.0] * 10, first=9), "never") == [(4, 2, 2.0), (11, 7, 7.0), (18, 1, 1.0)]


def test_acting_pays_from_where_its_wins_outweigh_its_costs() -> None:
    pays = paying_threshold(SimpleNamespace(**PAYOFF))  # type: ignore[arg-type]
    assert pays == pytest.approx(45 / 185)
    earned = [p * 60 + (1 - p) * -45 - (p * -80) for p in (pays - 0.01, pays + 0.01)]
    assert earned[0] < 0 < earned[1]
    free = SimpleNamespace(**{**PAYOFF, "false_positive": 1.0})
    assert paying_threshold(free) is None  # type: ignore[arg-type]


def test_a_run_costs_what_it_held() -> None:
    prices = Prices(cpu_hour=0.05, memory_gib_hour=0.01, gpu_hour=2.0)
    assert cost([Used(1800, 2, 4), Used(3600, 8, 16, 1)], prices) == pytest.approx(
        0.05 + 0.02 + 0.4 + 0.16 + 2
    )
