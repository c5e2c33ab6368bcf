"""Served rows scored again: what differs is a page unless a correction explains it."""

import numpy as np
import pytest

from mlcycle.domain.served_again import Again, differing, measurement


def test_rounding_is_no_difference() -> None:
    before = np.array([0.2, 0.5, 0.9])
    assert not differing(before, before * (1 + 1e-7), 1e-4).any()
    assert differing(before, np.array([0.2, 0.5, 0.91]), 1e-4).tolist() == [False, False, True]
    assert differing(before, np.array([0.2, np.nan, 0.9]), 1e-4).tolist() == [False, True, False]
    assert not differing(np.zeros(2), np.zeros(2), 1e-4).any()
    assert len(differing(np.zeros(0), np.zeros(0), 1e-4)) == 0


SAME = Again("2013-02-20", 200, 0)


@pytest.mark.parametrize(
    ("item", "status", "says"),
    [
        (SAME, "ok", "400 served rows of 2013-02-20, 2013-02-21 scored again: all give the served answer"),
        (
            Again("2013-02-21", 200, 31, {"wind": 31, "visib": 7}),
            "page",
            "31 differ, in wind (31 rows), visib (7 rows); a value is dated before it is known, or the past was "
            "written to: date it later, train anew",
        ),
        (Again("2013-02-21", 200, 5), "page", "5 differ; the model gives another answer to the same inputs"),
        (
            Again("2013-02-21", 200, 31, {"wind": 31}, corrected=["weather 2013-02-21"]),
            "ok",
            "the others give the served answer; 31 differ after weather 2013-02-21 changed",
        ),
        (
            Again("2013-02-21", 200, 31, {"wind": 31}, changed=["view origin_weather"]),
            "ok",
            "31 differ after view origin_weather changed",
        ),
        (
            Again("2013-02-21", 200, 31, {"wind": 31}, late=["weather 2013-02-20"]),
            "warn",
            "weather 2013-02-20 came after it was due, so rows were served without: is the table's lag too short?",
        ),
        (Again("2013-02-21", 200, 0, {"wind": 3}), "warn", "0 differ, in wind (3 rows)"),
        (
            Again("2013-02-21", 200, 9, dict.fromkeys("abcdefg", 1)),
            "page",
            "a (1 rows), b (1 rows), c (1 rows), d (1 rows), e (1 rows) and 2 more;",
        ),
    ],
    ids=["same", "inputs", "the model", "corrected", "redefined", "late", "inputs alone", "many inputs"],
)
def test_what_is_said_of_a_difference(item: Again, status: str, says: str) -> None:
    other = SAME if item is not SAME else Again("2013-02-21", 200, 0)
    found = measurement([other, item] if item is not SAME else [item, other])
    assert (found.monitor, found.status) == ("served_again", status)
    assert says in found.message


def test_a_correction_of_one_partition_excuses_no_other() -> None:
    found = measurement(
        [
            Again("2013-02-20", 100, 9, {"wind": 9}, corrected=["weather 2013-02-20"]),
            Again("2013-02-21", 100, 2, {"x": 2}),
        ]
    )
    assert found.status == "page"
    assert found.value == 0.01
    assert "2 differ, in x (2 rows)" in found.message
    assert found.message.endswith("; 9 differ after weather 2013-02-20 changed")


def test_deliveries_that_are_always_late_are_a_wrong_lag_and_a_page() -> None:
    late = [Again(f"2013-02-2{day}", 100, 9, {"x": 9}, late=[f"arrivals 2013-02-1{day}"]) for day in range(3)]
    assert measurement(late).status == "page"
    assert measurement([*late, SAME]).status == "warn"
    assert measurement(late[:1]).status == "warn"
