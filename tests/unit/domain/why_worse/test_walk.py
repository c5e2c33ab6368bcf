"""Each hypothesis planted once in days that are otherwise alike: it is the first one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlcycle.domain import decline, skill
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.why_worse import label_shift
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.walk import line, quoted, walked

ROWS = 500
Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # labels, predictions, days, slices


def served(seed: int, first: int, count: int) -> Rows:
    """A calibrated model's days, some of them harder than others."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(first, first + count), ROWS)
    level = np.repeat(random.normal(0, 0.15, count), ROWS)
    odds = -1.2 + level + random.normal(0, 1, len(day))
    bias = np.repeat(random.normal(0, 0.15, count), ROWS)
    labels = (random.random(len(day)) < 1 / (1 + np.exp(-odds - bias))).astype(float)
    return labels, 1 / (1 + np.exp(-odds)), day, random.choice(["a", "b", "c"], len(day))


def read(rows: Rows) -> skill.Days:
    labels, said, day, kinds = rows
    return skill.read("classification", labels, said, day, {"kind": list(kinds)})


def evidence(now: Rows, held: Rows | None = None, **more: Any) -> Evidence:
    test, before = held or served(1, 0, 28), served(2, 40, 60)
    days, earlier = read(now), read(before)
    found = read(test)
    verdicts = decline.judged(skill.together(earlier, found), days, 0.5)
    classes = tuple(float(test[1][test[0] == one].mean()) for one in (0, 1))
    return Evidence("classification", days, earlier, found, verdicts, classes=classes, **more)  # type: ignore[arg-type]


def permuted(rows: Rows, only: str = "") -> Rows:
    labels, said, day, kinds = rows
    labels, random = labels.copy(), np.random.default_rng(9)
    for number in np.unique(day):
        at = np.flatnonzero((day == number) & ((kinds == only) if only else True))
        labels[at] = labels[random.permutation(at)]
    return labels, said, day, kinds


def drawn(rows: Rows, weight: Callable[[Rows], np.ndarray]) -> Rows:
    random, size = np.random.default_rng(8), weight(rows)
    at = np.concatenate(
        [
            random.choice(here, len(here), p=size[here] / size[here].sum())
            for here in (np.flatnonzero(rows[2] == day) for day in np.unique(rows[2]))
        ]
    )
    labels, said, day, kinds = (part[at] for part in rows)
    return labels, said, day, kinds


def learnt(rows: Rows) -> Rows:
    labels, said, day, kinds = rows
    return labels, 1 / (1 + np.exp(-np.log(said / (1 - said)) - 1.5 * (labels - said))), day, kinds


NOW = served(3, 100, 14)
MISSING = Measurement("missing", "page", "30.0% missing, up to 1.0% is usual", "distance")
AGAIN = Measurement(
    "served_again", "page", "200 served rows: 180 differ", details={"inputs": {"rate_7d": 180}}
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("luck", evidence(NOW)),
        ("delivery", evidence(permuted(NOW), found=(MISSING,))),
        ("skew", evidence(permuted(NOW), found=(AGAIN,))),
        ("covariate", evidence(drawn(NOW, lambda rows: np.exp(3 * rows[1])))),
        ("label_shift", evidence(drawn(NOW, lambda rows: np.where(rows[0] > 0, 2.5, 1.0)))),
        ("concept", evidence(permuted(NOW, "b"))),
        ("label_fault", evidence(permuted(NOW))),
        ("label_fault", evidence(NOW, definition="at_least 15 is 30 now")),
        ("label_fault", evidence(NOW, labelled=0.6)),
        ("flattery", evidence(NOW, learnt(served(1, 0, 28)), looks=12)),
    ],
    ids=[
        "luck",
        "delivery",
        "skew",
        "covariate",
        "label",
        "concept",
        "wrong",
        "defined",
        "absent",
        "flattery",
    ],
)
def test_what_was_planted_stands_first(name: str, found: Evidence) -> None:
    hypotheses = walked(found)
    assert hypotheses[0].name == name, [(each.name, each.misfit, each.figure) for each in hypotheses]
    assert len({each.name for each in hypotheses}) == 8
    assert all(each.figure and each.verdict and each.todo for each in hypotheses)


def test_where_it_is_is_named() -> None:
    assert walked(evidence(permuted(NOW, "b")))[0].where == ("kind=b",)
    assert "(rate_7d)" in line(walked(evidence(NOW, found=(AGAIN,))))


def test_few_days_are_no_verdict() -> None:
    few = Evidence(
        "regression", read(NOW).only(np.arange(2)), read(NOW).only(np.arange(1)), read(NOW).only(np.arange(0))
    )
    hypotheses = walked(few)
    assert all(each.misfit is None for each in hypotheses)
    assert any("no classes" in each.figure for each in hypotheses)


def test_a_mean_prediction_tells_of_the_classes_shares() -> None:
    assert label_shift.share_by_predictions(0.3, (0.2, 0.6)) == pytest.approx(0.25)
    assert label_shift.share_by_predictions(0.1, (0.2, 0.6)) == 0.0


def test_alerts_of_shifts_quote_the_line_and_performance_leads_to_the_page() -> None:
    alerts = [
        {"matter": name, "body": "b", "link": "drift.html"} for name in ("performance", "drift", "volume")
    ]
    found = quoted(alerts, "why: x", "why.html")
    assert [each["body"] for each in found] == ["b\nwhy: x", "b\nwhy: x", "b"]
    assert [each["link"] for each in found] == ["why.html", "drift.html", "drift.html"]
