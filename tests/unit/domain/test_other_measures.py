"""Measures of columns and of rows: nothing where nothing is, by their definitions where something is."""

from collections.abc import Callable

import numpy as np
import pytest

from mlcycle.domain import other_effects, tally, two_samples
from mlcycle.domain.two_samples import Array

RANDOM = np.random.default_rng(5)
SAME, OTHER = RANDOM.normal(size=(400, 4)), RANDOM.normal(size=(400, 4))
BOUND = RANDOM.normal(size=(400, 1)) + RANDOM.normal(size=(400, 4)) * 0.1


@pytest.mark.parametrize("distance", [two_samples.mmd, two_samples.lsdd], ids=["mmd", "lsdd"])
def test_rows_far_from_others_are_further_than_rows_alike(distance: Callable[[Array, Array], float]) -> None:
    alike, near, far = (distance(OTHER + shift, SAME) for shift in (0.0, 0.5, 1.5))
    assert alike < near / 2 < near < far
    assert distance(RANDOM.permuted(BOUND, axis=0), BOUND) > 3 * distance(BOUND[::2], BOUND[1::2])


def test_rows_that_break_what_goes_together_are_novel() -> None:
    assert two_samples.novelty(RANDOM.permuted(BOUND, axis=0), BOUND) > 5
    assert two_samples.novelty(BOUND[:200], BOUND[200:]) < 0.5


def counted(values: dict[str, object]) -> tally.Tally:
    return tally.count(SCHEME, values)


NUMBERS, TEXTS = np.arange(1000.0), ["a"] * 500 + ["b"] * 480 + ["c"] * 20
SCHEME = [tally.numeric("n", NUMBERS), tally.categorical("t", tally.frequencies(TEXTS))]
BEFORE = counted({"n": NUMBERS, "t": TEXTS})


@pytest.mark.parametrize(
    "effects",
    [other_effects.hellinger, other_effects.cramer_von_mises, other_effects.fisher],
    ids=["hellinger", "cramer-von mises", "fisher"],
)
def test_the_same_is_no_effect(effects: Callable[..., Array]) -> None:
    assert np.nan_to_num(effects(SCHEME, BEFORE, BEFORE)) == pytest.approx(np.zeros((1, 2)), abs=1e-9)


def test_by_their_definitions() -> None:
    half = counted({"n": NUMBERS[:500].repeat(2), "t": ["a"] * 980 + ["c"] * 20})
    ((number, text),) = other_effects.hellinger(SCHEME, half, BEFORE)
    assert number == pytest.approx(np.sqrt(1 - np.sqrt(0.5)), abs=0.01)
    affinity = np.sqrt(0.98 * 0.5) + 0.02
    assert text == pytest.approx(np.sqrt(1 - affinity), abs=1e-9)
    ((number, _),) = other_effects.cramer_von_mises(SCHEME, half, BEFORE)
    assert number == pytest.approx(np.sqrt(1 / 12), abs=0.01)  # of F(x) and min(2 F(x), 1)


def test_a_category_never_seen_is_an_effect() -> None:
    new = counted({"n": NUMBERS, "t": ["z"] * 1000})
    for effects in (other_effects.hellinger, other_effects.cramer_von_mises):
        assert effects(SCHEME, new, BEFORE)[0, 1] > 0.4


def test_fisher_is_scipy_s_of_the_rare_ones() -> None:
    from scipy import stats

    now = counted({"n": NUMBERS, "t": ["a"] * 940 + ["c"] * 60})
    ((number, text),) = other_effects.fisher(SCHEME, now, BEFORE)
    assert np.isnan(number)
    one_sided = stats.fisher_exact([[60, 940], [20, 980]], alternative="greater").pvalue
    # "c" and the cell of what is rarer still are rare; "b", which is gone, is not.
    assert text == pytest.approx(-np.log10(2 * one_sided), rel=0.05)
