"""What is said of a window against a null of days: levels, who is named, and what was not judged."""

import numpy as np
import pytest

from mlcycle.domain import day_verdicts, effects, max_t
from mlcycle.domain.day_verdicts import Rule
from mlcycle.domain.monitors import Measurement

RANDOM = np.random.default_rng(3)
NAMES = ["wind", "rain", "gust", "visib"]
NULL = max_t.null(RANDOM.gamma(9.0, 0.01, size=(150, 4)), 150 / 7)
RULE = Rule(level=0.01, effect=0.1)


def drift(*effects: float, rule: Rule = RULE, **history: list[bool]) -> dict[str, Measurement]:
    """Of four columns whose effects are about .1 in training."""
    found = day_verdicts.drift("drift", NAMES, np.array(effects), NULL, rule, history)
    return {item.subject: item for item in found}


def test_each_column_is_told_with_its_effect_its_null_and_its_limit() -> None:
    found = drift(0.09, 0.9, 0.1, 0.08)
    assert {name: item.status for name, item in found.items()} == {
        **dict.fromkeys(NAMES, "ok"),
        "rain": "warn",
    }
    rain = found["rain"]
    assert rain.value == 0.9
    assert rain.threshold == pytest.approx(NULL.limits(0.01)[1])
    assert rain.details["usual"] == pytest.approx(0.09, abs=0.02)
    assert rain.details["p_value"] < 0.01
    assert "effect 0.90, 0.09 is usual and" in rain.message
    assert found["wind"].message.endswith("p 0.2 or more")


def test_an_effect_that_nobody_minds_is_no_news_however_rare() -> None:
    assert drift(0.9, 0.9, 0.9, 0.9, rule=Rule(0.01, 1.0))["rain"].status == "ok"


@pytest.mark.parametrize(
    ("before", "level"), [([], "ok"), ([True], "ok"), ([True, True], "warn"), ([False, True, True], "ok")]
)
def test_drift_is_news_when_it_lasts_as_long_as_asked_for(before: list[bool], level: str) -> None:
    rain = drift(0.1, 0.9, 0.1, 0.1, rule=Rule(0.01, 0.1, 3), rain=before)["rain"]
    assert rain.status == level
    assert rain.details["drifted"]
    assert "of 3 windows needed" in rain.message


@pytest.mark.parametrize(("windows", "level"), [(1, "ok"), (2, "warn"), (3, "warn")])
def test_a_column_that_is_gone_is_told_of_once_it_lasts_and_one_that_comes_and_goes_is_not(
    windows: int, level: str
) -> None:
    """As gusts, of which a calm week has none."""
    known = RANDOM.gamma(9.0, 0.01, size=(150, 3))
    known[:20, 1] = np.nan
    known[:100, 2] = np.nan
    null = max_t.null(known, 20.0)
    gone = dict.fromkeys(NAMES[:3], windows)
    found = day_verdicts.drift("drift", NAMES[:3], np.full(3, np.nan), null, RULE, {}, gone)
    assert [item.status for item in found] == [level, "ok", "ok"]
    assert [item.details.get("gone") for item in found] == [windows, windows, None]
    assert "fewer than 30 values in" in found[0].message
    assert found[2].message == "too rare in the training data to be judged"
    (first, *_) = day_verdicts.drift("drift", NAMES[:3], np.full(3, np.nan), null, RULE, {})
    assert (first.status, first.message) == ("ok", "not judged: fewer than 30 values in its reference")


PAIRS = max_t.null(RANDOM.gamma(4.0, 0.005, size=(150, 6)), 150 / 7)


def changed(*pairs: int) -> list[Measurement]:
    """Of the six pairs of four columns, these are broken."""
    effects = np.full(6, 0.02)
    effects[list(pairs)] = 0.7
    return day_verdicts.dependence(NAMES, effects, PAIRS, RULE, np.full(6, 0.6), np.full(6, -0.1))


def test_one_column_out_of_step_is_named_once_and_not_with_every_pair() -> None:
    (found,) = changed(0, 3, 4)  # wind-rain, rain-gust, rain-visib
    assert (found.subject, found.status) == ("rain", "warn")
    assert set(found.details["with"]) == {"wind", "gust", "visib"}
    assert "went from 0.60 to -0.10, and with" in found.message


def test_two_matters_are_two_and_none_is_said() -> None:
    assert len(changed(0, 5)) == 2  # wind-rain, gust-visib
    (well,) = changed()
    assert (well.subject, well.status, well.message) == ("", "ok", "6 pairs of columns depend as they did")


def test_strange_values_are_told_with_what_training_had() -> None:
    usual = effects.ceilings(np.zeros((60, 2, 4)))
    shares = np.zeros((2, 4))
    shares[0, :2] = 0.2, 0.01
    wind, rain = day_verdicts.values(["wind", "rain"], shares, usual)
    assert wind.status == "warn"
    assert wind.details["checks"] == ["missing", "below range"]
    assert wind.message == (
        "missing: 20.0% of rows, at most 0.0% in training; below range: 1.0% of rows, at most 0.0% in training"
    )
    assert (rain.status, rain.details["checks"], rain.details["false_rate"]) == ("ok", [], 0.0)
