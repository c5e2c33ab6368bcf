"""Rows drawn to learn from: the same for the same seed, as many as asked for, and worth all rows together."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle.domain.drawing import Drawn, draw
from mlcycle.domain.sampling import Sampling
from mlcycle.errors import InputError

ROWS = 2_000


def rows(count: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "entity_key": [f"k{at % 50}" for at in range(count)],
            "event_time": pd.date_range("2024-01-01", periods=count, freq="min", tz="UTC"),
            "label": (rng.random(count) < 0.1).astype(float),
            "town": rng.choice(["a", "b", "c"], count, p=[0.8, 0.19, 0.01]),
            "size": rng.lognormal(size=count),
        }
    )


def kept(how: Sampling, frame: pd.DataFrame) -> tuple[pd.DataFrame, Any, Drawn]:
    drawn = draw(how, [frame])
    at, weights = drawn.of(frame)
    assert at.sum() == drawn.count
    return frame[at], weights, drawn


def test_the_same_seed_draws_the_same_rows_in_whatever_parts_and_order() -> None:
    frame = rows()
    for how in (Sampling(rows=300), Sampling(share=0.2, strata=("town",)), Sampling(classes={0: 0.1})):
        whole = draw(how, [frame])
        shuffled = frame.sample(frac=1, random_state=0)
        parts = draw(how, [shuffled[:700], shuffled[700:]])
        assert parts.digest == whole.digest
        assert (parts.of(shuffled)[0][np.argsort(shuffled.index)] == whole.of(frame)[0]).all()
        assert draw(Sampling(**{**vars(how), "seed": 18}), [frame]).digest != whole.digest
        typed = frame.assign(
            entity_key=frame["entity_key"].astype("category"),
            event_time=frame["event_time"].astype("datetime64[ns, UTC]"),
        )
        assert draw(how, [typed]).digest == whole.digest


def test_a_longer_history_leaves_older_rows_as_they_were() -> None:
    old, new = rows(1_000), rows(2_000)
    how = Sampling(share=0.3)
    before, after = (draw(how, [frame]).of(frame)[0] for frame in (old, new))
    assert (before == after[:1_000]).all()


def test_as_many_are_kept_as_asked_for() -> None:
    frame = rows()
    assert len(kept(Sampling(rows=300), frame)[0]) == 300
    assert len(kept(Sampling(rows=5_000), frame)[0]) == ROWS
    each = kept(Sampling(rows=100, strata=("town",)), frame)[0]["town"].value_counts()
    rare = int((frame["town"] == "c").sum())
    assert each.to_dict() == {"a": 100, "b": 100, "c": rare}
    some = kept(Sampling(share=0.25, strata=("town", "label")), frame)[0]
    wanted = np.ceil(frame.groupby(["town", "label"]).size() * 0.25)
    assert (some.groupby(["town", "label"]).size() == wanted).all()
    few = kept(Sampling(classes={0: 0.1}), frame)[0]["label"].value_counts()
    assert few[1.0] == (frame["label"] == 1).sum()
    assert 130 < few[0.0] < 230
    assert len(kept(Sampling(rows=300, weight="size"), frame)[0]) == 300


@pytest.mark.parametrize(
    "how",
    [
        {"share": 0.1},
        {"rows": 200},
        {"rows": 60, "strata": ("town",)},
        {"share": 0.1, "strata": ("town",)},
        {"rows": 200, "weight": "size"},
        {"classes": {0: 0.1, 1: 0.5}},
    ],
    ids=str,
)
def test_what_is_drawn_stands_for_all_rows(how: dict[str, Any]) -> None:
    frame = rows()
    totals = []
    for seed in range(120):
        some, weights, _ = kept(Sampling(**how, seed=seed), frame)
        totals.append([weights.sum(), (weights * some["size"]).sum(), (weights * some["label"]).sum()])
    truth = [ROWS, frame["size"].sum(), frame["label"].sum()]
    found = np.array(totals)
    error = np.maximum(found.std(axis=0) / np.sqrt(len(found)), 1e-9 * np.array(truth))
    assert (np.abs(found.mean(axis=0) - truth) < 4 * error).all()


def test_large_rows_are_drawn_oftener_by_their_weight() -> None:
    frame = rows()
    some, weights, _ = kept(Sampling(rows=300, weight="size"), frame)
    assert some["size"].mean() > 1.8 * frame["size"].mean()
    assert np.corrcoef(weights, 1 / some["size"])[0, 1] > 0.95
    uncorrected = kept(Sampling(rows=300, weight="size", correct=False), frame)
    assert uncorrected[1] is None
    assert uncorrected[0].index.equals(some.index)


def test_probabilities_learnt_from_few_negatives_are_those_of_all_rows() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    frame = rows(20_000)
    x = rng.normal(size=(20_000, 2))
    truth = 1 / (1 + np.exp(4 - x[:, 0] - 0.5 * x[:, 1]))
    frame["label"] = (rng.random(20_000) < truth).astype(float)
    some, weights, drawn = kept(Sampling(classes={0: 0.05}), frame)
    at = some.index.to_numpy()
    assert drawn.count < 0.12 * 20_000
    corrected = LogisticRegression().fit(x[at], some["label"], sample_weight=weights / weights.mean())
    as_drawn = LogisticRegression().fit(x[at], some["label"])
    right, wrong = (model.predict_proba(x)[:, 1] for model in (corrected, as_drawn))
    assert np.abs(right - truth).mean() < 0.006
    assert right.mean() == pytest.approx(frame["label"].mean(), rel=0.05)
    assert wrong.mean() > 5 * frame["label"].mean(), "without the correction every answer is far too high"


def test_a_weight_that_is_none_is_told_and_so_is_an_empty_sample() -> None:
    frame = rows(100)
    frame.loc[3, "size"] = -1
    frame.loc[4, "size"] = np.nan
    with pytest.raises(InputError, match=r"2 of 100 rows have no weight in training\.sample\.weight 'size'"):
        draw(Sampling(rows=10, weight="size"), [frame])
    with pytest.raises(InputError, match="keeps none of 3 rows: ask for more"):
        draw(Sampling(share=1e-9), [frame[:3]])


def test_it_is_told_by_class() -> None:
    frame = rows(100)
    ones = int(frame["label"].sum())
    told = draw(Sampling(rows=100), [frame]).told(["no", "yes"])
    assert told["text"].endswith(f": 100 of 100 rows (no {100 - ones} of {100 - ones}, yes {ones} of {ones})")
