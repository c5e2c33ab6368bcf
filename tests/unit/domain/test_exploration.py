"""The share of decisions that is drawn."""

import numpy as np
import pytest

from mlcycle.domain.exploration import decide, draws

KEYS = [f"k{n}" for n in range(20_000)]
TIMES = np.arange(20_000, dtype=np.int64) * 1_000_000


def test_a_row_scored_again_is_drawn_the_same_in_any_order_and_by_another_version_anew() -> None:
    first = draws("loans", 3, KEYS, TIMES)
    assert np.array_equal(draws("loans", 3, KEYS[::-1], TIMES[::-1])[::-1], first)
    assert not np.isin(draws("loans", 4, KEYS, TIMES), first).any()
    assert not np.isin(draws("cards", 3, KEYS, TIMES), first).any()
    assert not np.isin(draws("loans", 3, KEYS, TIMES + 1), first).any()


def test_draws_are_uniform_and_the_coin_knows_nothing_of_the_share() -> None:
    drawn = draws("loans", 3, KEYS, TIMES)
    assert (drawn >= 0).all()
    assert (drawn < 1).all()
    counts = np.histogram2d(drawn[:, 0], drawn[:, 1], bins=10, range=[[0, 1], [0, 1]])[0]
    assert ((counts - 200) ** 2 / 200).sum() < 149  # chi-square, 99 degrees of freedom, .999


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_each_decision_is_as_frequent_as_its_propensity_says(share: float) -> None:
    predictions = np.where(np.arange(20_000) % 4 == 0, 0.9, 0.1)
    found = decide(predictions, 0.5, share, draws("loans", 1, KEYS, TIMES))
    greedy = predictions >= 0.5
    assert set(found.propensities) == {1 - share / 2, share / 2}
    assert np.array_equal(found.propensities == share / 2, found.acted != greedy)
    for side in (greedy, ~greedy):
        other = (found.acted != greedy)[side].mean()
        assert other == pytest.approx(share / 2, abs=4 * np.sqrt(share / 2 / side.sum()))
