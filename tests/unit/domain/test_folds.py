"""Every policy deals rows out as it says, and as scikit-learn does where it has the like."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle.domain.examples import Rows
from mlcycle.domain.folds import (
    Facts,
    Fold,
    Folds,
    Forward,
    Grouped,
    KFold,
    LeaveOneGroupOut,
    Plan,
    Purged,
    Stratified,
)
from mlcycle.errors import InputError

HOUR = timedelta(hours=1)
POLICIES: dict[str, Folds] = {
    "k_fold": KFold(5),
    "stratified": Stratified(5),
    "group": Grouped(5),
    "leave_one_group_out": LeaveOneGroupOut(),
    "time_series": Forward(5, 3 * HOUR, 2 * HOUR),
    "purged": Purged(5, 3 * HOUR, 2 * HOUR),
}


def facts(n: int = 503, classes: bool = True, seed: int = 1) -> Facts:
    """Rows of which some share a moment, in order of time; groups of unequal size."""
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.1).astype(float) if classes else random.exponential(size=n)
    hours = np.sort(random.integers(0, n // 2, n))
    times = np.datetime64("2013-01-01T00", "us") + hours * np.timedelta64(1, "h")
    groups = np.array([f"g{i}" for i in (random.integers(0, 12, n) ** 2 // 8)], dtype=object)
    return Facts(labels, classes, times, groups)


def spans(fold: Fold, told: Facts) -> tuple[Any, Any]:
    assert told.times is not None
    return told.times[fold.train], told.times[fold.test]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("classes", [True, False], ids=["classes", "numbers"])
def test_no_row_is_in_its_own_training_fold_and_none_is_predicted_twice(name: str, classes: bool) -> None:
    told = facts(classes=classes)
    folds = POLICIES[name].of(told)
    assert len({fold.name for fold in folds}) == len(folds) >= 2
    for fold in folds:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.test) > 0).all()
    predicted = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(predicted)) == len(predicted)
    if name != "time_series":  # which has nothing to predict its first block from
        assert len(predicted) == told.count


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_rows_are_dealt_the_same_way(name: str) -> None:
    for first, second in zip(POLICIES[name].of(facts()), POLICIES[name].of(facts()), strict=True):
        np.testing.assert_array_equal(first.train, second.train)
        np.testing.assert_array_equal(first.test, second.test)


@pytest.mark.parametrize("policy", [KFold, Stratified])
def test_another_seed_deals_differently(policy: Any) -> None:
    first, second = policy(5, 1).of(facts())[0], policy(5, 2).of(facts())[0]
    assert not np.array_equal(first.test, second.test)
    assert abs(len(first.test) - len(second.test)) <= 1


def test_every_fold_has_its_share_of_each_class() -> None:
    told = facts()
    rare = [int(told.labels[fold.test].sum()) for fold in Stratified(5).of(told)]
    sizes = [len(fold.test) for fold in Stratified(5).of(told)]
    assert max(rare) - min(rare) <= 1
    assert max(sizes) - min(sizes) <= 1


def test_every_fold_has_its_share_of_each_tenth_of_a_number() -> None:
    told = facts(classes=False)
    edges = np.quantile(told.labels, np.linspace(0, 1, 11)[1:-1])
    tenths = [
        np.bincount(np.searchsorted(edges, told.labels[f.test]), minlength=10) for f in Stratified(5).of(told)
    ]
    assert (np.ptp(np.array(tenths), axis=0) <= 1).all()


@pytest.mark.parametrize("name", ["group", "leave_one_group_out"])
def test_no_group_is_on_both_sides(name: str) -> None:
    told = facts()
    assert told.groups is not None
    for fold in POLICIES[name].of(told):
        assert not set(told.groups[fold.train]) & set(told.groups[fold.test])


def test_a_group_that_is_missing_is_one_of_its_own() -> None:
    groups = np.array(["a", None, "b", float("nan"), None, "a"], dtype=object)
    folds = LeaveOneGroupOut().of(Facts(np.arange(6.0), False, None, groups))
    assert {fold.name: fold.test.tolist() for fold in folds} == {"": [1, 3, 4], "a": [0, 5], "b": [2]}


@pytest.mark.parametrize("embargo", [timedelta(0), 5 * HOUR], ids=["no embargo", "embargo"])
def test_what_walks_forward_learns_only_labels_known_before_the_block(embargo: timedelta) -> None:
    told = facts()
    horizon = 3 * HOUR
    for fold in Forward(5, horizon, embargo).of(told):
        learnt, predicted = spans(fold, told)
        assert (learnt + np.timedelta64(horizon + embargo)).max() <= predicted.min()
        kept_out = (told.times < predicted.min()).sum() - len(fold.train)  # type: ignore[operator]
        assert kept_out > 0  # the gap is no more than it must be: the next moment would be in it
        later = told.times[fold.train[-1] + 1]  # type: ignore[index]
        assert later + np.timedelta64(horizon + embargo) > predicted.min()


@pytest.mark.parametrize("embargo", [timedelta(0), 5 * HOUR], ids=["no embargo", "embargo"])
def test_spans_of_labels_never_overlap_where_purged(embargo: timedelta) -> None:
    told = facts()
    horizon = np.timedelta64(3 * HOUR)
    for number, fold in enumerate(Purged(5, 3 * HOUR, embargo).of(told)):
        learnt, predicted = spans(fold, told)
        before, after = learnt[learnt < predicted.min()], learnt[learnt > predicted.max()]
        assert len(before) + len(after) == len(learnt)
        assert bool(len(before)) == (number > 0)
        assert bool(len(after)) == (number < 4)
        if len(before):
            assert before.max() + horizon < predicted.min()
        if len(after):
            assert after.min() > predicted.max() + horizon + np.timedelta64(embargo)
            left = told.times[told.times > predicted.max() + horizon + np.timedelta64(embargo)]  # type: ignore[index,operator]
            assert len(left) == len(after)  # and no more than must be is left out


def test_rows_of_one_moment_are_in_one_block() -> None:
    told = facts()
    for policy in (Forward(5), Purged(5)):
        for fold in policy.of(told):
            learnt, predicted = spans(fold, told)
            assert not set(learnt.tolist()) & set(predicted.tolist())


def test_a_moment_with_most_rows_leaves_every_block_one() -> None:
    times = np.array([0] * 90 + [1, 2, 3], dtype="datetime64[us]")
    folds = Forward(3).of(Facts(np.arange(93.0), False, times))
    assert [len(fold.test) for fold in folds] == [1, 1, 1]


def test_blocks_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import TimeSeriesSplit

    n = 60
    times = np.arange(n).astype("datetime64[us]")
    ours = Forward(5).of(Facts(np.arange(float(n)), False, times))
    for fold, (train, test) in zip(ours, TimeSeriesSplit(5).split(times), strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


def test_groups_left_out_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import LeaveOneGroupOut as Theirs

    told = facts()
    theirs = Theirs().split(told.labels, groups=told.groups)
    for fold, (train, test) in zip(LeaveOneGroupOut().of(told), theirs, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


@pytest.mark.parametrize("name", ["k_fold", "stratified", "group"])
def test_sizes_of_folds_are_those_of_scikit_learn(name: str) -> None:
    from sklearn import model_selection as theirs

    told = facts()
    splitter = {
        "k_fold": theirs.KFold(5),
        "stratified": theirs.StratifiedKFold(5),
        "group": theirs.GroupKFold(5),
    }[name]
    groups = told.groups if name == "group" else None
    wanted = sorted(len(test) for _, test in splitter.split(told.labels, told.labels, groups))
    assert sorted(len(fold.test) for fold in POLICIES[name].of(told)) == wanted


@pytest.mark.parametrize(
    ("policy", "told", "says"),
    [
        (KFold(5), Facts(np.ones(3), False), "asks for 5 folds, .* have 3 rows: ask for 3 folds"),
        (Stratified(5), Facts(np.array([0.0] * 9 + [1.0] * 2), True), "2 rows of the rarest class"),
        (Grouped(3), Facts(np.ones(4), False, None, np.array(list("aabb"))), "2 groups: ask for 2"),
        (LeaveOneGroupOut(), Facts(np.ones(4), False, None, np.array(list("aaaa"))), "needs two groups"),
        (
            LeaveOneGroupOut(),
            Facts(np.ones(101), False, None, np.arange(101)),
            "would train 101 times.*policy group",
        ),
        (
            Forward(2, HOUR),
            Facts(np.ones(9), False, np.arange(9).astype("M8[us]")),
            "fold '1' no rows to learn",
        ),
        (Purged(2), Facts(np.ones(9), False), "have no event times"),
        (
            Purged(2),
            Facts(np.ones(2), False, np.array(["2013", "NaT"], "M8[us]")),
            "some rows have no event time",
        ),
        (Grouped(2), Facts(np.ones(9), False), "have no group column"),
        (
            Forward(2),
            Facts(np.array([0.0] * 4 + [1.0, 0, 1, 0, 1]), True, np.arange(9).astype("M8[us]")),
            "fold '1' of time_series learns from rows of one class only",
        ),
    ],
    ids=[
        "rows",
        "rare class",
        "groups",
        "one group",
        "too many",
        "gap",
        "no times",
        "NaT",
        "no column",
        "one class",
    ],
)
def test_rows_that_cannot_be_dealt_so_are_refused_in_one_line(policy: Folds, told: Facts, says: str) -> None:
    with pytest.raises(InputError, match=says):
        policy.of(told)


def test_a_plan_reads_times_and_groups_off_the_frame() -> None:
    told = facts()
    frame = pd.DataFrame(
        {
            "event_time": pd.Series(told.times).dt.tz_localize("UTC").dt.tz_convert("America/New_York"),
            "patient": pd.Categorical(told.groups),
        }
    )
    rows = Rows(frame, told.labels)
    for plan, policy in ((Plan(Grouped(5), "patient"), Grouped(5)), (Plan(Purged(5, HOUR)), Purged(5, HOUR))):
        for fold, wanted in zip(plan.of(rows, classes=True), policy.of(told), strict=True):
            np.testing.assert_array_equal(fold.train, wanted.train)
            np.testing.assert_array_equal(fold.test, wanted.test)
    with pytest.raises(InputError, match="group 'household' is not in the dataset"):
        Plan(Grouped(5), "household").of(rows, classes=True)


def test_rows_without_times_are_taken_in_their_order() -> None:
    rows = Rows(pd.DataFrame({"a": np.arange(12)}), np.arange(12.0))
    assert [fold.test.tolist() for fold in Plan(Forward(2)).of(rows, classes=False)] == [
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
