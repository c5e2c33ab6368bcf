"""Figures against scikit-learn's, and intervals against what is known of them."""

import numpy as np
import pytest
import sklearn.metrics as peer

from mlcycle.domain.evaluation import bootstrap, of_classes, of_numbers, ranking
from mlcycle.domain.interval import Spread
from mlcycle.domain.metrics import NotMeasured
from tests.unit.domain.evaluation.made import classes

RANDOM = np.random.default_rng(3)
LABELS = (RANDOM.random(600) < 0.3).astype(float)
SAID = np.round(np.clip(RANDOM.normal(0.3 + 0.2 * LABELS, 0.2), 0.01, 0.99), 2)  # with many ties
WEIGHTS = RANDOM.integers(0, 4, 600).astype(float)
DAYS = np.arange(600) // 50
EACH = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])


@EACH
def test_figures_of_classes_equal_scikit_learn(weights: np.ndarray | None) -> None:
    given = {"sample_weight": weights}
    acted = SAID >= 0.4
    found = of_classes.of_rows(LABELS, SAID, DAYS, threshold=0.4, k=100, weights=weights)
    expected = {
        "roc_auc": peer.roc_auc_score(LABELS, SAID, **given),
        "pr_auc": peer.average_precision_score(LABELS, SAID, **given),
        "log_loss": peer.log_loss(LABELS, SAID, **given),
        "brier": peer.brier_score_loss(LABELS, SAID, **given),
        "precision": peer.precision_score(LABELS, acted, **given),
        "recall": peer.recall_score(LABELS, acted, **given),
        "f1": peer.f1_score(LABELS, acted, **given),
        "accuracy": peer.accuracy_score(LABELS, acted, **given),
        "bias": np.average(SAID - LABELS, weights=weights),
        "selection_rate": np.average(acted, weights=weights),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    for name, figure in found.items():
        assert figure.low is not None, name
        assert figure.low < figure.value < figure.high, name  # type: ignore[operator]


@EACH
def test_figures_of_numbers_equal_scikit_learn(weights: np.ndarray | None) -> None:
    labels, said = RANDOM.normal(5, 2, 600), RANDOM.normal(5, 1, 600)
    given = {"sample_weight": weights}
    found = of_numbers.of_rows(labels, said, DAYS, weights)
    expected = {
        "rmse": peer.root_mean_squared_error(labels, said, **given),
        "mae": peer.mean_absolute_error(labels, said, **given),
        "median_absolute_error": peer.median_absolute_error(labels, said, **given),
        "r2": peer.r2_score(labels, said, **given),
        "pinball_10": peer.mean_pinball_loss(labels, said, alpha=0.1, **given),
        "pinball_90": peer.mean_pinball_loss(labels, said, alpha=0.9, **given),
        "bias": np.average(said - labels, weights=weights),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert all(figure.low < figure.value < figure.high for figure in found.values())  # type: ignore[operator]


def test_a_figure_of_drawn_days_is_that_of_their_rows() -> None:
    """What intervals are made of: each statistic at some weights of days is the figure of rows so weighted."""
    counts = np.random.default_rng(4).integers(0, 4, (3, 12)).astype(float)
    ones = np.ones(600)
    found = {
        **of_classes.of_scores(LABELS, SAID, ones, DAYS, 12, 0.1),
        **of_classes.of_means(LABELS, SAID, ones, DAYS, 12),
        **of_classes.of_outcomes(of_classes.confusion(LABELS, SAID, 0.4, ones, DAYS, 12)),
    }
    numbers = RANDOM.normal(5, 2, 600)
    of_blocks = of_numbers.of_blocks(numbers, SAID, ones, DAYS, 12)
    for row in counts:
        weights = row[DAYS]
        expected = of_classes.of_rows(LABELS, SAID, DAYS, threshold=0.4, k=60, weights=weights)
        got = {name: float(statistic(row[None])[0]) for name, statistic in found.items()}
        assert got == pytest.approx({name: expected[name].value for name in got})
        expected = of_numbers.of_rows(numbers, SAID, DAYS, weights)
        got = {name: float(statistic(row[None])[0]) for name, statistic in of_blocks.items()}
        assert got == pytest.approx(
            {name: expected[name].value for name in got}, abs=0.05
        )  # cells of the median
        del got["median_absolute_error"]
        assert got == pytest.approx({name: expected[name].value for name in got})


def test_pseudo_values_of_a_mean_are_its_days_and_draws_know_where_it_is_skewed() -> None:
    days = np.random.default_rng(1).exponential(1.0, 14)
    statistic, counts = bootstrap.ratio(days, np.ones(14)), bootstrap.Draws(14).counts
    whole, pseudo = bootstrap.pseudo_values(statistic, 14)
    assert whole == pytest.approx(days.mean())
    np.testing.assert_allclose(pseudo, days)
    low, high = bootstrap.studentised(statistic, counts)
    assert high > 1.3 * -low > 0  # a long tail upwards: the truth may lie further above
    slow = Spread.of(0.0, (days - days.mean()) / 14).interval(0.95)
    assert bootstrap.around(statistic, counts) == pytest.approx((min(low, slow[0]), max(high, slow[1])))
    still = bootstrap.ratio((-1.0) ** np.arange(14), np.ones(14))  # cosines alone would say nearly nothing
    assert bootstrap.around(still, counts)[0] <= bootstrap.studentised(still, counts)[0]


def test_the_first_rows_by_hand() -> None:
    labels, said = np.array([1.0, 0, 1, 1, 0]), np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    assert ranking.precision_at(labels, said, 3) == pytest.approx(2 / 3)
    assert ranking.average_precision_at(labels, said, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert ranking.precision_at(labels, np.zeros(5), 2) == pytest.approx(3 / 5)  # ties share the places
    assert ranking.average_precision_at(labels, said, 4) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert isinstance(ranking.average_precision_at(np.zeros(3), np.zeros(3), 2), NotMeasured)


def test_average_precision_at_k_of_drawn_days_is_that_of_their_rows() -> None:
    draw = np.random.default_rng(5)
    said = draw.permutation(600) / 600
    labels = (draw.random(600) < said).astype(float)
    statistic = ranking.average_precision_drawn(labels, said, 40, DAYS, 12)
    assert statistic(np.ones((1, 12)))[0] == pytest.approx(ranking.average_precision_at(labels, said, 40))
    kept = np.append(np.zeros(6), np.ones(6))
    rows = DAYS >= 6
    half = ranking.average_precision_at(labels[rows], said[rows], round(40 * rows.mean()))
    assert statistic(kept[None])[0] == pytest.approx(half)
    twice = statistic(np.full((1, 12), 2.0))[0]  # each row beside its double: at 80 the same to the middle
    assert twice == pytest.approx(
        ranking.average_precision_at(np.repeat(labels, 2), np.repeat(said, 2), 80), abs=5e-3
    )
    assert np.isnan(ranking.average_precision_drawn(np.zeros(600), said, 40, DAYS, 12)(kept[None])).all()
    never = of_classes.of_rows(labels, said, DAYS, threshold=0.5, k=ranking.MOST_DRAWN + 1)
    assert never["average_precision_at_k"].why == "an interval is not made for it"


def test_one_class_says_what_is_not_measured_and_measures_the_rest() -> None:
    found = of_classes.of_rows(np.zeros(600), SAID, DAYS, threshold=2.0, k=10)
    assert {name for name, figure in found.items() if figure.value is None} == {
        *("roc_auc", "pr_auc", "average_precision_at_k", "precision", "recall", "f1")
    }
    assert found["roc_auc"].why == "the rows hold one class only"
    assert found["log_loss"].low is not None


def test_few_blocks_have_no_interval_and_say_so() -> None:
    found = of_classes.of_rows(LABELS[:200], SAID[:200], DAYS[:200], threshold=0.4, k=10)
    assert found["roc_auc"].low is None
    assert found["roc_auc"].why == "4 blocks of time: 5 are needed for an interval"


def test_a_constant_prediction_is_surely_constant() -> None:
    found = of_classes.of_rows(LABELS, np.full(600, 0.3), DAYS, threshold=0.4, k=10)
    assert (found["roc_auc"].low, found["roc_auc"].value, found["roc_auc"].high) == (0.5, 0.5, 0.5)


def test_intervals_of_many_scores_are_those_of_few() -> None:
    """Cells stand for scores: of 20,000 distinct ones nothing that matters is lost."""
    subject = classes(20_000)
    exact = of_classes.of_rows(subject.labels, subject.predictions, subject.blocks, threshold=0.5, k=100)
    coarse = of_classes.of_rows(
        subject.labels, np.round(subject.predictions, 3), subject.blocks, threshold=0.5, k=100
    )
    for name in ("roc_auc", "pr_auc"):
        ours, other = ([f.low - f.value, f.high - f.value] for f in (exact[name], coarse[name]))  # type: ignore[operator]
        assert ours == pytest.approx(other, abs=2e-4)


def test_days_that_go_together_make_intervals_wide() -> None:
    random = np.random.default_rng(8)
    hard = np.repeat(random.normal(0, 1, 40), 50)
    labels = hard + random.normal(0, 0.1, 2000)
    by_day = of_numbers.of_rows(labels, np.zeros(2000), np.arange(2000) // 50)["bias"]
    mixed = of_numbers.of_rows(labels, np.zeros(2000), np.arange(2000) % 40)["bias"]
    assert by_day.high - by_day.low > 4 * (mixed.high - mixed.low)  # type: ignore[operator]


@pytest.mark.parametrize(("memory", "least"), [(0.0, 0.94), (0.5, 0.9)], ids=["independent", "alike"])
def test_intervals_of_a_fortnight_hold_the_truth_where_percentiles_do_not(
    memory: float, least: float
) -> None:
    random = np.random.default_rng(11)
    counts = bootstrap.Draws(14).counts
    held = plain = 0
    for _ in range(150):
        days = random.normal(0, 1, 14)
        for day in range(1, 14):
            days[day] = memory * days[day - 1] + np.sqrt(1 - memory**2) * days[day]
        low, high = bootstrap.around(bootstrap.ratio(days, np.ones(14)), counts)
        held += days.mean() + low <= 0 <= days.mean() + high
        lower, upper = np.quantile(counts @ days / 14, [0.025, 0.975])
        plain += lower <= 0 <= upper
    assert held / 150 >= least
    assert plain < held
