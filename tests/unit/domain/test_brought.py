"""What a retrain brought, and whether retrains bring anything."""

import numpy as np
import pytest

from mlcycle.domain.brought import Brought, Day, bring_nothing, brought, losses


def lived(gains: list[float], rows: int = 100) -> dict[int, Day]:
    """Days on which the new model's loss is lower by so much a row, on days that differ among themselves."""
    levels = np.random.default_rng(1).uniform(0.3, 0.6, len(gains))
    return {
        at: Day(rows, rows * level, rows * (level - gain))
        for at, (level, gain) in enumerate(zip(levels, gains, strict=True))
    }


def test_the_gain_is_that_of_the_rows_whatever_days_they_are_of() -> None:
    found = brought("classification", {3: Day(100, 50.0, 40.0), 4: Day(300, 90.0, 90.0)})
    assert found is not None
    assert (found.rows, found.days, found.spread) == (400, 2, None)
    assert found.gain == pytest.approx(10 / 400)
    assert found.words(0.9).endswith("with fewer than 5 days that may be luck")


def test_a_root_s_gain_and_its_spread_are_in_the_root_s_unit() -> None:
    """Against the delete-one-day jackknife of the difference of two roots."""
    random = np.random.default_rng(2)
    days = {at: Day(50, 50 * random.uniform(3, 5), 50 * random.uniform(2, 4)) for at in range(40)}
    found = brought("regression", days)
    assert found is not None
    assert found.spread is not None
    old, new = (sum(getattr(each, side) for each in days.values()) / 2000 for side in ("old", "new"))
    assert found.gain == pytest.approx(old**0.5 - new**0.5)
    without = [brought("regression", {at: each for at, each in days.items() if at != left}) for left in days]
    gains = np.array([each.gain for each in without if each])
    jackknife = np.sqrt(39 / 40 * ((gains - gains.mean()) ** 2).sum())
    assert found.spread.error == pytest.approx(jackknife, rel=0.6)  # of few cosines: in its order of size


def test_no_rows_are_no_answer() -> None:
    assert brought("regression", {}) is None
    assert brought("regression", {1: Day(0, 0.0, 0.0)}) is None


def test_nine_of_ten_intervals_hold_what_was_truly_brought() -> None:
    random, held = np.random.default_rng(3), 0
    for _ in range(200):
        found = brought("classification", lived(list(0.004 + random.normal(0, 0.01, 30))))
        assert found is not None
        assert found.spread is not None
        low, high = found.spread.interval(0.9)
        held += low <= 0.004 <= high
    assert 0.86 <= held / 200 <= 0.94


def measured(gains: list[float], days: int = 10) -> list[Brought]:
    """Retrains that brought so much each."""
    return [Brought("classification", days, 900, 0.5, 0.5 - gain, None) for gain in gains]


def test_retrains_that_bring_nothing_are_told_so() -> None:
    assert "brought +0 of log loss on average" in bring_nothing(measured([0.001, -0.001] * 3), 5, 0.9)
    assert bring_nothing(measured([0.003, 0.002, 0.004, 0.003, 0.002]), 5, 0.9) == ""


def test_nothing_is_said_of_few_retrains_or_of_a_few_days() -> None:
    assert bring_nothing(measured([-0.001] * 4), 5, 0.9) == ""
    assert bring_nothing(measured([-0.001] * 5, days=6), 5, 0.9) == ""


def test_losses_are_those_of_the_task() -> None:
    labels, predictions = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert losses("classification", labels, predictions) == pytest.approx([np.log(2)] * 2)
    assert losses("regression", labels, predictions) == pytest.approx([0.25] * 2)
