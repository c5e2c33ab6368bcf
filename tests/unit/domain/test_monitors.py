"""Monitors and what is told of them: levels, persistence, errors, alerts, the wish for a retrain."""

import numpy as np
import pytest

from mlcycle.domain import findings, monitors
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.persistence import streak

RANDOM = np.random.default_rng(3)
SAME, MOVED = RANDOM.normal(size=900), RANDOM.normal(1, 1, 900)
REFERENCE = RANDOM.normal(size=5000)


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [
        (False, [True, True], 0),
        (True, [], 1),
        (True, [True, False, True], 2),
        (True, [True, True, True], 4),
    ],
    ids=["over", "first", "interrupted", "long"],
)
def test_a_streak_counts_back_to_the_first_that_was_not(now: bool, before: list[bool], wanted: int) -> None:
    assert streak(now, before) == wanted


@pytest.mark.parametrize(
    ("rows", "others", "level"),
    [(900, [910, 890, 950], "ok"), (300, [910, 890, 950], "page"), (2000, [910, 890, 950], "page")],
    ids=["usual", "few", "many"],
)
def test_volume_pages_outside_its_bounds(rows: int, others: list[int], level: str) -> None:
    found = monitors.volume(rows, others, (0.5, 2.0))
    assert found is not None
    assert found.status == level


def test_volume_says_nothing_with_fewer_than_three_others() -> None:
    assert monitors.volume(1, [900, 900], (0.5, 2.0)) is None


def watch(history: list[bool]) -> dict[str, Measurement]:
    """Drift of a column that moved and one that did not."""
    found = monitors.drift(
        {"moved": REFERENCE, "same": REFERENCE},
        {"moved": MOVED, "same": SAME},
        {"moved": history},
        effect=0.35,
        rate=0.01,
        persistence=3,
    )
    return {item.subject: item for item in found}


@pytest.mark.parametrize(
    ("history", "level"),
    [([], "ok"), ([True], "ok"), ([True, True], "warn"), ([False, True, True], "ok")],
    ids=["first", "second", "third", "interrupted"],
)
def test_drift_warns_when_it_persists(history: list[bool], level: str) -> None:
    found = watch(history)
    assert found["moved"].status == level
    assert found["moved"].details["drifted"]
    assert not found["same"].details["drifted"]


def test_a_column_without_values_is_an_error_and_not_no_drift() -> None:
    found = monitors.drift(
        {"gone": REFERENCE, "there": REFERENCE},
        {"gone": np.array([]), "there": SAME},
        {},
        effect=0.35,
        rate=0.01,
        persistence=3,
    )
    assert {item.subject: item.status for item in found} == {"gone": "error", "there": "ok"}


@pytest.mark.parametrize(
    ("value", "estimated", "level"),
    [(0.50, False, "ok"), (0.60, False, "page"), (0.60, True, "warn"), (0.40, False, "ok")],
    ids=["as before", "worse", "expected worse", "better"],
)
def test_performance_pages_and_an_estimate_warns(value: float, estimated: bool, level: str) -> None:
    assert monitors.performance("log_loss", value, 0.5, 0.12, 5000, estimated=estimated).status == level


def test_changed_predictions_warn() -> None:
    assert monitors.prediction_drift(REFERENCE, SAME).status == "ok"
    assert monitors.prediction_drift(REFERENCE, MOVED).status == "warn"


TITLES = {"drift": "inputs drift"}
FOUND = [
    Measurement("drift", "warn", "effect 0.9", "wind"),
    Measurement("drift", "warn", "effect 0.7", "rain"),
    Measurement("drift", "error", "no values", "gust"),
    Measurement("volume", "ok", "fine"),
    Measurement("performance", "page", "log_loss 0.6"),
]


def test_columns_of_one_monitor_are_one_alert_and_errors_are_their_own() -> None:
    told = {item["key"]: item for item in findings.alerts("p", "2013-01-01", FOUND, "link", TITLES)}
    assert {key: item["severity"] for key, item in told.items()} == {
        "drift": "warn",
        "error:drift": "page",
        "performance": "page",
    }
    assert told["drift"]["title"] == "p 2013-01-01: inputs drift (wind, rain)"
    assert told["drift"]["body"] == "wind: effect 0.9\nrain: effect 0.7"


def test_an_alert_closes_only_when_its_monitor_measured_everything_and_all_was_well() -> None:
    assert findings.settled(FOUND) == ["error:volume", "volume", "error:performance"]
    assert "drift" not in findings.settled([Measurement("drift", "error", "no values", "gust")])
    assert "missing" not in findings.settled(FOUND)  # not measured: nothing is known of it


