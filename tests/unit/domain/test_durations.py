"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.domain.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 minute", timedelta(minutes=1)),
        ("90 minutes", timedelta(minutes=90)),
        ("1 hour", timedelta(hours=1)),
        ("2 days", timedelta(days=2)),
        ("3 weeks", timedelta(days=21)),
        ("0 days", timedelta(0)),
    ],
    ids=["minute", "minutes", "hour", "days", "weeks", "none"],
)
def test_a_duration_is_a_number_and_a_unit(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value
    assert parse_duration(value) is value


@pytest.mark.parametrize(
    "value",
    ["", "7", "7days", "7 Days", "-1 day", "1.5 days", "1 year", 7, None],
    ids=["empty", "no-unit", "no-space", "capital", "negative", "part", "year", "number", "none"],
)
def test_anything_else_is_answered_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="duration") as caught:
        parse_duration(value)
    assert str(caught.value) == f"{value!r} is not a duration: write it like '7 days' or '1 hour'"


@pytest.mark.parametrize("value", ["36501 days", "999999 weeks"], ids=["a day more", "the most digits"])
def test_one_that_no_date_can_be_counted_back_by_is_refused(value: str) -> None:
    assert parse_duration("36500 days") == timedelta(days=36_500)
    with pytest.raises(ValueError, match="is more than 36500 days: write a shorter one"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(days=14), "14 days"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "90 minutes"),
    ],
    ids=["day", "days", "hour", "hours", "minute", "minutes"],
)
def test_it_is_written_in_the_largest_unit_that_fits(value: timedelta, text: str) -> None:
    assert format_duration(value) == text


@given(st.integers(1, 999_999))
def test_what_is_written_reads_back(minutes: int) -> None:
    assert parse_duration(format_duration(timedelta(minutes=minutes))) == timedelta(minutes=minutes)
