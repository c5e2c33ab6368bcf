"""Label means: of the rows' own they are refused, of earlier ones they pass; what is kept is bounded."""

from typing import Any

import numpy as np
import pytest

from mlcycle.domain.leakage import encodings
from mlcycle.domain.leakage.encodings import LabelMeans
from mlcycle.errors import LeakageError

DAYS, A_DAY, GROUPS = 60, 400, 40
RNG = np.random.default_rng(3)
ROWS = DAYS * A_DAY
DAY = np.repeat(np.arange(DAYS), A_DAY)
GROUP = RNG.integers(0, GROUPS, ROWS)
LEVEL = RNG.normal(0, 0.5, DAYS)[DAY] + RNG.normal(0, 0.5, GROUPS)[GROUP]
LABEL = (RNG.random(ROWS) < 1 / (1 + np.exp(1 - LEVEL))).astype(float)
VALUE = 3 * LEVEL + RNG.normal(0, 2, ROWS)
NONE = np.full(ROWS, np.nan)
HALF = DAY < DAYS // 2
TRAIN = DAY < 48


def mean(label: np.ndarray, codes: np.ndarray, rows: Any = None, prior: float = 0.0) -> np.ndarray:
    rows = np.ones(len(label), dtype=bool) if rows is None else rows
    counts = np.bincount(codes[rows], minlength=codes.max() + 1)
    sums = np.bincount(codes[rows], weights=label[rows], minlength=codes.max() + 1)
    return ((sums + prior * label.mean()) / (counts + prior))[codes]


def later(label: np.ndarray, codes: np.ndarray, days: int) -> np.ndarray:
    """The mean of the same code so many days later."""
    size = codes.max() + 1
    means = mean(label, codes * DAYS + DAY)
    table = np.full((size, DAYS + 40), np.nan)
    table[codes, DAY] = means
    return np.roll(table, -days, axis=1)[codes, DAY]


def judge(x: np.ndarray, label: np.ndarray = LABEL, task: str = "classification", past: Any = NONE) -> None:
    found = LabelMeans(task)
    for low in range(0, DAYS, 12):
        rows = (low <= DAY) & (low + 12 > DAY)
        found.add(
            {"x": x[rows]},
            {"group": GROUP[rows], "cell": CELL[rows]},
            DAY[rows],
            label[rows],
            past[rows],
            train=low < 48,
        )
    found.check()


CELL = GROUP % 4
LEAKS = {
    "a group's mean": mean(LABEL, GROUP),
    "of the training rows": mean(LABEL, GROUP, TRAIN),
    "drawn to the mean": mean(LABEL, GROUP, prior=20),
    "as odds": np.log(mean(LABEL, GROUP) / (1 - mean(LABEL, GROUP))),
    "a day's mean": mean(LABEL, DAY),
    "of a group and day": mean(LABEL, CELL * DAYS + DAY),
    "of the next day": later(LABEL, np.zeros(ROWS, dtype=int), 1),
    "of three days later, by group": later(LABEL, CELL, 3),
}
HONEST = {
    "a group's mean of before": mean(LABEL, GROUP, HALF),
    "of the day before": later(LABEL, np.zeros(ROWS, dtype=int), -1),
    "of the day before, by group": later(LABEL, CELL, -1),
    "what moves the day": LEVEL.round(3),
    "constant": np.ones(ROWS),
    "noise": RNG.normal(size=ROWS),
}


@pytest.mark.parametrize("case", LEAKS)
def test_means_of_the_labels_themselves_are_refused(case: str) -> None:
    with pytest.raises(LeakageError, match=r"input 'x' holds (the )?label means of"):
        judge(LEAKS[case])


@pytest.mark.parametrize("case", HONEST)
def test_what_was_known_before_passes(case: str) -> None:
    judge(HONEST[case])


def test_the_message_names_the_days_whose_labels_it_holds() -> None:
    word = later(LABEL, CELL, 2)
    found = LabelMeans("classification")
    found.add({"x": word}, {"cell": CELL}, DAY, LABEL, NONE, train=True)
    with pytest.raises(LeakageError, match=r"label means of each 'cell' in the partition 2 later: they keep"):
        found.check()


@pytest.mark.parametrize("x", [mean(VALUE, GROUP), mean(VALUE, DAY)], ids=["group", "day"])
def test_means_of_a_value_are_refused(x: np.ndarray) -> None:
    with pytest.raises(LeakageError, match="of the very rows"):
        judge(x, VALUE, "regression")
    judge(mean(VALUE, GROUP, HALF), VALUE, "regression")


def test_a_known_event_that_moves_a_panel_is_no_leak() -> None:
    """The same shops each day, far apart: a day's mean varies by far less than a sample of such rows."""
    shop = np.tile(np.arange(A_DAY), DAYS)
    event = RNG.normal(size=DAYS)[DAY]
    label = np.random.default_rng(0).normal(0, 30, A_DAY)[shop] + event + RNG.normal(size=ROWS)
    past = np.concatenate([np.full(A_DAY, np.nan), label[:-A_DAY]])
    judge(event, label, "regression", past)
    with pytest.raises(LeakageError):
        judge(mean(label, DAY), label, "regression", past)


def test_a_quota_of_labels_is_no_leak() -> None:
    """One click a query fixes each mean, whatever the query's inputs are."""
    label = np.zeros(ROWS)
    query = np.arange(ROWS) // 25
    label[query * 25 == np.arange(ROWS)] = 1
    judge(RNG.normal(size=ROWS)[query], label)


@pytest.mark.parametrize("groups", [encodings.GROUPS, 16, 40])
def test_means_that_are_all_the_same_are_explained_by_nothing(groups: int) -> None:
    """Two flights of a carrier and a day, a hundred copies of each, one of them late: what is left is rounding."""
    sums = np.tile([200.0, 100.0, 100.0], (groups, 1))
    for seed in range(100):
        x = np.random.default_rng(seed).normal(size=groups)
        assert encodings.unexplained(x, sums, "classification") is None


def test_a_few_means_that_differ_are_explained_by_any_input() -> None:
    """The same with a third flight on two of the days: a fit has as many columns as there is to explain."""
    late = np.where(np.arange(16) < 14, 100.0, np.array([100.0] * 15 + [200.0]))
    sums = np.column_stack([np.where(np.arange(16) < 14, 200.0, 300.0), late, late])
    for seed in range(100):
        x = np.random.default_rng(seed).normal(size=16)
        assert encodings.unexplained(x, sums, "classification") is None


def test_few_groups_say_nothing() -> None:
    few = GROUP % (encodings.GROUPS - 1)
    found = LabelMeans("classification")
    found.add({"x": mean(LABEL, few)}, {}, DAY, LABEL, NONE, train=True)
    found.check()


def test_what_is_kept_is_bounded_and_still_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "MOST_VALUES", 100)
    monkeypatch.setattr(encodings, "MOST_CELLS", 4000)
    found = LabelMeans("classification")
    many = RNG.integers(0, 400, ROWS)
    found.add({"x": mean(LABEL, many) + many * 1e-9}, {"many": many}, DAY, LABEL, NONE, train=True)
    assert len(found._values["x"].keys) <= 100
    assert sum(len(part.word) for part in found._later["many"]) <= 4000 // 10
    with pytest.raises(LeakageError, match="of the very rows"):
        found.check()
