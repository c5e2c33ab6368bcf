"""What freshness is worth, against sums by hand and a simulation whose truth is known."""

import numpy as np
import pytest

from mlcycle.domain.interval import Spread
from mlcycle.domain.staleness import Aged, aged, worth

NONE = np.zeros(14)


def line(gains: dict[float, float]) -> list[Aged]:
    return [Aged(age, 1.0 + gain, gain, NONE) for age, gain in gains.items()]


@pytest.mark.parametrize("every", [10, 20, 30, 40])
def test_the_loss_of_an_interval_is_the_mean_of_the_losses_by_age(every: int) -> None:
    """Loss .01 a day up to day 20, then half as steep: areas below the lines, by hand."""
    models = line({0: 0.0, 20: 0.2, 40: 0.3})
    areas = {10: 0.5, 20: 2.0, 30: 2.0 + 2.25, 40: 2.0 + 5.0}
    found = worth(models, every)
    assert found.loss == pytest.approx(areas[every] / every)
    assert found.gain == pytest.approx(areas[40] / 40 - areas[every] / every)
    assert found.most == 40


def test_ages_that_do_not_begin_with_a_fresh_model_are_refused() -> None:
    for models, every in ((line({7: 0.1, 14: 0.2}), 7), (line({0: 0.0, 7: 0.1}), 8), (line({0: 0.0}), 1)):
        with pytest.raises(ValueError, match="begin at nought"):
            worth(models, every)


def test_a_truth_that_is_known_lies_in_the_interval_about_as_often_as_it_says() -> None:
    """Squared error grows with age; days have shocks that all models share, which pairing takes away."""
    random, held = np.random.default_rng(17), 0
    ages, days, a_day = (0.0, 10.0, 20.0), 14, 20
    blocks = np.repeat(np.arange(days), a_day)
    for _ in range(60):
        labels = random.normal(0, 1, days * a_day) + np.repeat(random.normal(0, 1, days), a_day)
        said = [np.full(len(labels), 0.02 * age) for age in ages]  # off by so much: mse grows by its square
        models = [
            aged("rmse", labels, said[0], each, blocks, age) for age, each in zip(ages, said, strict=True)
        ]
        found = worth(models, 10)
        assert isinstance(found.spread, Spread)
        low, high = found.spread.interval(0.95)
        truth = np.sqrt(2 + 0.0) - np.sqrt(2 + np.array([0.0, 0.2, 0.4]) ** 2)
        weights = np.array([0.25, 0.5, 0.25]) - np.array([0.5, 0.5, 0.0])
        held += low <= float(-truth @ weights) <= high
    assert 0.88 <= held / 60 <= 1.0


def test_a_model_as_fresh_as_the_fresh_one_loses_nothing() -> None:
    labels = np.tile([0.0, 1.0], 70)
    said = np.full(140, 0.4)
    found = aged("log_loss", labels, said, said, np.repeat(np.arange(14), 10), 0.0)
    assert found.gain == 0
    assert found.spread is not None
    assert found.spread.error == 0