def test_only_what_a_monitor_found_wrong_and_may_ask_for_asks_for_a_retrain() -> None:
    assert findings.retrain(FOUND, {"performance"}) == {"wanted": True, "reason": "log_loss 0.6"}
    assert not findings.retrain(FOUND, set())["wanted"]
    assert not findings.retrain(FOUND[:4], {"performance"})["wanted"]
    assert not findings.retrain(FOUND[2:4], {"drift", "volume"})["wanted"]  # an error and an ok


def test_volume_says_what_it_measured_against_which_bound() -> None:
    few = monitors.volume(300, [910, 890, 950], (0.5, 2.0))
    assert few == Measurement(
        "volume",
        "page",
        "300 rows, 0.33 of the window's median 910 (allowed 0.5 to 2)",
        value=300 / 910,
        threshold=0.5,
    )
    many = monitors.volume(2000, [910, 890, 950], (0.5, 2.0))
    assert many is not None
    assert (many.value, many.threshold) == (2000 / 910, 2.0)


@pytest.mark.parametrize(
    ("rows", "others", "level", "ratio", "threshold"),
    [
        (50, [100, 100, 100], "ok", 0.5, 2.0),
        (200, [100, 100, 100], "ok", 2.0, 2.0),
        (0, [0, 0, 0], "page", 0.0, 0.5),
        (1, [0, 0, 0], "ok", 1.0, 2.0),
    ],
    ids=["at-least", "at-most", "none-as-ever", "one-where-none-were"],
)
def test_volume_at_its_edges(
    rows: int, others: list[int], level: str, ratio: float, threshold: float
) -> None:
    found = monitors.volume(rows, others, (0.5, 2.0))
    assert found is not None
    assert (found.status, found.value, found.threshold) == (level, ratio, threshold)


@pytest.mark.parametrize(
    ("usual", "share", "level"),
    [(0.25, 0.75, "page"), (0.25, 0.5, "ok"), (0.75, 0.25, "ok"), (0.5, 1.0, "page"), (0.5, 0.75, "ok")],
    ids=["many-more", "some-more", "fewer", "just-too-many", "just-not"],
)
def test_missing_pages_where_more_than_usual_is_absent_and_never_where_less_is(
    usual: float, share: float, level: str
) -> None:
    (found,) = monitors.missing({"gust": usual, "other": 0.0}, {"gust": share}, 0.5)
    message = f"{share:.1%} missing, up to {usual:.1%} is usual"
    details = {"share": share, "usual": usual}
    assert found == Measurement("missing", level, message, "gust", share - usual, 0.5, details)  # type: ignore[arg-type]


def test_every_column_is_measured_for_missing_values() -> None:
    found = monitors.missing({"a": 0.0, "b": 0.0}, {"a": 0.5, "b": 0.0}, 0.25)
    assert [(item.subject, item.status) for item in found] == [("a", "page"), ("b", "ok")]


def test_drift_says_effect_method_and_how_long() -> None:
    found = watch([True])
    moved, same = found["moved"], found["same"]
    assert moved.monitor == same.monitor == "drift"
    assert (moved.threshold, same.threshold) == (0.35, 0.35)
    assert moved.value is not None
    assert moved.value == pytest.approx(1.0, abs=0.15)
    p = moved.details["p_value"]
    assert moved.details == {"drifted": True, "streak": 2, "p_value": p, "method": "wasserstein/sd, ks"}
    assert moved.message == (
        f"effect {moved.value:.2f} (wasserstein/sd, ks), p {p:.2g}; drifts, 2 in a row of 3 needed"
    )
    assert same.message.startswith("effect 0.0")
    assert "drifts" not in same.message


def test_drift_needs_both_a_sure_and_a_large_change() -> None:
    def drifted(now: np.ndarray, effect: float) -> object:
        (found,) = monitors.drift({"a": REFERENCE}, {"a": now}, {}, effect=effect, rate=0.01, persistence=1)
        return found.details["drifted"]

    assert drifted(MOVED, 0.35)
    assert not drifted(MOVED, 5.0)  # sure, and small
    few = np.random.default_rng(1).normal(0, 3, 30)
    assert not drifted(np.sort(few)[:30] * 0.3 + 0.2, 0.05)  # large enough, and may be chance


def test_a_column_that_could_not_be_compared_says_why() -> None:
    (gone,) = monitors.drift(
        {"gone": REFERENCE}, {"gone": np.array([1.0])}, {}, effect=0.3, rate=0.01, persistence=3
    )
    why = "could not be measured: 5000 reference and 1 current values: 30 of each are needed"
    assert gone == Measurement("drift", "error", why, "gone")


