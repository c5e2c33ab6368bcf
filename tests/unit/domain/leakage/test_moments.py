"""Which moments are replayed: every rhythm of a view's own values is met, by a bounded number."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from mlcycle.domain.leakage.moments import LEAST, MOST, choose

BEGIN = datetime(2023, 3, 3, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def every(length: timedelta, days: int) -> list[datetime]:
    """Moments at which a view dates values: ends of partitions."""
    return [BEGIN + length * (n + 1) for n in range(int(days * DAY / length))]


def own(moment: datetime) -> datetime:
    return moment - timedelta(microseconds=1)


DAILY, HOURLY = tuple(every(DAY, 200)), tuple(every(HOUR, 30))
SEEDS = ("a", "b", "c")
ours = cache(choose)


@pytest.mark.parametrize(
    ("moments", "leaks"),
    [
        *(
            pytest.param(values, lambda day, n=n: day.weekday() == n, id=f"weekday {n} {title}")
            for n in range(7)
            for title, values in (("daily", DAILY), ("hourly", HOURLY))
        ),
        *(pytest.param(HOURLY, lambda day, n=n: day.hour == n, id=f"hour {n}") for n in range(24)),
        pytest.param(DAILY, lambda day: day.day == 1, id="first of a month"),
        pytest.param(DAILY, lambda day: (day + DAY).day == 1, id="last of a month"),
        pytest.param(DAILY, lambda day: day.month == 6, id="one month"),
        pytest.param(DAILY, lambda day: day < BEGIN + 66 * DAY, id="the first third"),
        pytest.param(DAILY, lambda day: day >= BEGIN + 134 * DAY, id="the last third"),
    ],
)
def test_a_leak_of_this_rhythm_is_met_whatever_the_seed(
    moments: tuple[datetime, ...], leaks: Callable[[datetime], bool]
) -> None:
    for seed in SEEDS:
        chosen = ours(moments, seed)
        assert LEAST <= len(chosen) <= MOST
        assert any(leaks(own(moment)) for moment in chosen)


def test_days_of_a_rare_delivery_are_met_and_days_without() -> None:
    rare = DAILY[77]
    delivered = {moment: ["rates"] if moment == rare else [] for moment in DAILY}
    assert rare in choose(DAILY, "a", delivered)
    other = {moment: [] if moment == rare else ["rates"] for moment in DAILY}
    assert rare in choose(DAILY, "a", other)


def test_few_moments_are_all_taken_and_none_is_none() -> None:
    assert choose(DAILY[:LEAST][::-1], "a") == list(DAILY[:LEAST])
    assert choose([], "a") == []


def test_the_same_window_gives_the_same_and_another_one_others() -> None:
    assert choose(DAILY, "a") == choose(reversed(DAILY), "a")
    assert choose(DAILY, "a") != choose(DAILY, "b")
    assert choose(DAILY, "a") == sorted(choose(DAILY, "a"))


def test_more_kinds_than_there_is_room_for_are_still_a_bounded_number() -> None:
    delivered = {moment: [f"table{number}"] for number, moment in enumerate(DAILY[:60])}
    assert len(choose(DAILY, "a", delivered)) == MOST


def test_three_trainings_look_at_more_days_than_one() -> None:
    seen = {moment for week in range(3) for moment in choose(DAILY[7 * week :], f"window {week}")}
    assert len(seen) > 2 * LEAST
