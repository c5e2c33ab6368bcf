"""Columns as counts: what is measured on them is what the rows say."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr, wasserstein_distance

from mlcycle.domain import effects, tally

RANDOM = np.random.default_rng(5)
TRAINED = RANDOM.lognormal(size=20_000)
NAMES = RANDOM.choice([f"c{item}" for item in range(100)], 20_000, p=np.arange(1, 101) / 5050)


@cache
def scheme() -> list[tally.Numeric | tally.Categorical]:
    """Of a skewed number and of a hundred categories."""
    return [tally.categorical("name", tally.frequencies(NAMES)), tally.numeric("size", TRAINED)]


def counted(size: Any, name: Any) -> tally.Tally:
    """Rows as one window."""
    return tally.count(scheme(), {"size": np.asarray(size, dtype=float), "name": list(name)})


REFERENCE = counted(TRAINED, NAMES)


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0, -0.3])
def test_a_number_s_effect_is_the_wasserstein_distance_in_standard_deviations(shift: float) -> None:
    now = RANDOM.choice(TRAINED, 5000) + shift
    column = scheme()[1]
    assert isinstance(column, tally.Numeric)
    inside = [np.clip(each, column.grid[0], column.grid[-1]) for each in (TRAINED, now)]
    exact = wasserstein_distance(*inside) / inside[0].std()
    found = effects.distances(scheme(), counted(now, NAMES[:5000]), REFERENCE)[0]
    assert found[1] == pytest.approx(exact, rel=0.1, abs=0.03)


def test_a_category_s_effect_is_the_share_that_would_have_to_change() -> None:
    renamed = np.where(NAMES == "c99", "other", NAMES)
    share = float((NAMES == "c99").mean())
    assert effects.distances(scheme(), counted(TRAINED, renamed), REFERENCE)[0, 0] == pytest.approx(share)
    rare = np.where(NAMES == "c1", "other", NAMES)  # not one of the frequent ones, yet a new one counts
    assert effects.distances(scheme(), counted(TRAINED, rare), REFERENCE)[0, 0] == pytest.approx(
        float((NAMES == "c1").mean())
    )


def test_counts_of_days_add_up_to_those_of_their_window() -> None:
    day = np.sort(RANDOM.integers(0, 10, len(TRAINED)))
    columns = {"size": TRAINED, "name": list(NAMES)}
    days = tally.count(scheme(), columns, day, 10)
    inside = (day >= 2) & (day < 6)
    rows = {"size": TRAINED[inside], "name": list(NAMES[inside])}
    window = tally.count(scheme(), rows, day[inside], 10).whole()
    for way in (
        days.windows(np.array([2]), 4),
        days.pooled((np.arange(10)[None] >= 2) & (np.arange(10) < 6)),
    ):
        for mine, its in ((way.rows, window.rows), (way.cells, window.cells), (way.pairs, window.pairs)):
            assert mine == pytest.approx(its)
    parts = tally.empty(scheme(), 10)
    for part in np.array_split(np.arange(len(day)), 7):
        own = {"size": TRAINED[part], "name": [str(NAMES[at]) for at in part]}
        parts = parts + tally.count(scheme(), own, day[part], 10)
    assert parts.cells == pytest.approx(days.cells)


@settings(max_examples=25)
@given(st.floats(-1, 1), st.floats(0, 0.5))
def test_correlations_are_spearman_s_of_the_rows_that_have_both(strength: float, absent: float) -> None:
    random = np.random.default_rng(int(abs(strength) * 1000))
    a = random.normal(size=4000)
    b = np.exp(strength * a + (1.01 - abs(strength)) * random.normal(size=4000))
    a[random.random(4000) < absent] = np.nan
    pair = [tally.numeric("a", a), tally.numeric("b", b)]
    found = effects.correlations(tally.count(pair, {"a": a, "b": b}))[0, 0, 1]
    there = np.isfinite(a)
    assert found == pytest.approx(spearmanr(a[there], b[there]).statistic, abs=0.03)


def test_strange_values_are_counted_where_they_are() -> None:
    size = RANDOM.choice(TRAINED, 1000)
    size[:10], size[10:15], size[15:115] = -9999, 1e9, np.nan
    name = ["new"] * 30 + [None] * 20 + ["c99"] * 950
    found = effects.shares(scheme(), counted(size, name))[0]
    assert found[1, :3] == pytest.approx([0.1, 0.01, 0.005])
    assert found[0] == pytest.approx([0.02, 0.0, 0.03, 0.95])


def test_a_sensor_that_is_stuck_has_one_value() -> None:
    day = np.repeat(np.arange(7), 100)
    values = np.repeat(RANDOM.choice(TRAINED, 7), 100)  # another one each day
    days = tally.count(scheme()[1:], {"size": values}, day, 7)
    assert effects.shares(scheme()[1:], days.whole())[0, 0, 3] == 1.0


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=80))
def test_every_row_is_counted_once_whatever_its_value(values: list[float]) -> None:
    found = counted(values, ["c1"] * len(values))
    for _, strange, own in tally.each(scheme(), found.cells):
        assert strange[0, tally.ABSENT] + own.sum() == len(values)
    distances = effects.distances(scheme(), found, REFERENCE)
    assert np.isnan(distances).all() == (len(values) < effects.MIN_VALUES)


def test_a_category_is_new_for_a_while_and_nothing_is_at_the_beginning() -> None:
    newcomers = tally.Newcomers(recent=3, settled=2)
    days = np.array([0, 1, 2, 3, 4, 5, 6])
    assert newcomers("name", ["a", "b", "c", "c", "c", "c", None], days).tolist() == [
        *(False, False, True, True, True, False, False)
    ]
    assert newcomers("name", ["a"], np.array([7])).tolist() == [False]
    assert newcomers("other", ["a"], np.array([7])).tolist() == [True]


def test_a_column_without_a_value_cannot_be_counted() -> None:
    with pytest.raises(ValueError, match="gust has no value"):
        tally.numeric("gust", np.array([np.nan]))
    with pytest.raises(ValueError, match="gust has no value"):
        tally.categorical("gust", {})


def shares(*most: float) -> np.ndarray:
    """Windows of one column in which its first check has these shares."""
    found = np.zeros((50, 1, 4))
    found[: len(most), 0, 0] = most
    found[:, 0, 3] = 0.8
    return found


def test_a_ceiling_is_twice_what_was_and_some_news_and_its_false_rate_is_measured() -> None:
    usual = effects.ceilings(shares(0.1, 0.02))
    assert usual.limits[0] == pytest.approx([0.2, 0.005, 0.005, np.inf])  # .8 and .25 more is never
    assert usual.false_rate == pytest.approx(0.02)  # one window of fifty had what no other stretch came near
    assert effects.ceilings(shares(0.01)).limits[0, 0] == pytest.approx(0.06)
    assert effects.ceilings(shares(0.01)).false_rate == 0
