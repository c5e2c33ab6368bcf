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


TITLES = {"drift": "inputs drift"}
FOUND = [
    Measurement("drift", "warn", "effect 0.9", "wind"),
    Measurement("drift", "warn", "effect 0.7", "rain"),
    Measurement("drift", "error", "no values", "gust"),
    Measurement("volume", "ok", "fine"),
    Measurement("performance", "page", "log_loss 0.6"),
]


def test_each_column_is_an_alert_of_its_own_and_errors_are_another_matter() -> None:
    told = {item["key"]: item for item in findings.alerts("p", "2013-01-01", FOUND, "link", TITLES)}
    assert {key: (item["matter"], item["severity"]) for key, item in told.items()} == {
        "drift:wind": ("drift", "warn"),
        "drift:rain": ("drift", "warn"),
        "error:drift:gust": ("error:drift", "page"),
        "performance": ("performance", "page"),
    }
    assert told["drift:wind"]["title"] == "p 2013-01-01: inputs drift (wind)"
    assert told["drift:wind"]["body"] == "wind: effect 0.9"


def test_what_was_measured_may_close_but_what_was_found_wrong_or_not_measured() -> None:
    assert findings.settled(FOUND) == [
        *("error:drift", "drift", "error:volume", "volume", "error:performance", "performance")
    ]
    assert findings.held(FOUND) == [
        *("drift:wind", "drift:rain", "error:drift:gust", "drift:gust", "performance")
    ]
    assert "missing" not in findings.settled(FOUND)  # not measured: nothing is known of it
    lost = [Measurement("drift", "error", "no reference")]
    assert (findings.settled(lost), findings.held(lost)) == (["error:drift"], ["error:drift", "drift"])
    few = [Measurement("drift", "ok", "fewer than 30 values", "gust", details={"held": True})]
    assert (findings.alerts("p", "2013-01-01", few, "", TITLES), findings.held(few)) == ([], ["drift:gust"])


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


def test_an_alert_carries_its_link_and_a_monitor_that_failed_says_so() -> None:
    (drift, _, failed, page) = findings.alerts("p", "2013-01-01", FOUND, "http://here", TITLES)
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
