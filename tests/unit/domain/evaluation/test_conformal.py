"""Conformal shifts: their rank by hand, the share they hold over many draws, and when they are kept."""

import numpy as np
import pytest

from mlcycle.domain.evaluation.conformal import Shifts, choose, fit, least_rows, miscoverage, shifted
from mlcycle.domain.quantiles import paired, values_of

LEVELS = [0.1, 0.5, 0.9]


def said(middle: np.ndarray, half: float) -> np.ndarray:
    return paired(LEVELS, middle[:, None] + half * np.array([-1.0, 0.0, 1.0]))


def test_the_shifts_are_ranks_of_what_was_missed() -> None:
    labels = np.arange(1.0, 20.0)  # 19 rows: the ranks are ceil(.9 * 20) = 18
    found = fit(labels, paired(LEVELS, np.tile([10.0, 10.0, 10.0], (19, 1))))
    assert found.shifts == [-8.0, 0.0, 8.0]  # of 10 - label the 18th is 8, of label - 10 as well
    assert found.rows == 19
    assert found(np.array([[10.0, 10.0, 10.0]])).tolist() == [[2, 10, 18]]


def test_shifts_that_cross_are_sorted() -> None:
    shifts = Shifts(levels=LEVELS, shifts=[3.0, 0.0, -3.0], rows=20)
    assert shifts(np.array([[0.0, 1.0, 2.0]])).tolist() == [[-1, 1, 3]]


def test_too_few_rows_have_no_finite_shift() -> None:
    assert least_rows(LEVELS) == 9
    assert least_rows([0.025, 0.5]) == 39
    labels = np.arange(8.0)
    with pytest.raises(ValueError, match="8 rows, the outermost quantile needs 9"):
        fit(labels, said(labels, 1.0))


@pytest.mark.parametrize("width", [0.3, 1.0, 3.0], ids=["too sure", "fair", "too wide"])
@pytest.mark.parametrize(
    "noise",
    [
        lambda draw, x: draw.standard_normal(len(x)),
        lambda draw, x: draw.standard_t(2, len(x)),
        lambda draw, x: (0.2 + 2 * x) * draw.standard_normal(len(x)),
        lambda draw, x: draw.exponential(1.0, len(x)),
    ],
    ids=["normal", "heavy tails", "spread that grows", "skewed"],
)
def test_each_tail_holds_its_share_over_many_draws_whatever_noise_and_model(noise, width: float) -> None:  # type: ignore[no-untyped-def]
    """Of n rows' shifts a label lies in a tail with a probability in (.1 - 1 / (n + 1), .1]: exact, no limit."""
    draw, outside = np.random.default_rng(9), []
    for _ in range(400):
        x = draw.random(99 + 100)
        labels = 3 * x + noise(draw, x)
        whole = said(3 * x, width)
        values = values_of(shifted(fit(labels[:99], whole[:99]), whole[99:]))
        outside.append([(labels[99:] < values[:, 0]).mean(), (labels[99:] > values[:, 2]).mean()])
    # The share of a draw has a standard deviation of about .04 (a beta's and a binomial's), of 400 of them .002.
    low, high = np.mean(outside, axis=0)
    assert low == pytest.approx(0.1, abs=0.008)
    assert high == pytest.approx(0.1, abs=0.008)


def test_they_are_kept_where_they_help() -> None:
    draw, blocks = np.random.default_rng(10), np.arange(2000) * 20 // 2000
    middle = draw.normal(size=2000)
    labels = middle + draw.standard_normal(2000)
    chosen = choose(labels, said(middle, 0.5), blocks)
    assert chosen.shifts is not None
    assert chosen.gain is not None
    assert chosen.gain.low is not None
    assert chosen.gain.low > 0
    assert chosen.shifts.shifts[2] == pytest.approx(1.28 - 0.5, abs=0.15)
    assert chosen.off_before is not None
    assert chosen.off_after is not None
    assert chosen.off_after < 0.03 < chosen.off_before
    assert (chosen.fitted, chosen.judged) == (1000, 1000)


def test_they_are_not_kept_where_the_later_half_is_another_time() -> None:
    draw, blocks = np.random.default_rng(11), np.arange(2000) * 20 // 2000
    middle, spread = draw.normal(size=2000), np.where(np.arange(2000) < 1000, 3.0, 1.0)
    labels = middle + spread * draw.standard_normal(2000)
    chosen = choose(labels, said(middle, 1.2816), blocks)
    assert chosen.shifts is None
    assert chosen.asked is not None
    assert "do not hold their shares better" in chosen.why


def test_they_are_not_looked_for_in_too_little() -> None:
    labels = np.random.default_rng(12).normal(size=400)
    few = choose(labels, said(np.zeros(400), 1.0), np.arange(400) * 4 // 400)
    assert few.shifts is None
    assert "validation has 4 blocks of time" in few.why
    rows = choose(labels[:14], said(np.zeros(14), 1.0), np.arange(14))
    assert "the earlier half of validation has 7 rows, 9 are needed" in rows.why


def test_miscoverage_by_hand() -> None:
    labels = np.array([0.0, 1.0, 2.0, 3.0])
    assert miscoverage(labels, said(np.full(4, 1.5), 0.6)) == pytest.approx(np.mean([0.15, 0.0, 0.15]))
