"""Metrics against scikit-learn's and against values worked out by hand."""

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.domain import metrics
from mlcycle.errors import ConfigError, InputError
from mlcycle.project import Value

#: Of one number a row; those of many classes are in test_class_metrics.
ONE_ANSWER = ["log_loss", "roc_auc", "brier", "rmse", "mae"]
RANDOM = np.random.default_rng(3)
LABELS = (RANDOM.random(500) < 0.3).astype(float)
PREDICTIONS = np.round(np.clip(RANDOM.normal(0.3 + 0.2 * LABELS, 0.2), 0.01, 0.99), 2)  # with many ties
WEIGHTS = RANDOM.integers(0, 4, 500).astype(float)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_equal_scikit_learn(weights: np.ndarray | None) -> None:
    given_weights = {"sample_weight": weights}
    expected = {
        "log_loss": peer.log_loss(LABELS, PREDICTIONS, **given_weights),
        "roc_auc": peer.roc_auc_score(LABELS, PREDICTIONS, **given_weights),
        "brier": peer.brier_score_loss(LABELS, PREDICTIONS, **given_weights),
        "rmse": peer.root_mean_squared_error(LABELS, PREDICTIONS, **given_weights),
        "mae": peer.mean_absolute_error(LABELS, PREDICTIONS, **given_weights),
    }
    found = {
        name: metric(LABELS, PREDICTIONS, weights)
        for name, metric in metrics.METRICS.items()
        if name in ONE_ANSWER
    }
    assert found == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in rows], dtype=float)
    scores = np.array([score for _, score in rows], dtype=float)
    pairs = [
        1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[labels == 1] for n in scores[labels == 0]
    ]
    found = metrics.roc_auc(labels, scores)
    if pairs:
        assert found == pytest.approx(sum(pairs) / len(pairs))
    else:
        assert found == metrics.ONE_CLASS


def test_a_sure_mistake_costs_much_but_not_infinity() -> None:
    assert 10 < metrics.log_loss(np.array([1.0]), np.array([0.0])) < 20


def test_a_metric_that_is_not_defined_is_left_out() -> None:
    assert set(metrics.measure("classification", np.zeros(3), np.full(3, 0.2))) == {"log_loss", "brier"}


@pytest.mark.parametrize("metric", ONE_ANSWER)
@pytest.mark.parametrize(
    ("labels", "predictions"),
    [([], []), ([1.0, 1.0], [0.2, 0.3]), ([0.0, 1e300], [1e300, -1e300])],
    ids=["no rows", "one class", "overflow"],
)
def test_a_reading_is_a_finite_number_or_says_why_not(
    metric: str, labels: list[float], predictions: list[float]
) -> None:
    found = metrics.METRICS[metric](np.array(labels), np.array(predictions), None)
    assert (isinstance(found, metrics.NotMeasured) and found.reason) or np.isfinite(found)
    assert metrics.gain(metric, found, 0.5) == found or np.isfinite(found)


def test_gain_is_positive_where_the_new_one_is_better() -> None:
    assert metrics.gain("roc_auc", 0.6, 0.7) == pytest.approx(0.1)
    assert metrics.gain("log_loss", 0.5, 0.4) == pytest.approx(0.1)


def test_a_metric_of_the_other_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not measure a regression: choose one of rmse, mae"):
        metrics.check_metric("roc_auc", "regression")


@pytest.mark.parametrize(
    ("labels", "predictions", "says"),
    [
        ([], [], "no rows"),
        ([1.0], [0.1, 0.2], "2 predictions for 1 labels"),
        ([np.nan, 1.0], [0.1, 0.2], "1 of 2 labels are not finite"),
        ([0.0, 1.0], [0.1, np.inf], "1 of 2 predictions are not finite"),
    ],
    ids=["empty", "lengths", "nan label", "infinite prediction"],
)
def test_what_cannot_be_measured_is_said(labels: list[float], predictions: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        metrics.measure("classification", np.array(labels), np.array(predictions))


def test_value_of_acting_on_predictions_by_hand() -> None:
    value = Value(
        currency="EUR",
        true_positive=60,
        false_positive=-15,
        true_negative=1,
        false_negative=-80,
        threshold=0.5,
    )
    labels, predictions = np.array([1.0, 0, 0, 1]), np.array([0.5, 0.9, 0.1, 0.2])
    assert metrics.business_value(value, "classification", labels, predictions) == 60 - 15 + 1 - 80
    per_unit = Value(currency="EUR", per_unit_error=-4)
    assert metrics.business_value(per_unit, "regression", np.array([1.0, 2]), np.array([2.0, 0])) == -12


def test_calibration_groups_hold_every_row_once() -> None:
    groups = metrics.calibration(LABELS, PREDICTIONS, bins=7)
    assert sum(rows for _, _, rows in groups) == 500
    assert [mean for mean, _, _ in groups] == sorted(mean for mean, _, _ in groups)


def test_a_sure_mistake_costs_the_same_on_both_sides() -> None:
    costs = [metrics.log_loss(np.array([label]), np.array([1 - label])) for label in (0.0, 1.0)]
    assert costs == pytest.approx([-np.log(metrics.CLIP)] * 2)
    rights = [metrics.log_loss(np.array([label]), np.array([label])) for label in (0.0, 1.0)]
    assert rights == pytest.approx([metrics.CLIP] * 2)


@pytest.mark.filterwarnings("error")
def test_auc_of_no_rows_of_one_class_and_of_no_weight_is_not_defined() -> None:
    nothing = np.array([])
    assert metrics.roc_auc(nothing, nothing) == metrics.ONE_CLASS
    assert metrics.roc_auc(np.ones(3), np.arange(3.0)) == metrics.ONE_CLASS
    weights = np.array([1.0, 0.0])
    assert metrics.roc_auc(np.array([0.0, 1.0]), np.array([0.1, 0.2]), weights) == metrics.ONE_CLASS


def test_every_cell_of_the_payoff_counts_its_own_rows() -> None:
    value = Value(
        currency="EUR",
        true_positive=1,
        false_positive=10,
        true_negative=100,
        false_negative=1000,
        threshold=0.5,
    )
    labels = np.array([1.0] * 3 + [0.0] * 9)
    predictions = np.array([0.5, 0.4, 0.3] + [0.9] * 4 + [0.1] * 5)
    assert (
        metrics.business_value(value, "classification", labels, predictions)
        == 1 + 4 * 10 + 5 * 100 + 2 * 1000
    )


def test_no_rows_say_so_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r"^there are no rows to measure on$"):
        metrics.check_rows(np.array([]), np.array([]))


def test_calibration_of_ties_keeps_the_rows_order() -> None:
    predictions = np.tile([0.25, 0.75], 500)
    labels = np.repeat([0.0, 1.0], 500)
    assert len(metrics.calibration(labels, predictions)) == 10
    groups = metrics.calibration(labels, predictions, bins=4)
    assert groups == [(0.25, 0.0, 250), (0.25, 1.0, 250), (0.75, 0.0, 250), (0.75, 1.0, 250)]