def test_categories_are_compared_as_categories() -> None:
    before, now = ["a"] * 500 + ["b"] * 500, ["a"] * 100 + ["c"] * 300
    (found,) = monitors.drift({"kind": before}, {"kind": now}, {}, effect=0.3, rate=0.01, persistence=1)
    assert found.status == "warn"
    assert found.value == pytest.approx(0.75)
    assert found.details["method"] == "total variation, chi2"


def test_numbers_that_became_words_are_compared_as_categories() -> None:
    (found,) = monitors.drift(
        {"a": np.zeros(100)}, {"a": ["x"] * 100}, {}, effect=0.3, rate=0.01, persistence=1
    )
    assert (found.status, found.value) == ("warn", 1.0)


def test_changed_predictions_say_how_far() -> None:
    found = monitors.prediction_drift(REFERENCE, MOVED)
    assert (found.monitor, found.threshold) == ("prediction_drift", monitors.CHANGED_POPULATION)
    assert found.value is not None
    assert found.value > 0.2
    means = f"mean {MOVED.mean():.4g}, at first {REFERENCE.mean():.4g}"
    assert found.message == f"stability index {found.value:.2f}; {means}"


@pytest.mark.parametrize(
    ("value", "estimated", "expected"),
    [
        (0.6, False, ("performance", "log_loss 0.6 on 5000 rows, 20% worse than 0.5 on the holdout")),
        (0.4, False, ("performance", "log_loss 0.4 on 5000 rows, 20% better than 0.5 on the holdout")),
        (0.5, False, ("performance", "log_loss 0.5 on 5000 rows, 0% better than 0.5 on the holdout")),
        (0.6, True, ("estimate", "expected log_loss 0.6 on 5000 rows, 20% worse than 0.5 on the holdout")),
    ],
    ids=["worse", "better", "equal", "estimate"],
)
def test_performance_says_what_it_compares(value: float, estimated: bool, expected: tuple[str, str]) -> None:
    found = monitors.performance("log_loss", value, 0.5, 0.12, 5000, estimated=estimated)
    assert (found.monitor, found.message) == expected
    assert found.value == pytest.approx((value - 0.5) / 0.5)
    assert found.threshold == 0.12
    assert found.details == {"metric": "log_loss", "now": value, "holdout": 0.5}


def test_performance_is_measured_unless_it_is_said_to_be_an_estimate() -> None:
    assert monitors.performance("rmse", 2.0, 1.0, 0.5, 10).monitor == "performance"


def test_performance_pages_from_the_increase_on_and_knows_which_way_is_worse() -> None:
    assert monitors.performance("rmse", 1.5, 1.0, 0.5, 10).status == "page"
    assert monitors.performance("roc_auc", 0.6, 0.7, 0.1, 10).status == "page"
    assert monitors.performance("roc_auc", 0.8, 0.7, 0.1, 10).status == "ok"


def test_an_alert_carries_its_link_and_a_monitor_that_failed_says_so() -> None:
    (drift, failed, page) = findings.alerts("p", "2013-01-01", FOUND, "http://here", TITLES)
    assert [item["link"] for item in (drift, failed, page)] == ["http://here"] * 3
    assert failed["title"] == "p 2013-01-01: the drift monitor failed (gust)"
    assert page["title"] == "p 2013-01-01: performance"  # a monitor without a title of its own
    assert page["body"] == "log_loss 0.6"


def test_an_alert_is_as_severe_as_its_worst_finding() -> None:
    mixed = [Measurement("new", "warn", "a little"), Measurement("new", "page", "much")]
    for items in (mixed, mixed[::-1]):
        (alert,) = findings.alerts("p", "d", items, "", {})
        assert alert["severity"] == "page"
    (told,) = findings.alerts("p", "d", [Measurement("report", "info", "no page")], "", {})
    assert told["severity"] == "info"


def test_a_retrain_names_every_page_of_measured_performance_and_nothing_else() -> None:
    found = [
        Measurement("performance", "page", "log_loss 0.6"),
        Measurement("performance", "page", "brier 0.3"),
    ]
    others = [Measurement("performance", "ok", "fine"), Measurement("volume", "page", "few")]
    asking = {"performance"}
    assert findings.retrain([*found, *others], asking) == {
        "wanted": True,
        "reason": "log_loss 0.6; brier 0.3",
    }
    assert findings.retrain(others, asking) == {"wanted": False, "reason": ""}


def test_a_monitor_that_failed_as_a_whole_has_no_subject() -> None:
    assert monitors.failed("drift", "no rows") == Measurement(
        "drift", "error", "could not be measured: no rows", ""
    )
