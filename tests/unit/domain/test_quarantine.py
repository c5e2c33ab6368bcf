"""When a batch is stopped whole."""

import pytest

from mlcycle.domain.quarantine import Commonest, Counts, Limits, stopped_because

LIMITS = Limits(min_rows=10, max_bad_rows=0.1)


@pytest.mark.parametrize(
    ("counts", "empty", "reasons"),
    [
        pytest.param(Counts(100, 100, 0, 0), [], [], id="all-good"),
        pytest.param(Counts(100, 90, 10, 0), [], [], id="at-the-limit"),
        pytest.param(
            Counts(100, 89, 11, 0), [], ["11 of 100 rows are bad (11.0%), at most 10.0% may be"], id="over"
        ),
        pytest.param(Counts(0, 0, 0, 0), [], ["the file has a header and no rows"], id="nothing"),
        pytest.param(Counts(1, 1, 0, 0), [], ["one row, at least 10 expected"], id="one-row"),
        pytest.param(Counts(20, 5, 0, 15), [], ["5 rows, at least 10 expected"], id="copies-do-not-fill"),
        pytest.param(Counts(10, 10, 0, 0), [], [], id="just-enough"),
        pytest.param(
            Counts(50, 50, 0, 0),
            ["x"],
            ["column 'x' is empty in every row: say sparse: [x] where that is usual"],
            id="empty-column",
        ),
    ],
)
def test_a_batch_is_stopped_by_name(counts: Counts, empty: list[str], reasons: list[str]) -> None:
    assert stopped_because(counts, LIMITS, empty) == reasons


def test_a_batch_without_a_row_left_is_stopped_however_much_is_tolerated() -> None:
    assert stopped_because(Counts(3, 0, 3, 0), Limits(1, 1.0), []) == ["no row is left to publish"]


def test_what_most_rows_have_is_said_first_with_its_cure() -> None:
    worst = Commonest(24, "column dteday: '13/01/2011' is not a time", "say times: {format: '%d/%m/%Y'}")
    first, second = stopped_because(Counts(24, 0, 24, 0), LIMITS, [], worst)
    assert first == (
        "24 of 24 rows: column dteday: '13/01/2011' is not a time: say times: {format: '%d/%m/%Y'}"
    )
    assert second == "24 of 24 rows are bad (100.0%), at most 10.0% may be"
    assert stopped_because(Counts(24, 0, 24, 0), Limits(30, 0.1), [], worst)[0] == first
    assert stopped_because(Counts(100, 99, 1, 0), LIMITS, [], Commonest(1, "x")) == []
    alone = stopped_because(Counts(3, 0, 3, 0), Limits(1, 1.0), [], Commonest(3, "a reason"))
    assert alone == ["3 of 3 rows: a reason", "no row is left to publish"]
