"""Whatever a project's columns hold, no monitor of its inputs raises, and none says a number that is none."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcycle.adapters.monitoring import days, samples
from mlcycle.contract import not_finite
from mlcycle.domain import day_verdicts, effects, max_t, other_effects, sketches, tally, two_samples
from mlcycle.domain.monitors import Measurement, missing

ROWS, LENGTH, TRAINED = 12, 3, 75  # rows a day, days a window, days of training
RULE = day_verdicts.Rule(0.005, 0.1)
Numbers = Callable[[np.random.Generator, int], Any]

NUMBERS: dict[str, Numbers] = {
    "usual": lambda random, rows: random.normal(size=rows),
    "one value": lambda random, rows: np.full(rows, 7.0),
    "one value in two": lambda random, rows: np.where(random.random(rows) < 0.5, 7.0, np.nan),
    "another value": lambda random, rows: np.full(rows, -9999.0),
    "absent": lambda random, rows: np.full(rows, np.nan),
    "hardly there": lambda random, rows: np.where(np.arange(rows) == 0, 1.0, np.nan),
    "infinite": lambda random, rows: np.where(random.random(rows) < 0.5, np.inf, -np.inf),
    "largest": lambda random, rows: random.choice([1.7e308, -1.7e308], rows),
    "smallest": lambda random, rows: random.choice([5e-324, -5e-324], rows),
    "both": lambda random, rows: random.choice([1.7e308, 5e-324, 0.0, np.inf, np.nan], rows),
}
TEXTS: dict[str, Numbers] = {
    "usual": lambda random, rows: random.choice(["a", "b", "c"], rows).tolist(),
    "absent": lambda random, rows: [None] * rows,
    "empty": lambda random, rows: [""] * rows,
    "new": lambda random, rows: [f"new {at}" for at in random.integers(0, 1 << 40, rows)],
    "hardly there": lambda random, rows: ["a", *[None] * (rows - 1)],
}
NUMERIC, CATEGORICAL = ("x", "y"), ("u", "v")
ALL = (*CATEGORICAL, *NUMERIC)


def lives(kinds: Any) -> Any:
    """How a column is in the first and second half of training, in its reference, and in the window."""
    return st.tuples(*[st.sampled_from(sorted(kinds))] * 4)


LIVES = st.fixed_dictionaries({name: lives(NUMBERS if name in NUMERIC else TEXTS) for name in ALL})


def stretch(chosen: dict[str, tuple[str, ...]], part: int, count: int, seed: int) -> dict[str, Any]:
    """Rows of so many days."""
    random = np.random.default_rng([seed, part])
    return {
        name: (NUMBERS if name in NUMERIC else TEXTS)[own[part]](random, count * ROWS)
        for name, own in chosen.items()
    }


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Stretches in a row."""
    return {
        name: np.concatenate([part[name] for part in parts])
        if name in NUMERIC
        else [value for part in parts for value in part[name]]
        for name in ALL
    }


def scheme_of(trained: dict[str, Any]) -> list[Any]:
    """Of what has a value in training."""
    numbers = [tally.numeric(name, trained[name]) for name in NUMERIC if np.isfinite(trained[name]).any()]
    known = {name: tally.frequencies(trained[name]) for name in CATEGORICAL}
    return [tally.categorical(name, known[name]) for name in CATEGORICAL if known[name]] + numbers


@pytest.mark.filterwarnings("error")
@settings(max_examples=150)
@given(LIVES, st.integers(0, 1 << 20), st.integers(1, LENGTH))
def test_columns_of_any_values_are_judged_or_said_not_to_be(
    chosen: dict[str, tuple[str, ...]], seed: int, filled: int
) -> None:
    trained = joined([stretch(chosen, 0, 40, seed), stretch(chosen, 1, TRAINED - 40, seed)])
    reference, window = stretch(chosen, 2, 4 * LENGTH, seed), stretch(chosen, 3, filled, seed)
    scheme = scheme_of(trained)
    if not scheme:
        return
    counts = tally.count(scheme, trained, np.arange(TRAINED).repeat(ROWS), TRAINED)
    nulls = days.nulls(days.Days(scheme, 0, counts, LENGTH, 365), "trailing")
    assert not nulls.too_short
    now, before = tally.count(scheme, window), tally.count(scheme, reference)
    found = judged(nulls, now, before)
    assert {item.subject for item in found if item.monitor == "drift"} == {*nulls.days.names}
    for item in found:
        assert not not_finite({"v": item.value, "t": item.threshold, **item.details}), item
        assert item.status in ("ok", "warn"), item


