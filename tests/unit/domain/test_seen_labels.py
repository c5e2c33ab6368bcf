"""What ways of acting earn where labels are known only of rows decided one way."""

from types import SimpleNamespace

import numpy as np
import pytest

from mlcycle.domain.earnings import Day, returns, weeks
from mlcycle.domain.inverse_propensity import FLOOR, of_days, weights
from mlcycle.domain.seen_labels import Decided, estimated, payoffs, unknown

LOAN = SimpleNamespace(
    true_positive=10.0, false_positive=-40.0, true_negative=0.0, false_negative=-5.0, threshold=0.5
)


def lived(random: np.random.Generator, rows: int, share: float, *, hidden: bool = True) -> Decided:
    """Loans whose score is turned: those it would refuse are paid back more often than those it gives."""
    score = random.uniform(size=rows)
    labels = (random.uniform(size=rows) < np.where(score >= 0.5, 0.7, 0.9)).astype(float)
    greedy = score >= 0.5
    acted = np.where(random.uniform(size=rows) < share, random.uniform(size=rows) < 0.5, greedy)
    propensities = np.where(acted == greedy, 1 - share / 2, share / 2)
    return Decided(np.where(acted | (not hidden), labels, np.nan), acted, propensities, greedy)


def day(rows: Decided) -> Day:
    found = estimated(LOAN, "positive", rows)
    return Day(found.rows, found.served, found.before, found.stood, found.all)


#: A row's worth by hand: half of the rows lie on each side of the threshold.
GIVEN = (0.7 * 10 - 0.3 * 40, 0.9 * 10 - 0.1 * 40)  # above, below
REFUSED = (0.7 * -5, 0.9 * -5)
ALWAYS, NEVER, ALONE = sum(GIVEN) / 2, sum(REFUSED) / 2, (GIVEN[0] + REFUSED[1]) / 2


def test_the_naive_estimate_is_wrong_and_the_weighted_one_is_right() -> None:
    rows = lived(np.random.default_rng(3), 200_000, 0.1)
    seen = rows.seen("positive")
    naive = payoffs(LOAN, rows.labels[seen], np.ones(seen.sum(), bool)).mean()
    assert pytest.approx(0) == ALWAYS
    assert naive < -4
    found = estimated(LOAN, "positive", rows)
    assert found.all == pytest.approx(200_000)
    for name, truth in (("always", ALWAYS), ("never", NEVER), ("threshold", ALONE)):
        assert found.before[name] / found.stood == pytest.approx(truth, abs=0.25), name
    assert found.served / found.stood == pytest.approx(0.9 * ALONE + 0.1 * (ALWAYS + NEVER) / 2, abs=0.25)


def test_labels_that_are_late_make_fewer_rows_and_move_no_mean() -> None:
    random = np.random.default_rng(4)
    rows = lived(random, 100_000, 0.2)
    late = Decided(
        np.where(random.uniform(size=100_000) < 0.25, np.nan, rows.labels),
        *(rows.acted, rows.propensities, rows.greedy),
    )
    found = estimated(LOAN, "positive", late)
    assert found.all == pytest.approx(75_000, rel=0.01)
    assert found.before["always"] / found.stood == pytest.approx(ALWAYS, abs=0.3)


def test_a_label_that_needs_a_refusal_is_read_the_other_way() -> None:
    rows = lived(np.random.default_rng(5), 100_000, 0.2, hidden=False)
    found = estimated(LOAN, "negative", rows)
    assert found.rows == (~rows.acted).sum()
    assert found.before["always"] / found.stood == pytest.approx(ALWAYS, abs=0.3)
    assert found.served / found.stood == pytest.approx(0.8 * ALONE + 0.2 * (ALWAYS + NEVER) / 2, abs=0.3)


def test_rows_of_which_nothing_was_drawn_do_not_count() -> None:
    rows = lived(np.random.default_rng(6), 1000, 0.2)
    before = Decided(rows.labels, rows.acted, np.full(1000, np.nan), rows.greedy)
    found = estimated(LOAN, "positive", before)
    assert (found.rows, found.stood, found.all) == (0, 0.0, 0.0)
    assert returns({1: day(before)}) == []
    assert weeks({1: day(before)}, "never")[0][2] == 0.0


def test_nine_of_ten_intervals_hold_the_true_return_of_a_week() -> None:
    random, held = np.random.default_rng(7), 0
    truth = 7 * 400 * (0.9 * ALONE + 0.1 * (ALWAYS + NEVER) / 2 - ALWAYS)
    for _ in range(200):
        days = {at: day(lived(random, 400, 0.1)) for at in range(28)}
        always = next(each for each in returns(days) if each.over == "always")
        found = always.interval(0.9)
        assert found is not None
        held += found[0] <= truth <= found[1]
    assert 0.84 <= held / 200 <= 0.95


def test_days_whose_rows_are_all_seen_are_a_plain_mean() -> None:
    sums, rows = np.array([3.0, 5.0, 10.0]), np.array([1.0, 2.0, 6.0])
    mean, apart = of_days(sums, rows, rows)
    assert mean == pytest.approx(6)
    assert apart == pytest.approx((sums - 6) / 3)


def test_a_row_stands_for_a_hundred_at_the_most() -> None:
    assert weights(np.array([1.0, 0.5, FLOOR / 10])).tolist() == [1.0, 2.0, 100.0]


def test_that_nothing_can_be_known_is_one_line() -> None:
    assert "\n" not in unknown("positive", drawn=False)
    assert "cannot be known (value.explore)" in unknown("positive", drawn=False)
    assert unknown("positive", drawn=True) == unknown("", drawn=False) == ""
