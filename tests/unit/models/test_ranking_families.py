"""Families that learn an order within lists."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.listed import ListedLabels
from mlcycle.domain.metrics import METRICS
from mlcycle.errors import InputError
from mlcycle.models.base import Job, Model


def rows(count: int, seed: int) -> Rows:
    """Lists of ten, in any order; how high a whole list is graded hangs on its own level, not on its rows."""
    draw = np.random.default_rng(seed)
    lists = np.repeat(np.arange(count), 10)
    match, price = draw.random(len(lists)), draw.normal(size=len(lists))
    level = draw.normal(0, 3, count)[lists]
    shop = draw.integers(0, 4, len(lists))
    liking = 2 * match - 0.5 * price + 0.5 * shop + level + 0.5 * draw.gumbel(size=len(lists))
    order = draw.permutation(len(lists))
    frame = pd.DataFrame({"shop": shop.astype(str), "match": match, "price": price, "level": level})
    labels = ListedLabels(np.clip(np.round(liking), 0, 4), lists)
    return Rows(frame.iloc[order].reset_index(drop=True), labels[order])


LEARNT, LATER = rows(150, 1), rows(100, 2)


def job(**changes: Any) -> Job:
    given = {"task": "ranking", "categorical": ["shop"], "numeric": ["match", "price", "level"]}
    return Job(**given, train=LEARNT, validation=LATER, threads=1, report=lambda *_: None, **changes)


def ndcg(model: Model) -> float:
    found = METRICS["ndcg_at_5"](LATER.labels, model.predict(LATER.frame), None)
    assert isinstance(found, float)
    return found


def fitted(family: str, job: Job, **params: Any) -> Model:
    return models.family(family).fit(job, models.parse_params(family, params), family)


SMALL = {"num_iterations": 40, "num_leaves": 7, "min_data_in_leaf": 10}


@pytest.mark.parametrize(
    ("family", "params"),
    [
        ("lightgbm", SMALL),
        ("lightgbm", {**SMALL, "objective": "rank_xendcg"}),
        ("lightgbm", {**SMALL, "objective": "regression"}),
        ("hist_gradient_boosting", {"max_iter": 30, "max_leaf_nodes": 7}),
        ("linear", {}),
        ("rate_table", {"by": ["shop"]}),
    ],
    ids=["lambdarank", "xendcg", "pointwise trees", "boosting", "linear", "rates"],
)
def test_it_orders_later_lists_better_than_any_order(family: str, params: dict[str, Any]) -> None:
    model = fitted(family, job(), **params)
    alike = METRICS["ndcg_at_5"](LATER.labels, np.zeros(LATER.count), None)
    assert isinstance(alike, float)
    assert ndcg(model) > alike + (0.02 if family == "rate_table" else 0.1)
    assert model.card.task == "ranking"


def test_a_list_too_long_for_lightgbm_is_one_line() -> None:
    count = 10_001
    frame = pd.DataFrame(
        {"shop": ["a"] * count, **dict.fromkeys(("match", "price", "level"), np.zeros(count))}
    )
    long = Rows(frame, ListedLabels(np.arange(count) % 2, np.zeros(count, dtype=np.int64)))
    with pytest.raises(
        InputError, match="a list has 10001 rows, and LightGBM learns lists of 10000 at the most"
    ):
        fitted("lightgbm", replace(job(), train=long), **SMALL)


def test_lists_teach_what_rows_alone_hide() -> None:
    # Few leaves go to the level of the list, which grades rows without ordering them.
    few = {"num_iterations": 12, "num_leaves": 4, "min_data_in_leaf": 10}
    by_lists = fitted("lightgbm", job(), **few)
    by_rows = fitted("lightgbm", job(), objective="regression", **few)
    assert ndcg(by_lists) > ndcg(by_rows) + 0.03


def test_the_order_of_rows_within_lists_does_not_matter() -> None:
    one = fitted("lightgbm", job(), **SMALL)
    by_list = np.argsort(LEARNT.labels.lists, kind="stable")
    sorted_rows = Rows(LEARNT.frame.iloc[by_list].reset_index(drop=True), LEARNT.labels[by_list])
    other = fitted("lightgbm", replace(job(), train=sorted_rows), **SMALL)
    assert np.array_equal(one.predict(LATER.frame), other.predict(LATER.frame))


def test_the_loss_that_is_told_falls_and_is_one_less_ndcg() -> None:
    told = []
    model = fitted("lightgbm", replace(job(), report=lambda *each: told.append(each[2])), **SMALL)
    losses = [each["validation_loss"] for each in told]
    assert losses[-1] < losses[0]
    whole = METRICS["ndcg_at_10"](LATER.labels, model.predict(LATER.frame), None)
    assert isinstance(whole, float)
    empty = (np.bincount(LATER.labels.lists, LATER.labels) == 0).mean()  # LightGBM counts those as perfect
    assert losses[-1] == pytest.approx((1 - whole) * (1 - empty), abs=0.01)
