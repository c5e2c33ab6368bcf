"""The null of days: it keeps its level on days that depend on each other, and tells what is beyond it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlcycle.domain import max_t

LEVEL = 0.01


def year(random: np.random.Generator, columns: int, days: int, memory: float) -> np.ndarray:
    """Days of columns that go on as they were, and together: an autoregression with a common part."""
    noise = random.normal(size=(days, columns)) + random.normal(size=(days, 1))
    values = np.zeros_like(noise)
    for day in range(1, days):
        values[day] = memory * values[day - 1] + noise[day]
    return values


def effects(values: np.ndarray, length: int = 7) -> np.ndarray:
    """How far the mean of each window of days is from that of the four before it."""
    sums = np.cumsum(np.vstack([np.zeros(values.shape[1]), values]), axis=0)
    ends = np.arange(5 * length, len(values) + 1)
    now = (sums[ends] - sums[ends - length]) / length
    before = (sums[ends - length] - sums[ends - 5 * length]) / (4 * length)
    return np.abs(now - before)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8], ids=["independent", "dependent", "very-dependent"])
@pytest.mark.parametrize("columns", [1, 20])
def test_the_level_holds_on_dependent_days_however_many_columns(columns: int, memory: float) -> None:
    random = np.random.default_rng(columns)
    flagged = []
    for _ in range(60):
        found = effects(year(random, columns, 180 + 180, memory))
        null = max_t.null(found[:146], 146 / 7)
        later = found[146 + 35 :]
        flagged.append((later > null.limits(LEVEL)).any(axis=1).mean())
    assert np.mean(flagged) <= LEVEL + 0.003


def test_a_shift_well_beyond_what_windows_do_is_found_and_named() -> None:
    found = effects(year(np.random.default_rng(1), 10, 360, 0.3))
    null = max_t.null(found[:150], 150 / 7)
    planted = found[300].copy()
    planted[4] += 12 * found[:150, 4].std()
    assert np.flatnonzero(planted > null.limits(LEVEL)).tolist() == [4]
    assert null.p_values(planted)[4] < LEVEL


@given(
    arrays(float, (40, 3), elements=st.floats(0, 100)),
    st.floats(0.01, 100),
    st.permutations([0, 1, 2]),
)
@settings(max_examples=60)
def test_units_and_the_order_of_columns_do_not_matter(
    windows: np.ndarray, unit: float, order: list[int]
) -> None:
    windows = windows + np.linspace(0.1, 1, 40)[:, None]  # no column is constant
    limits = max_t.null(windows, 6.0).limits(LEVEL)
    assert max_t.null(windows * unit, 6.0).limits(LEVEL) == pytest.approx(limits * unit, rel=1e-6)
    assert max_t.null(windows[:, order], 6.0).limits(LEVEL) == pytest.approx(limits[order], rel=1e-9)


@given(st.floats(0.001, 0.19), st.floats(0.001, 0.19))
def test_a_rarer_alarm_has_a_wider_limit_and_the_p_value_at_the_limit_is_the_level(
    a: float, b: float
) -> None:
    null = max_t.null(np.random.default_rng(2).gamma(2.0, size=(150, 4)), 20.0)
    low, high = sorted((a, b))
    assert (null.limits(low) >= null.limits(high)).all()
    assert null.p_values(null.limits(a)) == pytest.approx(np.full(4, a), rel=1e-6)


def test_the_less_is_known_the_wider_is_the_limit() -> None:
    windows = np.random.default_rng(2).gamma(2.0, size=(150, 4))
    limits = [max_t.null(windows, worth).limit(LEVEL) for worth in (10.0, 20.0, 50.0, 1e6)]
    assert limits == sorted(limits, reverse=True)
    null = max_t.null(windows, 1e9)
    exponential = null.start + null.scale * np.log((1 - max_t.BODY) / LEVEL)
    assert null.limit(LEVEL) == pytest.approx(exponential, rel=1e-3)


def test_what_training_hardly_ever_had_is_not_judged_and_a_gap_is_no_alarm() -> None:
    windows = np.random.default_rng(3).gamma(2.0, size=(100, 3))
    windows[:60, 1] = np.nan
    windows[::7, 2] = np.nan
    null = max_t.null(windows, 15.0)
    assert null.limits(LEVEL)[1] == np.inf
    assert null.known == pytest.approx([1.0, 0.4, 0.85])
    with np.errstate(invalid="ignore"):
        assert not (np.array([1.0, 1e9, np.nan]) > null.limits(LEVEL)).any()
    assert np.isnan(null.p_values(np.array([1.0, 1.0, np.nan]))[2])


def test_a_statistic_that_never_moved_moves_by_anything() -> None:
    windows = np.column_stack([np.zeros(60), np.random.default_rng(4).gamma(2.0, size=60)])
    assert max_t.null(windows, 10.0).limits(LEVEL)[0] == pytest.approx(0.0, abs=1e-12)


def test_fewer_windows_than_folds_are_no_null() -> None:
    with pytest.raises(ValueError, match="4 windows: 5 are needed"):
        max_t.null(np.ones((4, 2)), 4.0)
