"""Each planted leak is caught and its column named; honest columns pass."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlcycle.domain import leakage
from mlcycle.domain.split import Window
from mlcycle.errors import LeakageError

RNG = np.random.default_rng(7)
LABEL = (RNG.random(4000) < 0.2).astype(float)
VALUE = RNG.normal(20, 8, 4000)
DAY = datetime(2013, 1, 1, tzinfo=UTC)
NAN = float("nan")

CLASS_LEAKS = {
    "the label itself": LABEL,
    "the label turned round": 1 - LABEL,
    "what the label was made of": np.where(LABEL > 0, RNG.uniform(15, 300, 4000), RNG.uniform(-40, 14, 4000)),
    "almost the label": np.where(RNG.random(4000) < 0.01, 1 - LABEL, LABEL),
    "absent where the label is 1": np.where(LABEL > 0, NAN, 5.0),
    "a word for the label": np.array(["late" if value else "in time" for value in LABEL], dtype=object),
}
CLASS_HONEST = {
    "noise": RNG.normal(size=4000),
    "a strong input": LABEL + RNG.normal(0, 0.6, 4000),
    "an identifier": np.array([f"N{number}" for number in range(4000)], dtype=object),
    "constant": np.ones(4000),
    "all absent": np.full(4000, NAN),
    "infinite": np.where(LABEL * RNG.random(4000) > 0.5, np.inf, 0.0),
}


@pytest.mark.parametrize("case", CLASS_LEAKS)
def test_an_input_that_gives_the_class_away_is_named(case: str) -> None:
    with pytest.raises(LeakageError, match="input 'delay'"):
        leakage.check_column("delay", CLASS_LEAKS[case], LABEL, "classification")


def test_a_group_may_stand_in_one_split_only() -> None:
    groups = leakage.GroupsApart()
    groups.add("train", "patient", [1, 2, None])
    groups.add("train", "patient", [2, 3])
    groups.add("holdout", "patient", [4, None])
    groups.add("holdout", "ward", [1])  # another column's value
    with pytest.raises(LeakageError, match="group patient = 3 has rows in split 'train' and in 'holdout'"):
        groups.add("holdout", "patient", [5, 3])


@pytest.mark.parametrize("case", CLASS_HONEST)
def test_an_honest_input_passes(case: str) -> None:
    leakage.check_column("delay", CLASS_HONEST[case], LABEL, "classification")


@pytest.mark.parametrize("copy", [VALUE, 32 + 1.8 * VALUE, -VALUE], ids=["same", "other unit", "negative"])
def test_a_copy_of_a_value_is_named(copy: np.ndarray) -> None:
    with pytest.raises(LeakageError, match="input 'temp' is a copy of the label"):
        leakage.check_column("temp", copy, VALUE, "regression")


def test_a_value_hours_before_is_no_copy() -> None:
    leakage.check_column("temp", VALUE + RNG.normal(0, 1, 4000), VALUE, "regression")


def test_a_value_dated_after_its_event_names_the_view() -> None:
    leakage.check_lead("weather", 0.0)
    leakage.check_lead("weather", None)
    with pytest.raises(LeakageError, match="feature view 'weather': a value is dated 3600 s after"):
        leakage.check_lead("weather", 3600.0)


def test_overlapping_splits_are_named() -> None:
    def window(first: int, last: int) -> Window:
        return Window(DAY + timedelta(days=first), DAY + timedelta(days=last))

    good = {"train": window(0, 10), "validation": window(10, 12), "holdout": window(12, 14)}
    leakage.check_bounds(good)
    with pytest.raises(LeakageError, match=r"split 'validation' ends at 2013-01-14.*after 'holdout' begins"):
        leakage.check_bounds({**good, "validation": window(10, 13)})


def test_a_row_in_two_splits_or_twice_in_one_is_named() -> None:
    window = Window(DAY, DAY + timedelta(days=1))
    rows = [(DAY, "a"), (DAY, "b"), (DAY + timedelta(hours=1), "a")]
    last = leakage.check_order(rows, None, window)
    with pytest.raises(LeakageError, match=r"row a at 2013-01-01T01:00:00.* stands twice"):
        leakage.check_order([(DAY + timedelta(hours=1), "a")], last, window)
    with pytest.raises(LeakageError, match=r"row c at 2013-01-02T00:00:00.* lies outside its split"):
        leakage.check_order([(DAY + timedelta(days=1), "c")], last, window)


@pytest.mark.parametrize(
    "replayed",
    [{"UA": {"late": 0.5, "seen": 3}}, {}, {"UA": {"late": 0.25, "seen": 3}, "AA": {"late": 0.1, "seen": 1}}],
    ids=["another value", "no value", "one more"],
)
def test_a_feature_that_changes_without_later_rows_is_named(replayed: dict[str, dict[str, float]]) -> None:
    stored = {"UA": {"late": 0.25, "seen": 3}}
    leakage.check_replay("carrier", stored, {"UA": {"late": 0.25 + 1e-15, "seen": 3}}, DAY)
    with pytest.raises(LeakageError, match="feature 'late' of view 'carrier' knows the future"):
        leakage.check_replay("carrier", stored, replayed, DAY)
