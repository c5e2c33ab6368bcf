"""A stream out of noted days: whose they are, in which order, and told of once."""

import pytest

from mlcycle.domain.streams.replay import Streamed, alarms, apart, reign


def day(version: int | None) -> Streamed:
    return Streamed(version, 10, 0.5, (0.0, 1.0))


def test_a_note_is_read_as_it_was_written() -> None:
    assert Streamed.of(day(3).document) == day(3)


@pytest.mark.parametrize(
    ("days", "own"),
    [
        ({5: day(2), 3: day(2), 4: day(2)}, [3, 4, 5]),
        ({3: day(2), 4: None, 5: day(2)}, [3, 5]),
        ({3: day(2), 4: day(1), 5: day(2)}, [5]),
        ({3: day(2), 4: day(None), 5: day(2)}, [5]),
        ({3: day(2), 4: day(1)}, []),
        ({}, []),
    ],
    ids=["order", "missing", "back again", "a day of two", "served by another", "nothing"],
)
def test_a_reign_is_the_last_days_that_one_version_served(
    days: dict[int, Streamed | None], own: list[int]
) -> None:
    assert reign(days, 2) == own


class Third:
    """Tells of each third value."""

    def __init__(self) -> None:
        self.seen = 0

    def update(self, value: float) -> bool:
        self.seen += 1
        return self.seen % 3 == 0


def test_every_value_is_taken_in_and_a_day_is_told_of_once() -> None:
    detector = Third()
    assert alarms(detector, [[0.0] * 7, [0.0], [0.0] * 2]) == [0, 2]
    assert detector.seen == 10


def test_alarms_in_a_row_are_one() -> None:
    assert apart([1, 2, 9, 17], 7) == [1, 17]
