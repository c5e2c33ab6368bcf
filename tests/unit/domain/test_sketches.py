"""A day's predictions as quantiles: what is measured on them is what the rows say, to 1/64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.domain import effects, sketches

RANDOM = np.random.default_rng(6)
DAYS = [RANDOM.beta(2, 5, 500) for _ in range(100)]


def effect(now: np.ndarray, before: list[np.ndarray]) -> float:
    """How far a window is from earlier days."""
    past = [sketches.sketch(day) for day in before]
    scheme = sketches.scheme("predictions", past)
    sides = sketches.counts(scheme, [sketches.sketch(now)]), sketches.counts(scheme, past).whole()
    return float(effects.distances(scheme, *sides)[0, 0])


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5, 1.0])
def test_a_shift_of_predictions_is_its_size_in_standard_deviations(shift: float) -> None:
    spread = np.concatenate(DAYS).std()
    assert effect(RANDOM.beta(2, 5, 5000) + shift * spread, DAYS) == pytest.approx(shift, abs=0.12)


def test_constant_predictions_that_jump_are_another_and_those_that_stay_are_not() -> None:
    before = [np.full(500, 0.2)] * 30
    assert effect(np.full(500, 0.2), before) == 0.0
    for jump in (0.9, 0.1):
        assert effect(np.full(500, jump), before) == 1.0


def test_days_count_by_their_rows() -> None:
    days = [sketches.sketch(np.zeros(900)), sketches.sketch(np.ones(100)), sketches.sketch(np.array([]))]
    scheme = sketches.scheme("predictions", days)
    counts = sketches.counts(scheme, days)
    assert counts.rows.tolist() == [900, 100, 0]
    assert effects.shares(scheme, counts.whole())[0, 0, 3] == 1.0  # each day has one value
    assert sketches.counts(scheme, days[:1]).whole().cells.sum() == pytest.approx(900)


@given(st.lists(st.floats(-1e9, 1e9), max_size=200))
def test_a_sketch_is_read_as_it_was_written(values: list[float]) -> None:
    made = sketches.sketch(np.array(values))
    assert sketches.Sketch.of(made.document) == made
    assert len(made.document) <= 2 + sketches.POINTS


def test_no_day_with_rows_is_no_scheme() -> None:
    with pytest.raises(ValueError, match="predictions has no value"):
        sketches.scheme("predictions", [sketches.sketch(np.array([]))])
