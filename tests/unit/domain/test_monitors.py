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
