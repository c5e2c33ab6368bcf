"""Projection, segments, gaps and advice: equal to what they are by the book, quiet where there is nothing."""

import numpy as np
import pytest

from mlcycle.domain.exploring import missing
from mlcycle.domain.exploring.advice import advice
from mlcycle.domain.exploring.association import between, with_label
from mlcycle.domain.exploring.columns import Column, summary
from mlcycle.domain.exploring.projection import projected
from mlcycle.domain.exploring.segments import segments

ROWS = 1_000


def test_a_projection_is_that_of_principal_components() -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, size=(ROWS, 4)) @ rng.normal(size=(4, 4))
    found = projected([Column(f"n{at}", values[:, at]) for at in range(4)])
    assert found is not None
    standard = (values - values.mean(0)) / values.std(0)
    peer = PCA(2).fit(standard)
    assert found.shares == pytest.approx(tuple(peer.explained_variance_ratio_))
    assert np.abs(found.places) == pytest.approx(np.abs(peer.transform(standard)))
    assert projected([Column("a", values[:, 0]), Column("b", 2 * values[:, 0])]) is None


def test_segments_hold_their_level_and_find_what_differs() -> None:
    wrong, found = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        columns = [
            Column("w", rng.integers(0, 10, ROWS), list("abcdefghij")),
            Column("n", rng.normal(size=ROWS)),
        ]
        label = (rng.random(ROWS) < 0.3).astype(float)
        wrong += bool(segments(columns, label))
        at = columns[0].values == 3
        label[at] = rng.random(at.sum()) < 0.65
        said = segments(columns, label)
        found += bool(said) and (said[0].column, said[0].value) == ("w", "d")
    assert wrong <= 7, f"{wrong} of 60 tables of noise had a segment that differs"
    assert found >= 57


def test_gaps_are_told_by_partition_and_together() -> None:
    partition = np.array([0, 0, 1, 1, 3, 3])
    values = np.array([1.0, np.nan, 1, 1, np.nan, np.nan])
    a, b = Column("a", values), Column("b", values * 2)
    c = Column("c", np.array([0, 0, 0, -1, 0, 0]), ["x"])
    assert missing.gaps([a, c], partition, 4) == {"a": [0.5, 0, None, 1], "c": [0, 0.5, None, 0]}
    assert missing.together([a, c, b]) == [["a", "b"]]


def test_each_column_to_drop_has_its_reason() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=ROWS)
    sparse = np.full(ROWS, np.nan)
    sparse[:20] = 1 + rng.random(20)
    columns = [
        Column("signal", signal),
        Column("again", signal * 3 + 1),
        Column("noise", rng.normal(size=ROWS)),
        Column("one", np.ones(ROWS)),
        Column("id", np.arange(ROWS).astype(float)),
        Column("name", np.arange(ROWS), [f"n{at}" for at in range(ROWS)]),
        Column("sparse", sparse),
        Column("told", signal + 1e-3 * rng.normal(size=ROWS)),
    ]
    label = Column("label", (signal + 0.5 * rng.normal(size=ROWS) > 0).astype(np.int64), ["no", "yes"])
    said = advice(columns, with_label(columns, label), between(columns[:3]), {"told": "AUC 1.000 alone"})
    told = {each.column: each for each in said}
    assert told["told"].why == "it gives the label away: AUC 1.000 alone"
    assert told["again"].why == "it says what signal says"
    assert told["one"].why == "it has one value"
    assert told["id"].why == told["name"].why == "it names rows: 1,000 values in 1,000 rows"
    assert told["sparse"].why == "98.0% of its values are missing"
    assert not told["noise"].drop
    assert "signal" not in told
    assert [each.drop for each in said] == [True] * 6 + [False]


def test_a_summary_of_a_far_value_still_shows_the_others() -> None:
    values = np.append(np.arange(1_000.0), 1e9)
    said = summary(Column("n", values))
    assert said["quantiles"][-1] == 1e9
    assert said["bins"]["edges"][-1] < 1_000
    assert summary(Column("w", np.array([0, 1, 1, -1]), ["a", "b"]))["top"] == [["b", 2], ["a", 1]]
