"""What is recommended as a whole: a loop that narrows is told of, one that does not is not."""

import numpy as np
import pytest

from mlcycle.domain.recommendations import Shown, auc, gini, judged, precision, with_spread

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def window(random: np.random.Generator, appeal: Array, rows: int = 2000) -> Shown:
    """So many recommendations of items by their appeal; the first fifth is the head."""
    counts = random.multinomial(rows, appeal / appeal.sum()).astype(float)
    head = len(appeal) // 5
    return Shown(
        *(len(appeal), rows, float((counts > 0).mean()), gini(counts)),
        *(float(counts[head:].sum() / rows), float((counts[head:] > 0).mean())),
    )


def appeals(steep: float) -> Array:
    return np.arange(1, 401, dtype=float) ** -steep


def test_gini_is_nought_for_equals_and_nears_one_for_a_single_item() -> None:
    assert gini(np.full(10, 3.0)) == pytest.approx(0)
    assert gini(np.append(np.zeros(99), 5.0)) == pytest.approx(0.99)
    assert gini(np.array([1.0, 3.0])) == pytest.approx(0.25)
    assert gini(np.zeros(4)) == 0.0


def test_a_loop_that_narrows_slowly_is_told_of_and_one_that_does_not_is_not() -> None:
    random, steady, slow = np.random.default_rng(11), 0, []
    for _ in range(20):
        held = {-at: window(random, appeals(0.6)) for at in range(1, 27)}
        steady += any(each.worse for each in judged(held, window(random, appeals(0.6)), 0.01, 0.02))
        held = {-at: window(random, appeals(0.9 - 0.3 * at / 26)) for at in range(1, 27)}
        slow += [any(each.worse for each in judged(held, window(random, appeals(0.9)), 0.01, 0.02))]
    assert steady <= 1
    assert np.mean(slow) >= 0.75


def test_what_widens_is_no_news() -> None:
    random = np.random.default_rng(12)
    held = {-at: window(random, appeals(0.9)) for at in range(1, 13)}
    assert not any(each.worse for each in judged(held, window(random, appeals(0.3)), 0.01, 0.02))


def test_a_change_below_the_least_that_is_news_is_none() -> None:
    random = np.random.default_rng(13)
    held = {-at: window(random, appeals(0.6), 200_000) for at in range(1, 13)}
    now = window(random, appeals(0.65), 200_000)
    assert any(each.worse for each in judged(held, now, 0.01, 0.0))
    assert not any(each.worse for each in judged(held, now, 0.01, 0.1))


def test_with_few_windows_nothing_is_judged() -> None:
    random = np.random.default_rng(14)
    assert (
        judged({-at: window(random, appeals(0.6)) for at in range(1, 8)}, window(random, appeals(3)), 0.5, 0)
        == []
    )


def test_the_area_by_bins_is_the_area_by_rows() -> None:
    random = np.random.default_rng(15)
    labels = (random.uniform(size=3000) < 0.3).astype(int)
    bins = np.clip((random.normal(labels, 1.0, 3000) * 10 + 30).astype(int), 0, 99)
    counts = np.zeros((2, 100, 2))
    np.add.at(counts, (np.arange(3000) % 2, bins, labels), 1)
    up, down = bins[labels == 1][:, None], bins[labels == 0][None, :]
    assert auc(counts) == pytest.approx(((up > down) + (up == down) / 2).mean())
    assert auc(np.zeros((2, 100, 2))) is None


def test_nine_of_ten_intervals_of_the_precision_hold_it() -> None:
    random, held = np.random.default_rng(16), 0
    for _ in range(300):
        rows = random.integers(50, 150, 14)
        true = random.binomial(rows, np.clip(random.normal(0.3, 0.05, 14), 0, 1))
        value, sure = with_spread(np.column_stack([rows, true])[:, None, :].astype(float), precision)
        assert value == pytest.approx(true.sum() / rows.sum())
        assert sure is not None
        low, high = sure.interval(0.9)
        held += low <= 0.3 <= high
    assert 0.86 <= held / 300 <= 0.94
    assert with_spread(np.zeros((6, 1, 2)), precision) == (None, None)
    assert with_spread(np.ones((4, 1, 2)), precision) == (1.0, None)
