"""Leaks that one number cannot show: each is refused for its own reason, and its honest twin passes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from mlcycle.adapters.datasets import quick_model
from mlcycle.domain.leakage import sample
from mlcycle.errors import LeakageError

ROWS = 6000
RNG = np.random.default_rng(11)
COMMON = RNG.normal(size=ROWS)
LATE = (RNG.random(ROWS) < 1 / (1 + np.exp(1.5 - COMMON))).astype(float)
DELAY = 8 * COMMON + RNG.normal(0, 10, ROWS)
WEAK = {"hour": COMMON + RNG.normal(0, 1.5, ROWS), "size": RNG.normal(size=ROWS)}
COIN = RNG.integers(0, 2, ROWS)
NAN = np.full(ROWS, np.nan)
ALONE = np.arange(ROWS)


def words(values: Any) -> np.ndarray:
    return np.array([str(value) for value in values], dtype=object)


def told(
    task: str,
    label: np.ndarray,
    columns: Mapping[str, np.ndarray],
    *,
    known: tuple[str, ...] = (),
    past: np.ndarray = NAN,
    entity: np.ndarray = ALONE,
    position: np.ndarray = NAN,
) -> list[str]:
    rows = sample.Sample({**WEAK, **columns}, label, task, past, entity, position, frozenset(known))
    return sample.check(rows, quick_model.scores)


SORTED = np.argsort(np.argsort(LATE + RNG.random(ROWS) / 2))
PERSON = RNG.integers(0, 600, ROWS)
SICK = np.where(RNG.random(ROWS) < 0.02, 1 - (PERSON % 5 == 0), PERSON % 5 == 0).astype(float)
HEIGHT = RNG.normal(170, 10, 600)
SIGN = RNG.choice([-1, 1], ROWS)
PART = 30 * RNG.random(ROWS)

CLASS_LEAKS = {
    "a copy with noise": (
        {"x": np.where(RNG.random(ROWS) < 0.03, 1 - LATE, LATE)},
        LATE,
        "tells far more than",
    ),
    "known later, and near": (
        {"x": 2.4 * LATE + RNG.normal(size=ROWS)},
        LATE,
        "tells far more than all the others",
    ),
    "ids in order of the label": (
        {"x": words(f"row {at}" for at in SORTED)},
        LATE,
        "by the order of its texts",
    ),
    "a text of its number": (
        {"x": words(f"{v:.1f} min" for v in DELAY + 40 * LATE)},
        LATE,
        "number of its texts",
    ),
    "one flag turned by another": (
        {"x": (LATE.astype(int) ^ COIN) * 1.0, "z": COIN * 1.0},
        LATE,
        "'x' and 'z' give",
    ),
    "a word turned by a flag": (
        {"x": words(LATE.astype(int) ^ COIN), "z": COIN * 1.0},
        LATE,
        "the mean of their cell",
    ),
    "a difference": ({"x": 2 * LATE + 20 * PART, "z": 20 * PART}, LATE, "by their difference"),
    "above its group": (
        {"x": HEIGHT[PERSON] - LATE + RNG.normal(0, 0.1, ROWS), "z": words(PERSON)},
        LATE,
        "above its mean of the other",
    ),
    "a number that is a person": ({"x": HEIGHT[PERSON]}, SICK, "names a group of rows"),
    "a name that is a person": (
        {"x": words(PERSON * 7919 % 100_003)},
        SICK,
        "tells far more than all the others",
    ),
}
CLASS_HONEST = {
    "a noisy copy": ({"x": np.where(RNG.random(ROWS) < 0.3, 1 - LATE, LATE)}, LATE),
    "strong": ({"x": 1.3 * LATE + RNG.normal(size=ROWS)}, LATE),
    "ids by chance": ({"x": words(f"row {at}" for at in RNG.permutation(ROWS))}, LATE),
    "a text of a number": ({"x": words(f"{v:.1f} min" for v in DELAY)}, LATE),
    "flags": ({"x": COIN * 1.0, "z": RNG.integers(0, 2, ROWS) * 1.0}, LATE),
    "a word and a flag": ({"x": words(COIN), "z": RNG.integers(0, 2, ROWS) * 1.0}, LATE),
    "two parts": ({"x": 9 * COMMON + PART, "z": PART}, LATE),
    "a group": ({"x": HEIGHT[PERSON] + RNG.normal(size=ROWS), "z": words(PERSON)}, LATE),
    "a number that comes again": ({"x": HEIGHT[PERSON]}, LATE),
    "a name that comes again": ({"x": words(PERSON)}, LATE),
}


@pytest.mark.parametrize("case", CLASS_LEAKS)
def test_a_class_that_is_given_away_is_refused(case: str) -> None:
    columns, label, says = CLASS_LEAKS[case]
    with pytest.raises(LeakageError, match=says) as caught:
        told("classification", label, columns)
    assert "'x'" in caught.value.message


@pytest.mark.parametrize("case", CLASS_HONEST)
def test_what_honestly_tells_of_a_class_passes(case: str) -> None:
    columns, label = CLASS_HONEST[case]
    assert told("classification", label, columns) == []


VALUE_LEAKS = {
    "exponent": ({"x": np.exp(DELAY / 4)}, "by its value, by rank"),
    "text": ({"x": words(DELAY.round(3))}, "by the number of its texts"),
    "text with its unit": ({"x": words(f"{v:.3f} min" for v in DELAY)}, "by the number of its texts"),
    "a root of either sign": ({"x": SIGN * np.sqrt(DELAY - DELAY.min())}, "by the mean of its neighbourhood"),
    "a little noise": ({"x": DELAY + RNG.normal(0, 0.7, ROWS)}, "tells far more than all the others"),
    "two parts": ({"x": DELAY - PART, "z": PART}, "together by a sum of multiples"),
}
VALUE_HONEST = {
    "exponent": {"x": np.exp(COMMON)},
    "text": {"x": words(COMMON.round(3))},
    "text with its unit": {"x": words(f"{v:.3f} min" for v in COMMON)},
    "a root of either sign": {"x": SIGN * np.sqrt(COMMON - COMMON.min())},
    "much noise": {"x": DELAY + RNG.normal(0, 3, ROWS)},
    "two parts": {"x": COMMON - PART, "z": PART},
}


@pytest.mark.parametrize("case", VALUE_LEAKS)
def test_a_value_that_is_given_away_is_refused(case: str) -> None:
    columns, says = VALUE_LEAKS[case]
    with pytest.raises(LeakageError, match=says) as caught:
        told("regression", DELAY, columns)
    assert "'x'" in caught.value.message


@pytest.mark.parametrize("case", VALUE_HONEST)
def test_what_honestly_tells_of_a_value_passes(case: str) -> None:
    assert told("regression", DELAY, VALUE_HONEST[case]) == []


def test_an_input_that_is_declared_may_tell_much() -> None:
    score = {"x": 2.4 * LATE + RNG.normal(size=ROWS)}
    with pytest.raises(LeakageError, match=r"or list it under inputs\.known where it is known when"):
        told("classification", LATE, score)
    assert told("classification", LATE, score, known=("x",)) == []


def test_two_columns_of_one_leak_do_not_hide_each_other() -> None:
    late = {"x": 2.6 * LATE + RNG.normal(size=ROWS), "z": 2.4 * LATE + RNG.normal(size=ROWS)}
    with pytest.raises(LeakageError, match="input 'x' tells far more"):
        told("classification", LATE, late)


def test_many_strong_inputs_are_an_easy_problem() -> None:
    shared = 2.4 * LATE + RNG.normal(size=ROWS)
    many = {f"x{number}": shared + RNG.normal(0, 0.3, ROWS) for number in range(5)}
    assert told("classification", LATE, many) == []


@pytest.mark.parametrize("seed", [1, 3, 11])  # the first two go so far that neighbours correlate by .9995
def test_the_last_value_of_a_series_is_no_leak_where_it_was_known(seed: int) -> None:
    walk = np.cumsum(np.random.default_rng(1000 + seed).normal(size=ROWS + 1))
    last = {"x": walk[:-1]}
    assert told("regression", walk[1:], last, past=walk[:-1]) == []
    with pytest.raises(LeakageError, match=r"'x' (tells far more|is a copy)"):
        told("regression", walk[1:], last)  # nobody knew it by then
    with pytest.raises(LeakageError, match="'x' is a copy"):
        told("regression", walk[1:], {"x": walk[1:] + 0.001}, past=walk[:-1])


def test_a_group_that_comes_again_by_its_key_is_no_leak() -> None:
    assert told("classification", SICK, {"x": HEIGHT[PERSON]}, entity=PERSON) == []
    assert told("classification", SICK, {"x": words(PERSON)}, entity=PERSON) == []


def test_rows_numbered_by_their_label_are_told_and_not_refused() -> None:
    (line,) = told("classification", LATE, {}, position=SORTED / ROWS)
    assert line.startswith("the order of the entity keys within their partitions tells far more of the label")
    assert told("classification", LATE, {}, position=RNG.random(ROWS)) == []


def test_pairs_that_are_not_looked_at_are_counted() -> None:
    many = {f"x{number}": RNG.normal(size=300) for number in range(80)}
    rows = sample.Sample(many, LATE[:300], "classification", NAN[:300], np.arange(300), NAN[:300])
    assert sample.check(rows, quick_model.scores) == ["160 of 3160 pairs of inputs were not looked at"]
