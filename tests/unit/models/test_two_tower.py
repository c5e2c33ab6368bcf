"""Two towers on interactions whose latent tastes and popularity are known."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.listed import ListedLabels
from mlcycle.domain.metrics import brier
from mlcycle.errors import ConfigError, InputError
from mlcycle.models.base import Job, Model

USERS, ITEMS = 200, 150
LATENT = np.random.default_rng(1)


def _tastes(count: int) -> np.ndarray:
    found = LATENT.normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


TASTES = 6 * _tastes(USERS) @ _tastes(ITEMS).T
#: A few items are liked by everybody: the k-th has the k-th part of the first one's odds.
POPULARITY = LATENT.permutation(-np.log(np.arange(1, ITEMS + 1)))
SMALL = {"query": ["user"], "item": ["item"], "layers": [], "width": 8, "embedding": 8}
SMALL |= {"epochs": 12, "learning_rate": 0.02, "batch_size": 256, "temperature": 0.2}


def liked(each: int, seed: int) -> Rows:
    """What each user takes, so many times, by taste and popularity."""
    draw = np.random.default_rng([2, seed])
    user = draw.permutation(np.repeat(np.arange(USERS), each))
    item = (TASTES[user] + POPULARITY + draw.gumbel(size=(len(user), ITEMS))).argmax(axis=1)
    return Rows(pairs(user, item), ListedLabels(np.ones(len(user)), user))


def pairs(user: np.ndarray, item: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"user": [f"u{at}" for at in user], "item": [f"i{at}" for at in item]})


LEARNT, LATER = liked(20, 1), liked(5, 2)
EVERY = pairs(np.repeat(np.arange(USERS), ITEMS), np.tile(np.arange(ITEMS), USERS))


@dataclass
class Fit:
    model: Model
    told: dict[str, float]  # last

    @property
    def scores(self) -> np.ndarray:
        return self.model.predict(EVERY).reshape(USERS, ITEMS)


def job(**changes: Any) -> Job:
    given: dict[str, Any] = {"task": "ranking", "categorical": ["user", "item"], "numeric": []}
    given |= {"train": LEARNT, "validation": LATER, "threads": 1, "report": lambda *_: None}
    return Job(**{**given, **changes})


def fit(of: Job | None = None, **params: Any) -> Fit:
    told: list[dict[str, float]] = []
    of = replace(of or job(), report=lambda *each: told.append(each[2]))
    parsed = models.parse_params("two_tower", {**SMALL, **params})
    return Fit(models.family("two_tower").fit(of, parsed, "two_tower"), told[-1])


@cache
def usual(**negatives: Any) -> Fit:
    """Of these negatives; fitted once."""
    return fit(**negatives)


NEGATIVES = pytest.mark.parametrize(
    "negatives",
    [{"negatives": "batch"}, {"negatives": "log_uniform", "sampled": 64}],
    ids=["batch", "sampled"],
)


@NEGATIVES
def test_later_items_are_found_far_more_often_than_by_popularity(negatives: dict[str, Any]) -> None:
    found = usual(**negatives)
    recall, common = found.told["retrieval_recall_at_10"], found.told["popularity_recall_at_10"]
    assert recall > common + 0.15
    # By brute force over the model's own answers, and by the 10 commonest items.
    items = LATER.frame["item"].str[1:].astype(int).to_numpy()
    users = LATER.frame["user"].str[1:].astype(int).to_numpy()
    known = set(LEARNT.frame["item"])
    scores = np.where([f"i{at}" in known for at in range(ITEMS)], found.scores, -np.inf)
    first = np.argsort(-scores, axis=1)[:, :10]
    by_hand = np.mean([i in first[u] for u, i in zip(users, items, strict=True)])
    assert recall == pytest.approx(by_hand, abs=0.005)  # the graph and torch round apart
    # Nobody can know more than the odds that items were drawn by.
    best = np.argsort(-(TASTES + POPULARITY), axis=1)[:, :10]
    assert recall > np.mean([i in best[u] for u, i in zip(users, items, strict=True)]) - 0.1


@NEGATIVES
def test_without_log_q_popular_items_are_ranked_too_low(negatives: dict[str, Any]) -> None:
    right, wrong = usual(**negatives), fit(**negatives, log_q=False)
    common = np.argsort(-POPULARITY)[:15]

    def place(found: Fit) -> float:
        """Of the commonest items among all, on average; 0 is first."""
        return float(np.argsort(np.argsort(-found.scores, axis=1), axis=1)[:, common].mean())

    true = np.argsort(np.argsort(-(TASTES + POPULARITY), axis=1), axis=1)[:, common].mean()
    assert abs(place(right) - true) < 8
    assert place(wrong) > place(right) + 15
    assert right.told["retrieval_recall_at_10"] > wrong.told["retrieval_recall_at_10"] + 0.05


def test_columns_of_either_side_carry_to_items_that_were_never_seen() -> None:
    draw = np.random.default_rng(9)
    genre, taste = draw.integers(0, 5, ITEMS), draw.integers(0, 5, USERS)

    def rows(count: int, items: np.ndarray, seed: int) -> Rows:
        drawn = np.random.default_rng([4, seed])
        user, item = drawn.integers(0, USERS, count), drawn.choice(items, count)
        grades = (drawn.random(count) < np.where(genre[item] == taste[user], 0.8, 0.05)).astype(float)
        frame = pairs(user, item).assign(genre=genre[item].astype(str), taste=taste[user].astype(str))
        frame["age"] = drawn.normal(size=count)
        frame.loc[::7, "age"] = np.nan
        return Rows(frame, grades)

    old, new = np.arange(ITEMS - 30), np.arange(ITEMS - 30, ITEMS)
    of = job(
        task="classification",
        categorical=["user", "item", "genre", "taste"],
        numeric=["age"],
        train=rows(6000, old, 1),
        validation=rows(2000, old, 2),
    )
    model = fit(of, query=["taste", "age"], item=["item", "genre"], epochs=6).model
    later = rows(2000, new, 3)
    said = model.predict(later.frame)
    # Probabilities: of all rows as many as come true, and far better than the mean says.
    assert ((said > 0) & (said < 1)).all()
    assert said.mean() == pytest.approx(later.labels.mean(), abs=0.05)
    assert brier(later.labels, said) < 0.8 * later.labels.var()


def test_it_is_kept_as_a_graph_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    one = fit(epochs=2)
    assert np.array_equal(fit(epochs=2).scores, one.scores)
    models.save(one.model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "model.onnx"}
    assert np.array_equal(models.load(tmp_path).predict(EVERY), one.model.predict(EVERY))


class Killed(Exception):
    """The process is gone."""


@NEGATIVES
def test_a_fit_that_died_goes_on_to_the_same_weights(negatives: dict[str, Any], tmp_path: Path) -> None:
    params = {**negatives, "epochs": 3, "checkpoint_minutes": 1e-9}
    undisturbed = fit(**params)

    def dies(done: int, of: int, figures: dict[str, float]) -> bool:
        if done == 2:
            raise Killed
        return False

    parsed = models.parse_params("two_tower", {**SMALL, **params})
    with pytest.raises(Killed):
        models.family("two_tower").fit(job(checkpoints=tmp_path, report=dies), parsed, "two_tower")
    assert list(tmp_path.iterdir())
    epochs: list[int] = []
    again = job(checkpoints=tmp_path, report=lambda done, *_: epochs.append(done))
    model = models.family("two_tower").fit(again, parsed, "two_tower")
    assert epochs[0] > 1
    assert np.array_equal(model.predict(EVERY), undisturbed.model.predict(EVERY))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"query": ["user", "item"]}, "'item' is of query and of item"),
        ({"query": []}, "query: needs 1 at the least, has 0"),
        ({"query": ["visitor"]}, "'visitor' is no input of the project"),
        ({"query": ["item"], "item": ["age"]}, "item begins with 'age', which is no category"),
    ],
    ids=["both towers", "no query", "an unknown column", "an item that is a number"],
)
def test_towers_of_other_columns_are_refused(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        fit(job(numeric=["age"]), **params)


def test_other_tasks_and_rows_that_nobody_liked_are_refused() -> None:
    with pytest.raises(ConfigError, match="learns a ranking or two classes, not a regression"):
        fit(job(task="regression"))
    nobody = Rows(LEARNT.frame, ListedLabels(np.zeros(LEARNT.count), np.zeros(LEARNT.count, dtype=np.int64)))
    with pytest.raises(InputError, match="no training row has a label above 0"):
        fit(job(train=nobody))
