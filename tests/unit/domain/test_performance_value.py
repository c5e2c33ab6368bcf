"""Performance without labels, relative change, earned value, and the retrain policy."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlcycle.domain.metrics import METRICS, ONE_CLASS, NotMeasured
from mlcycle.domain.performance import MIN_ERRORS, estimate, expected, relative_increase
from mlcycle.domain.retrain_policy import refusal
from mlcycle.domain.value import Worth, constants, worth
from mlcycle.project import Value

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc"])
def test_the_estimate_of_calibrated_predictions_is_what_labels_show_later(metric: str) -> None:
    p = RANDOM.beta(2, 6, 200_000)
    labels = (RANDOM.random(len(p)) < p).astype(float)
    assert expected(metric, p) == pytest.approx(METRICS[metric](labels, p, None), rel=0.01)


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_a_regression_has_no_estimate(metric: str) -> None:
    assert isinstance(expected(metric, np.ones(10)), NotMeasured)


def test_sure_predictions_of_one_class_have_no_estimated_auc() -> None:
    assert expected("roc_auc", np.zeros(10)) == ONE_CLASS


@pytest.mark.parametrize(
    ("metric", "now", "before", "worse"),
    [("log_loss", 0.55, 0.5, 0.1), ("rmse", 2.7, 3.0, -0.1), ("roc_auc", 0.65, 0.7, 1 / 6)],
    ids=["log loss up", "rmse down", "auc down"],
)
def test_worse_is_positive_whichever_way_the_metric_points(
    metric: str, now: float, before: float, worse: float
) -> None:
    assert relative_increase(metric, now, before) == pytest.approx(worse)


OFF = RANDOM.normal(0.01, 0.02, 60)


@pytest.mark.parametrize(
    ("metric", "now", "holdout", "level"),
    [
        ("log_loss", 0.50, 0.5, "ok"),
        ("log_loss", 0.51, 0.5, "ok"),
        ("log_loss", 0.60, 0.5, "warn"),
        ("roc_auc", 0.60, 0.7, "warn"),
        ("roc_auc", 0.80, 0.7, "ok"),
    ],
    ids=["as before", "within its error", "worse", "auc worse", "auc better"],
)
def test_an_estimate_warns_where_even_its_better_end_is_worse(
    metric: str, now: float, holdout: float, level: str
) -> None:
    found = estimate(metric, now, holdout, 5000, np.arange(60), OFF, 0.9)
    assert found.status == level
    assert found.details["low"] < now + 0.01 < found.details["high"]
    assert "concept change" in found.message
    assert "in 60 windows" in found.message


def test_an_estimate_whose_error_nobody_knows_warns_of_nothing_and_says_so() -> None:
    few = MIN_ERRORS - 1
    found = estimate("log_loss", 9.0, 0.5, 5000, np.arange(few), OFF[:few], 0.9)
    assert found.status == "ok"
    assert "how far to trust it is not known yet" in found.message


def test_the_interval_holds_what_is_measured_later_as_often_as_it_says() -> None:
    held = []
    for _ in range(300):
        daily = RANDOM.normal(0, 0.1, 130)
        weekly = np.convolve(daily, np.ones(7) / 7, "valid")  # windows that share days
        found = estimate("log_loss", 0.5, 0.5, 5000, np.arange(110), weekly[:110], 0.9).details
        held.append(found["low"] <= 0.5 + weekly[-1] <= found["high"])
    assert 0.84 <= np.mean(held) <= 0.96


VALUE = Value(currency="EUR", threshold=0.5, true_positive=60, false_positive=-15, false_negative=-80)
LABELS, PREDICTIONS = np.array([1.0, 1, 0, 0, 0]), np.array([0.9, 0.1, 0.8, 0.2, 0.3])


def test_worth_is_the_gain_over_acting_as_before() -> None:
    known = constants(VALUE, "classification", LABELS)
    found = worth(VALUE, "classification", LABELS, PREDICTIONS, known, {"heuristic": -40.0})
    assert found.outcomes == {
        "true_positive": 1,
        "false_positive": 1,
        "true_negative": 2,
        "false_negative": 1,
    }
    assert found.total == 60 - 15 - 80
    assert found.before == {"never": -160, "always": 2 * 60 - 3 * 15, "heuristic": -40}
    assert found.metrics == {
        "value_over_never": -35 + 160,
        "value_over_always": -35 - 75,
        "value_over_heuristic": 5,
    }
    assert found.gain == found.gains["always"]


@pytest.mark.parametrize(("share", "usual"), [(0.02, "never"), (0.5, "always")], ids=["rare", "common"])
def test_the_usual_answer_is_decided_on_the_training_labels_and_not_on_the_window(
    share: float, usual: str
) -> None:
    learnt = (np.arange(1000) < 1000 * share).astype(float)
    known = constants(VALUE, "classification", learnt)
    assert known.usual == usual
    assert worth(VALUE, "classification", LABELS, PREDICTIONS, known).usual == usual


def test_a_number_is_compared_with_the_training_labels_median_and_mean() -> None:
    value = Value(currency="EUR", per_unit_error=-4)
    labels = np.array([1.0, 2, 9])
    known = constants(value, "regression", labels)
    assert known.usual == "median"
    found = worth(value, "regression", np.array([2.0, 4]), np.array([2.0, 4]), known)
    assert found.gains == {"median": pytest.approx(8), "mean": pytest.approx(8)}


def test_cooldown_and_budget_refuse_at_their_edges() -> None:
    start = datetime(2013, 3, 1, tzinfo=UTC)
    rule = {"cooldown": timedelta(days=7), "budget": 2, "per": timedelta(days=30)}

    def asked(day: int, *accepted: int) -> str:
        past = [start + timedelta(days=n) for n in accepted]
        return refusal("monitor", start + timedelta(days=day), past, **rule)  # type: ignore[arg-type]

    assert asked(0) == ""
    assert "cooldown" in asked(6, 0)
    assert asked(7, 0) == ""
    assert "budget" in asked(29, 0, 7)
    assert asked(30, 0, 7) == ""
    assert "later" in asked(0, 7)
    assert refusal("person", start, [start, start], **rule) == ""  # type: ignore[arg-type]


def worth_of(value: Value, task: str, labels: np.ndarray, predictions: np.ndarray) -> Worth:
    """Worth of predictions, the constants decided on the very labels."""
    return worth(value, task, labels, predictions, constants(value, task, labels))


def test_one_row_earns_as_any_other() -> None:
    found = worth_of(VALUE, "classification", np.array([1.0]), np.array([0.5]))
    assert (found.total, found.before, found.rows) == (60, {"never": -80, "always": 60}, 1)
    assert found.outcomes == {
        "true_positive": 1,
        "false_positive": 0,
        "true_negative": 0,
        "false_negative": 0,
    }


def test_the_usual_answer_is_the_one_that_earned_most_on_the_training_labels() -> None:
    labels, predictions = np.array([0.0] * 9 + [1.0]), np.full(10, 0.9)
    dear = Value(currency="EUR", threshold=0.5, true_positive=1, false_positive=-15, false_negative=-80)
    seldom = worth_of(dear, "classification", labels, predictions)
    assert (seldom.usual, seldom.before) == ("never", {"never": -80, "always": 1 - 9 * 15})
    often = worth_of(dear, "classification", 1 - labels, predictions)
    assert (often.usual, often.before) == ("always", {"never": -9 * 80, "always": 9 - 15})


def test_each_outcome_counts_its_own_rows() -> None:
    labels = np.array([1.0] * 3 + [0.0] * 9)
    predictions = np.array([0.5, 0.4, 0.3] + [0.9] * 4 + [0.1] * 5)
    found = worth_of(VALUE, "classification", labels, predictions)
    assert found.outcomes == {
        "true_positive": 1,
        "false_positive": 4,
        "true_negative": 5,
        "false_negative": 2,
    }
    assert found.rows == 12
    assert worth_of(Value(currency="EUR", per_unit_error=-4), "regression", labels, labels).outcomes == {}


def test_refusals_say_why_and_since_when() -> None:
    start = datetime(2013, 3, 1, tzinfo=UTC)
    rule = {"cooldown": timedelta(days=7), "per": timedelta(days=30)}

    def asked(budget: int, day: float, *accepted: float) -> str:
        past = [start + timedelta(days=n) for n in accepted]
        return refusal("monitor", start + timedelta(days=day), past, budget=budget, **rule)  # type: ignore[arg-type]

    assert asked(0, 0) == "the project's retrain budget is 0: only a person may ask"
    assert asked(1, 0) == ""
    later = "a retrain as of 2013-03-02 00:00 was accepted already, later than 2013-03-01 00:00"
    assert asked(9, 0, 1) == later
    cooling = "cooldown of 7 days: the last retrain was accepted as of 2013-03-01 00:00"
    assert asked(9, 0, 0) == asked(9, 6.9, 0) == cooling
    assert asked(2, 20, 0, 8) == "budget of 2 retrains in 30 days is used up"


def test_a_request_of_this_very_moment_counts_for_the_budget() -> None:
    now = datetime(2013, 3, 1, tzinfo=UTC)
    rule = {"cooldown": timedelta(0), "budget": 1, "per": timedelta(days=30)}
    assert "budget" in refusal("monitor", now, [now], **rule)  # type: ignore[arg-type]
    assert refusal("monitor", now, [now - timedelta(days=30)], **rule) == ""  # type: ignore[arg-type]


def test_a_regression_earns_by_its_errors() -> None:
    value = Value(currency="EUR", per_unit_error=-4)
    found = worth_of(value, "regression", np.array([1.0, 2, 9]), np.array([2.0, 2, 7]))
    assert (found.total, found.before, found.gain) == (-12.0, {"median": -32.0, "mean": -40.0}, 20.0)


def test_a_prediction_of_just_the_threshold_acts() -> None:
    found = worth_of(VALUE, "classification", np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    assert (found.outcomes["true_positive"], found.outcomes["false_positive"]) == (1, 1)
