"""Which days a window is compared with."""

import numpy as np
import pytest

from mlcycle.domain import references

DAYS = np.arange(1000)


@pytest.mark.parametrize(
    ("kind", "first", "last", "count"),
    [
        ("trailing", 672, 699, 28),  # the last whole weeks before day 703
        ("training", 0, 999, 1000 - 21),
        ("season", 331, 351, 21),
        ("calendar", 331, 351, 21),
    ],
)
def test_a_window_s_reference(kind: references.Kind, first: int, last: int, count: int) -> None:
    found = DAYS[references.chosen(kind, DAYS, 703, 7, 365)]
    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert not np.isin(np.arange(703, 710), found).any()


def test_all_windows_of_a_week_have_one_trailing_reference() -> None:
    of = [references.chosen("trailing", DAYS, start, 7, 365).tolist() for start in range(700, 707)]
    assert all(each == of[0] for each in of)


def test_the_calendar_s_reference_is_of_other_years_on_both_sides() -> None:
    found = DAYS[references.chosen("calendar", DAYS, 400, 7, 365)]
    assert {day % 365 for day in found} == set(range(28, 49))
    assert set(found // 365) == {0, 2}


@pytest.mark.parametrize(
    ("kind", "days", "count"),
    [("trailing", 63, 63 - 6 - 14), ("training", 63, 57), ("season", 300, 0), ("season", 400, 400 - 365)],
    ids=["trailing", "training", "season-in-one-year", "season"],
)
def test_training_s_windows_are_those_that_have_a_reference(
    kind: references.Kind, days: int, count: int
) -> None:
    starts, chosen = references.windows(kind, DAYS[:days], np.ones(days, dtype=bool), 7, 365)
    assert abs(len(starts) - count) <= 7
    assert chosen.shape == (len(starts), days)
    for start, own in zip(starts, chosen, strict=True):
        assert not own[start : start + 7].any()


def test_days_without_rows_are_neither_a_window_nor_a_reference() -> None:
    filled = np.ones(100, dtype=bool)
    filled[50:60] = False
    starts, chosen = references.windows("training", DAYS[:100], filled, 7, 365)
    assert not set(starts) & {49, 50, 51, 52, 53}
    assert not chosen[:, 50:60].any()
