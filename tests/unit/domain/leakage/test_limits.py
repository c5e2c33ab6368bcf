"""Each planted leak is caught and its column named; honest columns pass."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlcycle.domain import leakage
from mlcycle.domain.metrics import roc_auc
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


def test_a_second_under_is_a_second_too_late() -> None:
    with pytest.raises(LeakageError, match=r"a value is dated 0\.5 s after its row's event time"):
        leakage.check_lead("weather", 0.5)


def test_a_group_s_message_says_what_to_do() -> None:
    groups = leakage.GroupsApart()
    groups.add("train", "patient", [1])
    with pytest.raises(LeakageError) as caught:
        groups.add("holdout", "patient", [1])
    assert str(caught.value) == (
        "group patient = 1 has rows in split 'train' and in 'holdout': a model would be measured on what it has "
        "learnt; take 'patient' out of split.groups, or keep its rows out of one split"
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (LABEL, "input 'x' is a copy of the label: AUC 1.000 by itself; remove it from inputs"),
        (
            np.where(LABEL > 0, NAN, 5.0),
            "input 'x' is absent just where the label says so: AUC 1.000 by itself; remove it from inputs",
        ),
        (
            np.array([None if value else "in time" for value in LABEL], dtype=object),
            "input 'x' is absent just where the label says so: AUC 1.000 by itself; remove it from inputs",
        ),
    ],
    ids=["copy", "absent", "absent-word"],
)
def test_the_message_says_how_the_label_is_given_away(values: np.ndarray, says: str) -> None:
    with pytest.raises(LeakageError) as caught:
        leakage.check_column("x", values, LABEL, "classification")
    assert str(caught.value) == says


def half(rows: int) -> np.ndarray:
    return (np.arange(rows) % 2).astype(float)


def test_rows_enough_to_tell_are_told_and_fewer_are_not() -> None:
    enough = leakage.MIN_ROWS
    with pytest.raises(LeakageError):
        leakage.check_column("x", half(enough), half(enough), "classification")
    leakage.check_column("x", half(enough - 1), half(enough - 1), "classification")
    values = np.arange(float(enough))
    with pytest.raises(LeakageError):
        leakage.check_column("x", values, values, "regression")
    leakage.check_column("x", values[1:], values[1:], "regression")


@pytest.mark.parametrize("turned", [False, True], ids=["few-positive", "few-negative"])
def test_a_class_of_few_rows_is_not_judged(turned: bool) -> None:
    few = leakage.MIN_ROWS // 5
    for rare, told in ((few, True), (few - 1, False)):
        label = (np.arange(200) < rare).astype(float)
        label = 1 - label if turned else label
        if told:
            with pytest.raises(LeakageError):
                leakage.check_column("x", label, label, "classification")
        else:
            leakage.check_column("x", label, label, "classification")


@pytest.mark.parametrize(
    ("values", "label"),
    [
        (np.ones(100), np.arange(100.0)),
        (np.arange(100.0), np.ones(100)),
        (np.full(100, np.inf), np.arange(100.0)),
    ],
    ids=["constant-input", "constant-label", "infinite"],
)
@pytest.mark.filterwarnings("error")
def test_what_has_no_correlation_is_no_copy(values: np.ndarray, label: np.ndarray) -> None:
    leakage.check_column("x", values, label, "regression")


def test_a_copy_of_a_label_of_two_neighbouring_values_is_named() -> None:
    with pytest.raises(LeakageError):
        leakage.check_column("x", half(100), half(100), "regression")


def test_words_are_judged_by_rows_they_were_not_read_from() -> None:
    values = np.array([f"w{number // 2 % 4}" for number in range(400)], dtype=object)
    label = np.array([float(number // 2 % 4 < 2) for number in range(400)])
    with pytest.raises(LeakageError):
        leakage.check_column("x", values, label, "classification")


@pytest.mark.parametrize(
    ("was", "now", "column", "says"),
    [
        ({"late": 0.5}, {"late": 0.25}, "late", "UA is 0.5, but 0.25 from what was known by then"),
        ({"late": 0.5}, None, "late", "UA is 0.5, but absent from what was known by then"),
        (None, {"late": 0.5}, "late", "UA is absent, but 0.5 from what was known by then"),
        ({"late": NAN}, {"late": 1.0}, "late", "UA is nan, but 1.0 from what was known by then"),
        ({"late": 1.0}, {"late": None}, "late", "UA is 1.0, but None from what was known by then"),
        (
            {"seen": 3, "late": "a"},
            {"seen": 3, "late": "b"},
            "late",
            "UA is 'a', but 'b' from what was known by then",
        ),
    ],
    ids=["changed", "gone", "new", "from-nan", "to-none", "word"],
)
def test_a_feature_that_knows_the_future_shows_both_values(
    was: dict[str, object] | None, now: dict[str, object] | None, column: str, says: str
) -> None:
    stored, replayed = ({"UA": row} if row else {} for row in (was, now))
    same = {"AA": {"late": 1.0, "seen": 1}, "ZZ": {"late": NAN, "seen": 1}}
    with pytest.raises(LeakageError) as caught:
        leakage.check_replay("carrier", {**same, **stored}, {**same, **replayed}, DAY)
    assert str(caught.value) == (
        f"feature {column!r} of view 'carrier' knows the future: at 2013-01-01T00:00:00+00:00 its value for {says}; "
        "date event_timestamp when the last row it uses became known"
    )


@pytest.mark.parametrize(
    ("was", "now"),
    [(1.0, 1.0 + 1e-10), (0.0, 1e-13), (NAN, NAN), (1e9, 1e9 + 0.5), ("a", "a"), (None, None)],
    ids=["rounding", "rounding-at-zero", "nan", "rounding-of-large", "word", "none"],
)
def test_the_order_of_a_sum_is_no_leak(was: object, now: object) -> None:
    leakage.check_replay("v", {"UA": {"x": was}}, {"UA": {"x": now}}, DAY)


@pytest.mark.parametrize(
    ("was", "now"), [(1.0, 1.0 + 1e-7), (0.0, 1e-11), (1, 1.5)], ids=["small", "at-zero", "types"]
)
def test_more_than_rounding_is_a_leak(was: float, now: float) -> None:
    with pytest.raises(LeakageError):
        leakage.check_replay("v", {"UA": {"x": was}}, {"UA": {"x": now}}, DAY)


def test_an_auc_of_just_the_telling_one_tells() -> None:
    label = np.array([0.0] * 40 + [1.0] * 10)
    score = np.concatenate(
        [np.arange(40.0), [31.5], np.arange(100.0, 109.0)]
    )  # 8 of 400 pairs are turned round
    assert roc_auc(label, score) == leakage.TELLING_AUC
    with pytest.raises(LeakageError):
        leakage.check_column("x", score, label, "classification")
