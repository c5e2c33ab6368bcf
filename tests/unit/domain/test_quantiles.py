"""Said quantiles: their order, levels, metrics against scikit-learn and by hand, and the zero rule."""

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from mlcycle.domain import quantiles as q
from mlcycle.domain.metrics import METRICS, NotMeasured, check_metric, check_rows, influence
from mlcycle.domain.paired import paired_blocks
from mlcycle.domain.quantile_levels import problem
from mlcycle.domain.quantile_metrics import row_figures, row_interval_score, row_pinball
from mlcycle.domain.refit import unlike
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError, InputError

LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]
BY_HAND = q.paired([0.1, 0.5, 0.9], np.array([[0.0, 5.0, 10.0], [0.0, 5.0, 10.0], [2.0, 5.0, 6.0]]))
LABELS = np.array([12.0, 0.0, 5.0])


def made(rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    middle = draw.normal(size=rows)
    labels = middle + draw.standard_t(3, rows)
    return labels, q.paired(LEVELS, middle[:, None] + np.quantile(draw.standard_t(3, 1000), LEVELS))


def test_pinball_loss_is_scikit_learns() -> None:
    labels, said = made()
    weights = np.random.default_rng(4).uniform(0.5, 2, len(labels))
    each = [
        mean_pinball_loss(labels, values, sample_weight=weights, alpha=level)
        for level, values in zip(LEVELS, q.values_of(said).T, strict=True)
    ]
    assert METRICS["pinball"](labels, said, weights) == pytest.approx(np.mean(each), rel=1e-12)
    found = task_of("regression").readings(labels, said, weights)
    assert [found[f"pinball_{name}"] for name in ("10", "25", "50", "75", "90")] == pytest.approx(each)


def test_figures_worked_by_hand() -> None:
    figures = {name: rows.tolist() for name, rows in row_figures(LABELS, BY_HAND).items()}
    assert figures["pinball_10"] == pytest.approx([1.2, 0.0, 0.3])
    assert figures["pinball_50"] == pytest.approx([3.5, 2.5, 0.0])
    assert figures["pinball_90"] == pytest.approx([1.8, 1.0, 0.1])
    assert figures["below_10"] == [0, 1, 0]
    assert figures["below_90"] == [0, 1, 1]
    assert figures["coverage_80"] == [0, 1, 1]  # ends are counted
    assert figures["width_80"] == [10, 10, 4]
    assert figures["interval_score_80"] == pytest.approx([10 + 2 / 0.2 * 2, 10, 4])
    assert row_pinball(LABELS, BY_HAND).tolist() == pytest.approx([6.5 / 3, 3.5 / 3, 0.4 / 3])
    assert row_interval_score(LABELS, BY_HAND).tolist() == pytest.approx([30, 10, 4])


def test_what_measures_a_number_measures_the_median() -> None:
    for name in ("rmse", "mae"):
        assert METRICS[name](LABELS, BY_HAND, None) == METRICS[name](LABELS, np.full(3, 5.0), None)
    payoff = type("Payoff", (), {"per_unit_error": -2.0})()
    assert task_of("regression").value(payoff, LABELS, BY_HAND) == pytest.approx(-24)


def test_nobody_does_better_than_the_true_quantiles() -> None:
    draw = np.random.default_rng(5)
    labels = draw.exponential(2.0, 20_000)
    true = -2 * np.log1p(-np.array(LEVELS))
    whole = q.paired(LEVELS, np.tile(true, (len(labels), 1)))
    for other in (0.8, 1.2):
        worse = q.paired(LEVELS, q.values_of(whole) * other)
        for metric in ("pinball", "interval_score"):
            assert METRICS[metric](labels, whole, None) < METRICS[metric](labels, worse, None)


def test_crossed_quantiles_are_sorted_and_never_lose_by_it() -> None:
    labels, said = made()
    crossed = q.values_of(said) + np.random.default_rng(6).normal(0, 1, (len(labels), len(LEVELS)))
    assert (np.diff(crossed, axis=1) < 0).any()
    sorted_ = q.rearranged(crossed)
    assert (np.diff(sorted_, axis=1) >= 0).all()
    assert (
        row_pinball(labels, q.paired(LEVELS, sorted_))
        <= row_pinball(labels, q.paired(LEVELS, crossed)) + 1e-12
    ).all()


def test_a_gain_is_compared_by_blocks_and_rows_add_up() -> None:
    labels, said = made()
    worse = q.paired(LEVELS, q.values_of(said) + 1.0)
    found = paired_blocks("pinball", labels, worse, said, np.arange(len(labels)) // 40)
    assert found.gain == pytest.approx(
        row_pinball(labels, worse).mean() - row_pinball(labels, said).mean(), rel=1e-9
    )
    assert found.spread is not None
    assert found.spread.interval(0.9)[0] > 0
    added = influence("pinball", labels, said)
    assert not isinstance(added, NotMeasured)
    assert added.mean() == pytest.approx(0, abs=1e-12)


def test_levels_between_are_a_straight_line_and_a_number_is_all_of_them() -> None:
    assert q.values_of(q.at_levels(BY_HAND, [0.1, 0.3, 0.5, 0.9])).tolist()[0] == pytest.approx(
        [0, 2.5, 5, 10]
    )
    assert q.values_of(q.at_levels(BY_HAND, [0.01, 0.5, 0.99])).tolist()[2] == [2, 5, 6]
    alone = q.at_levels(np.array([4.0, 7.0]), [0.1, 0.5, 0.9])
    assert q.values_of(alone).tolist() == [[4, 4, 4], [7, 7, 7]]
    assert q.point(alone).tolist() == [4, 7]
    assert q.at_levels(BY_HAND, [0.1, 0.5, 0.9]) is BY_HAND
    assert q.point(q.paired([0.1, 0.5], np.empty((0, 2)))).shape == (0,)


def test_central_intervals_are_pairs_of_levels() -> None:
    assert q.intervals(LEVELS) == [(0, 4, 0.8), (1, 3, 0.5)]
    assert q.intervals([0.5, 0.9]) == []
    assert [q.word(each) for each in (0.1, 0.025, 0.999, 0.8)] == ["10", "2_5", "99_9", "80"]


def test_the_zero_rule_says_the_trainings_quantiles() -> None:
    learnt = np.arange(1, 101, dtype=float)
    said = task_of("regression").without_model(learnt, 3, quantiles=[0.1, 0.5, 0.9])
    assert q.values_of(said).tolist() == [[10, 50, 90]] * 3
    weights = np.where(learnt <= 50, 3.0, 1.0)
    (heavier,) = q.values_of(
        task_of("regression").without_model(learnt, 1, weights, quantiles=[0.1, 0.5, 0.9])
    )
    assert heavier.tolist() == [7, 34, 80]
    assert task_of("regression").without_model(learnt, 2).tolist() == [50.5, 50.5]


def test_what_is_no_quantile_is_said() -> None:
    assert isinstance(METRICS["pinball"], object)
    with pytest.raises(InputError, match=r"no quantiles were predicted: say label\.quantiles"):
        METRICS["pinball"](LABELS, np.zeros(3), None)
    with pytest.raises(InputError, match="needs two levels that make a central interval"):
        row_interval_score(LABELS, q.paired([0.5, 0.9], np.zeros((3, 2))))
    broken = BY_HAND.copy()
    broken[1, 2, 0] = np.nan
    with pytest.raises(InputError, match="1 of 9 predictions are not finite"):
        check_rows(LABELS, broken)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([0.5, 0.1], "must ascend, none twice: 0.1, 0.5"),
        ([0.1, 0.1, 0.5], "must ascend, none twice: 0.1, 0.5"),
        ([0.1, 0.9], "lacks 0.5, the median"),
        ([0.0, 0.5], "names 0: a level lies between 0.001 and 0.999"),
        ([0.5, 1.5], "names 1.5: a level lies between"),
        ([0.5], "names the median alone"),
        ([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], "names 10 levels: 9 are the most"),
        ([0.1, 0.5, 0.9], ""),
    ],
)
def test_levels_of_a_project(levels: list[float], words: str) -> None:
    assert words in problem(levels)
    assert bool(words) == bool(problem(levels))


def test_metrics_of_quantiles_ask_for_levels() -> None:
    check_metric("pinball", "regression", [0.1, 0.5])
    check_metric("mae", "regression", [0.1, 0.5])
    with pytest.raises(
        ConfigError, match=r"'pinball' is of quantiles: say label\.quantiles, or choose one of rmse"
    ):
        check_metric("pinball", "regression")
    with pytest.raises(ConfigError, match=r"no two levels of label\.quantiles make one"):
        check_metric("interval_score", "regression", [0.5, 0.9])
    with pytest.raises(ConfigError, match="'pinball' does not measure a classification"):
        check_metric("pinball", "classification")


def test_a_refit_is_like_what_was_judged_by_its_values_not_by_its_levels() -> None:
    labels, said = made()
    assert unlike("pinball", labels, said, said) == ""
    mixed = q.paired(LEVELS, q.values_of(said)[::-1])
    assert "correlate" in unlike("pinball", labels, said, mixed)
