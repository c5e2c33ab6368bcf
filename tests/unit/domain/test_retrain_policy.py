"""Budgets of hours and money, and when a shadow may be told from the champion."""

from datetime import UTC, datetime, timedelta

import pytest

from mlcycle.domain.retrain_policy import overspent
from mlcycle.domain.shadow_policy import Fresh, due, refusal
from mlcycle.domain.spending import Used, hours

DAY = timedelta(days=1)
BEGIN = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("used", "most", "why"),
    [
        ((3.0, 7.0), (None, None), ""),
        ((2.99, 7.0), (3.0, 8.0), ""),
        ((3.0, 7.0), (3.0, 8.0), "budget of 3 hours of training in 30 days: 3.00 are used"),
        ((1.0, 8.5), (3.0, 8.0), "budget of 8 EUR for training in 30 days: 8.50 are used"),
    ],
    ids=["no budget", "within", "hours", "money"],
)
def test_a_budget_is_refused_with_its_figures(
    used: tuple[float, float], most: tuple[float | None, float | None], why: str
) -> None:
    found = overspent(*used, most_hours=most[0], most_money=most[1], currency="EUR", per=30 * DAY)
    assert found == why


def test_an_hour_is_one_of_a_gpu_where_there_is_one() -> None:
    assert hours([Used(3600, 2.0, 4.0), Used(1800, 8.0, 4.0, gpus=4)]) == 2.0 + 2.0


def fresh(**changes: object) -> Fresh:
    usual = {"champion_learnt": 31, "champion_used": 45, "shadow_learns": 60, "labelled": 75, "rows": 900}
    given = usual | changes
    return Fresh(
        *(BEGIN + int(given[name]) * DAY for name in list(usual)[:4]),  # type: ignore[call-overload, arg-type]
        rows=int(given["rows"]),  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"shadow_learns": 31}, "the champion has learnt up to 2013-02-01"),
        ({"labelled": 49}, "they must be until 2013-02-20"),
        ({"labelled": 50}, ""),
        ({"rows": 899}, "899 labelled rows since the champion's own, the gate asks for 900"),
    ],
    ids=["enough", "nothing to learn", "four blocks", "five blocks", "few rows"],
)
def test_a_shadow_needs_something_to_learn_and_to_be_judged_by(changes: dict[str, object], why: str) -> None:
    found = fresh(**changes).too_little(DAY, 900)
    assert why in found if why else not found


def test_a_shadow_is_due_after_the_period_and_refused_within_the_cooldown() -> None:
    assert due(BEGIN + 28 * DAY, BEGIN, 28 * DAY)
    assert not due(BEGIN + 27 * DAY, BEGIN, 28 * DAY)
    assert not due(BEGIN, None, DAY)  # who has no champion has nothing to stand beside
    assert not refusal(BEGIN, [], cooldown=DAY)
    shadows = [BEGIN, BEGIN + 3 * DAY]
    assert "later than" in refusal(BEGIN + 2 * DAY, shadows, cooldown=DAY)
    assert "cooldown of 7 days" in refusal(BEGIN + 9 * DAY, shadows, cooldown=7 * DAY)
    assert not refusal(BEGIN + 10 * DAY, shadows, cooldown=7 * DAY)