def judged(nulls: days.Nulls, now: tally.Tally, before: tally.Tally) -> list[Measurement]:
    """By all monitors that compare columns' counts."""
    scheme, names = nulls.days.scheme, nulls.days.names
    few = effects.present(scheme, now)[0] < effects.MIN_VALUES
    gone = {name: 2 for name, is_gone in zip(names, few, strict=True) if is_gone}
    own = effects.distances(scheme, now, before)[0]
    found = day_verdicts.drift("drift", names, own, nulls.drift, RULE, {}, gone)
    found += day_verdicts.values(names, effects.shares(scheme, now)[0], nulls.ceilings)
    if len(names) > 1:
        sides = (effects.paired(side)[0] for side in (before, now))
        changes = effects.dependences(now, before)[0]
        found += day_verdicts.dependence(names, changes, nulls.dependence, RULE, *sides)
    for measure in (other_effects.hellinger, other_effects.cramer_von_mises, other_effects.fisher):
        usual = max_t.null(measure(scheme, nulls.windows, nulls.befores), nulls.independent)
        found += day_verdicts.drift("other", names, measure(scheme, now, before)[0], usual, RULE, {})
    return found


@pytest.mark.filterwarnings("error")
@settings(max_examples=60)
@given(LIVES, st.integers(0, 1 << 20))
def test_rows_of_any_values_have_a_distance(chosen: dict[str, tuple[str, ...]], seed: int) -> None:
    trained, now = (joined([stretch(chosen, part, 5, seed)]) for part in (0, 3))
    scheme = scheme_of(trained)
    if not scheme:
        return
    sides = []
    for rows in (now, trained):
        codes = [column.codes(rows[column.name]) for column in scheme]
        scores = [np.where(own >= 0, c.scores[own], 0.0) for c, own in zip(scheme, codes, strict=True)]
        sides.append(np.stack(scores, axis=1))
    for distance in (two_samples.mmd, two_samples.lsdd, two_samples.novelty):
        assert np.isfinite(distance(*sides))


@settings(max_examples=60)
@given(lives(NUMBERS), lives(TEXTS), st.integers(0, 1 << 20))
def test_missing_values_are_counted_in_any_column(
    number: tuple[str, ...], text: tuple[str, ...], seed: int
) -> None:
    tables = []
    for part in (0, 3):
        rows = stretch({"x": number, "u": text}, part, 3, seed)
        keys = np.repeat(["2013-01-01", "2013-01-02", "2013-01-03"], ROWS)
        tables.append(
            pa.table({"partition": keys, "x": pa.array(rows["x"]), "u": pa.array(rows["u"], pa.string())})
        )
    usual = samples.usual_missing(tables[0], ["x", "u"])
    for item in missing(usual, samples.missing(tables[1], ["x", "u"]), 0.05):
        assert not not_finite({"value": item.value, **item.details})


@settings(max_examples=60)
@given(lives(NUMBERS), st.integers(0, 1 << 20))
def test_a_day_s_predictions_of_any_finite_numbers_are_sketched(number: tuple[str, ...], seed: int) -> None:
    values = [stretch({"x": number}, part, 1, seed)["x"] for part in range(4)]
    kept = [sketches.sketch(each[np.isfinite(each)]) for each in values]
    if not any(each.rows for each in kept):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheme = sketches.scheme("predictions", kept)
        counts = sketches.counts(scheme, kept)
        found = effects.distances(scheme, counts[3:], counts[:3].whole())
    assert not np.isinf(found).any()


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63)])
def test_whole_numbers_of_any_size_are_counted(value: int) -> None:
    table = pa.table({"x": pa.array([value, None], pa.int64())})
    assert days.values(table, "x", numeric=True)[0] == float(value)
    assert samples.column(table, "x", numeric=True)[0] == float(value)
