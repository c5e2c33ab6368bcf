"""Names that a person may have meant."""

import pytest

from mlcycle.domain.closest import among, closest, meant

KNOWN = ["metric", "heuristic", "slices", "PM25"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("metrics", "metric"), ("Heuristc", "heuristic"), ("pm2.5", "PM25"), ("budget", None), ("", None)],
    ids=["plural", "slip and capital", "other writing", "another word", "nothing"],
)
def test_a_slip_is_told_from_another_word(given: str, expected: str | None) -> None:
    assert closest(given, KNOWN) == expected
    assert meant(given, KNOWN) == (f": did you mean {expected!r}?" if expected else "")


def test_what_there_is_is_said_with_the_nearest() -> None:
    assert among("slice", KNOWN) == "there are metric, heuristic, slices, PM25: did you mean 'slices'?"
    assert among("slice", []) == "there are none"
