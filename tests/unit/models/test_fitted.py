"""Features learnt from training rows: equal to what they are by the book, kept, and blind to a row's own label."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.fitted import Wish
from mlcycle.errors import InputError, IntegrityError
from mlcycle.models import prepared
from mlcycle.models.base import Job, Model
from mlcycle.models.export.forms import onnx_of
from mlcycle.models.export.graphs import NotConverted
from mlcycle.models.fitted import components, vectors
from mlcycle.models.fitted.learnt import Learning, Widened
from mlcycle.models.fitted.means import fold_of
from mlcycle.models.out_of_fold import out_of_fold

NUMBERS = ["a", "b", "c", "d"]


@dataclass(frozen=True)
class InParts:
    """Rows that are also read a few at a time."""

    rows: Rows
    size: int

    @property
    def count(self) -> int:
        return self.rows.count

    def whole(self) -> Rows:
        return self.rows

    def parts(self) -> Iterator[Rows]:
        for at in range(0, self.rows.count, self.size):
            to = slice(at, at + self.size)
            yield Rows(self.rows.frame.iloc[to].reset_index(drop=True), self.rows.labels[to], None)


def numeric(count: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(size=(count, 4)) @ rng.normal(size=(4, 4)) + 3, columns=NUMBERS)


def wish(kind: str, *columns: str, **more: Any) -> Wish:
    return Wish("f", kind, columns, **more)


def learnt(train: Rows, *wishes: Wish, classes: int = 0) -> Learning:
    return Learning.of(wishes, train, classes)


def test_means_are_those_of_a_calculation_by_hand() -> None:
    towns = ["x", "x", "y", "x", None, "y", "y", "z", "x", None]
    labels = np.array([1, 0, 1, 1, 0, 0, 1, 1, 0, 1.0])
    train = Rows(pd.DataFrame({"town": towns}), labels)
    found = learnt(train, wish("target_mean", "town", smoothing=2))
    later = found.learnt.into(pd.DataFrame({"town": ["x", "y", "z", None, "new"]}))["f"]
    # Six of ten are 1. x: 2 of 4, y: 2 of 3, z: 1 of 1, missing: 1 of 2; two rows of .6 beside each.
    assert later.tolist() == pytest.approx([3.2 / 6, 3.2 / 5, 2.2 / 3, 2.2 / 4, 0.6])
    own = Widened(train, found, own=True).whole().frame["f"].tolist()
    folds = fold_of(train.frame, 0)
    for row, town in enumerate(towns):
        others = [at for at in range(10) if folds[at] != folds[row] and towns[at] == town]
        assert own[row] == pytest.approx((labels[others].sum() + 2 * 0.6) / (len(others) + 2))
    parts = list(Widened(InParts(train, 3), found, own=True).parts())
    assert [value for part in parts for value in part.frame["f"]] == pytest.approx(own)


def test_a_row_that_is_drawn_twice_does_not_tell_itself() -> None:
    rng = np.random.default_rng(0)
    whole = pd.DataFrame({"id": np.arange(500).astype(str)})
    labels = (rng.random(500) < 0.5).astype(float)
    at = rng.integers(0, 500, 500)
    bag = Rows(whole.iloc[at], labels[at])
    found = learnt(bag, wish("target_mean", "id", smoothing=1))
    own = Widened(bag, found, own=True).whole().frame["f"]
    assert own.nunique() == 1, "of what each row's value is elsewhere nothing is known"


def test_a_label_that_drifts_does_not_turn_what_a_value_tells() -> None:
    rng = np.random.default_rng(0)
    town = rng.integers(0, 100, 5_000)
    odds = rng.normal(size=100)[town] + np.linspace(-2, 2, 5_000)
    train = Rows(
        pd.DataFrame({"town": town.astype(str)}), (rng.random(5_000) < 1 / (1 + np.exp(-odds))).astype(float)
    )
    found = learnt(train, wish("target_mean", "town", smoothing=20))
    own = Widened(train, found, own=True).whole().frame["f"].to_numpy()
    later = found.learnt.into(train.frame)["f"].to_numpy()
    assert np.corrcoef(own, later)[0, 1] > 0.95, "training rows read nearly what later rows will read"


def test_weights_count_in_means_and_many_classes_have_one_each() -> None:
    frame = pd.DataFrame({"town": ["x", "x", "y"]})
    weighed = learnt(
        Rows(frame, np.array([1.0, 0, 0]), np.array([3.0, 1, 2])), wish("target_mean", "town", smoothing=0)
    )
    assert weighed.learnt.into(frame)["f"].tolist() == pytest.approx([0.75, 0.75, 0])
    many = learnt(Rows(frame, np.array([2.0, 0, 1])), wish("target_mean", "town", smoothing=0), classes=3)
    assert many.learnt.names == ["f_1", "f_2", "f_3"]
    assert many.learnt.into(frame).iloc[0, 1:].tolist() == [0.5, 0, 0.5]


def test_several_columns_are_their_combinations_and_numbers_are_names() -> None:
    frame = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": [6, 7.0, 6, None]})
    made = learnt(Rows(frame, np.array([1.0, 0, 0, 1])), wish("target_mean", "a", "b", smoothing=0))
    assert made.learnt.into(frame)["f"].tolist() == [1, 0, 0, 1]
    again = frame.assign(b=["6", "7", "6", None])
    assert made.learnt.into(again)["f"].tolist() == [1, 0, 0, 1]


def test_a_name_of_each_row_tells_nothing_of_its_label() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(2_000) < 0.3).astype(float)
    train = Rows(pd.DataFrame({"id": rng.integers(0, 1_000, 2_000).astype(str)}), labels)
    found = learnt(train, wish("target_mean", "id", smoothing=1))
    own = Widened(train, found, own=True).whole().frame["f"]
    naive = found.learnt.into(train.frame)["f"]
    assert abs(np.corrcoef(own, labels)[0, 1]) < 0.1
    assert np.corrcoef(naive, labels)[0, 1] > 0.6, "what a row's own label is in would look like a signal"


@pytest.mark.parametrize("kind", ["pca", "svd", "ica", "lda", "pls"])
def test_components_are_scikit_learns(kind: str) -> None:
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.decomposition import PCA, FastICA, TruncatedSVD
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    frame = numeric()
    labels = np.digitize(frame["a"] + frame["b"], np.quantile(frame["a"] + frame["b"], [0.3, 0.6])).astype(
        float
    )
    found = components.learn(kind, NUMBERS, 2, frame, labels).of(frame)
    spread = frame.std(ddof=0)
    standard = ((frame - frame.mean()) / spread).to_numpy()
    peer = {
        "pca": lambda: PCA(2).fit_transform(standard),
        "svd": lambda: TruncatedSVD(2, random_state=0, n_iter=10).fit_transform((frame / spread).to_numpy()),
        "ica": lambda: FastICA(2, random_state=17, whiten="unit-variance", max_iter=500).fit_transform(
            standard
        ),
        "lda": lambda: LinearDiscriminantAnalysis(n_components=2).fit(standard, labels).transform(standard),
        "pls": lambda: PLSRegression(2, scale=False).fit(standard, labels).transform(standard),
    }[kind]()
    signs = np.sign((found * peer).sum(axis=0))
    np.testing.assert_allclose(found, peer * signs, atol=1e-6)


def test_parts_come_as_near_as_scikit_learns_and_each_row_by_itself() -> None:
    from sklearn.decomposition import NMF

    frame = numeric().abs()
    made = components.learn("nmf", NUMBERS, 2, frame, np.zeros(len(frame)))
    found = made.of(frame)
    assert (found >= 0).all()
    low, high = frame.min(), frame.max()
    scaled = ((frame - low) / (high - low)).to_numpy()
    peer = NMF(2, init="nndsvda", random_state=17, max_iter=500).fit(scaled)
    nearest = np.linalg.norm(scaled - peer.transform(scaled) @ peer.components_)
    assert np.linalg.norm(scaled - found @ peer.components_) <= nearest * 1.001
    assert made.of(frame[7:8])[0] == pytest.approx(found[7], abs=1e-12)


def test_a_missing_number_counts_as_the_mean_and_what_is_not_there_is_refused() -> None:
    frame = numeric()
    made = components.learn("pca", NUMBERS, 2, frame, np.zeros(len(frame)))
    holes = frame.copy()
    holes.loc[0, "b"] = np.nan
    filled = frame.copy()
    filled.loc[0, "b"] = frame["b"].mean()
    np.testing.assert_allclose(made.of(holes), made.of(filled), atol=1e-9)
    twice = frame.assign(c=frame["a"], d=frame["b"])
    with pytest.raises(InputError, match="has no 3 components: columns repeat"):
        components.learn("pca", NUMBERS, 3, twice, np.zeros(len(frame)))
    with pytest.raises(InputError, match="lda of 2 classes has 1 components, not 2"):
        components.learn("lda", NUMBERS, 2, frame, (frame["a"] > 3).to_numpy(float))


def test_hashed_values_are_one_place_each_seen_before_or_not() -> None:
    train = Rows(pd.DataFrame({"tail": [f"N{at}" for at in range(500)]}), np.zeros(500))
    made = learnt(train, wish("hashing", "tail", components=16)).learnt
    found = made.into(train.frame).drop(columns="tail").to_numpy()
    assert (np.abs(found).sum(axis=1) == 1).all()
    assert (np.abs(found).sum(axis=0) > 10).all(), "every place is used"
    assert made.into(pd.DataFrame({"tail": ["N7", "never seen"]})).drop(columns="tail").to_numpy()[
        0
    ].tolist() == (found[7].tolist())


@pytest.mark.parametrize("kind", ["skip_gram", "cbow"])
def test_values_that_come_in_the_same_company_lie_near_each_other(kind: str) -> None:
    count = 4_000
    for seed in range(2):
        rng = np.random.default_rng(seed)
        owner = rng.integers(0, 80, count)
        mine = np.where(rng.random(count) < 0.9, owner % 2, rng.integers(0, 2, count))
        value = mine * 20 + rng.integers(0, 20, count)
        frame = pd.DataFrame({"town": [f"t{at}" for at in value], "who": owner})
        train = Rows(frame, np.zeros(count))
        found = vectors.learn(kind, "town", "who", 8, InParts(train, 1_500))
        again = vectors.learn(kind, "town", "who", 8, train)
        assert found == again, "the same rows have the same vectors, in whatever parts they are read"
        table = found.of(pd.DataFrame({"town": [f"t{at}" for at in range(40)]}))
        table /= np.linalg.norm(table, axis=1, keepdims=True)
        near = table @ table.T
        same = np.equal.outer(np.arange(40) // 20, np.arange(40) // 20) & ~np.eye(40, dtype=bool)
        assert near[same].mean() > near[~same & ~np.eye(40, dtype=bool)].mean() + 0.25
        assert (found.of(pd.DataFrame({"town": ["never seen", None]})) == 0).all()


def job(fitted: tuple[Wish, ...], seed: int = 0) -> Job:
    rng = np.random.default_rng(seed)

    def rows(count: int) -> Rows:
        frame = numeric(count, int(rng.integers(1_000)))
        frame["town"] = rng.integers(0, 300, count).astype(str)
        frame["kind"] = rng.choice(["p", "q"], count)
        odds = np.where(frame["town"].astype(int) % 3 == 0, 1.5, -1.5)
        return Rows(frame, (rng.random(count) < 1 / (1 + np.exp(-odds))).astype(float))

    return Job(
        "classification",
        ["town", "kind"],
        NUMBERS,
        rows(3_000),
        rows(1_000),
        1,
        lambda *_: None,
        fitted=fitted,
    )


WISHES = (
    Wish("rate", "target_mean", ("town",), smoothing=5, replace=True),
    Wish("flat", "pca", tuple(NUMBERS), components=2),
    Wish("place", "hashing", ("town",), components=8),
)


@pytest.mark.parametrize("family", ["linear", "hist_gradient_boosting"])
def test_a_model_with_features_learns_keeps_and_reads_what_a_row_has(family: str, tmp_path: Path) -> None:
    params = models.parse_params(family, {"max_iter": 25})
    given = job(WISHES)
    model = prepared.fit(given, params, family)
    said = model.predict(given.validation.whole().frame)
    assert model.card.inputs == ["town", "kind", *NUMBERS], "its card has what is delivered"
    plain = prepared.fit(replace(given, fitted=()), params, family)
    labels = given.validation.whole().labels

    def loss(answers: Any) -> float:
        return float(-np.log(np.where(labels == 1, answers, 1 - answers)).mean())

    assert loss(said) < loss(plain.predict(given.validation.whole().frame)) - 0.02
    models.save(model, tmp_path / "model")
    again = models.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(given.validation.whole().frame), said)
    assert again.card == model.card
    with pytest.raises(InputError, match="'town' is missing"):
        again.predict(given.validation.whole().frame.drop(columns="town"))
    with pytest.raises(NotConverted, match=r"inputs\.fitted"):
        onnx_of(again)


def test_each_fold_learns_its_own_features() -> None:
    given = replace(job(WISHES), train=InParts(job(WISHES).train.whole(), 700))
    found = out_of_fold(given, models.parse_params("linear", {}), "linear")
    at = found.covered
    labels = given.train.whole().labels[at]
    assert np.corrcoef(found.predictions[at], labels)[0, 1] > 0.3


@pytest.mark.parametrize(
    "tamper",
    [
        lambda found: found["features"]["rate"].update(values="AAAA"),
        lambda found: found["features"]["flat"].update(components=3),
        lambda found: found["features"]["place"].update(kind="pickle"),
        lambda found: found.pop("features"),
    ],
)
def test_features_that_were_tampered_with_are_refused(tamper: Any, tmp_path: Path, kept: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(kept, folder)
    path = folder / prepared.FILE
    found = json.loads(path.read_text())
    tamper(found)
    path.write_text(json.dumps(found))
    with pytest.raises(IntegrityError, match="holds no fitted features"):
        models.load(folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model: Model = prepared.fit(job(WISHES), models.parse_params("linear", {}), "linear")
    folder = tmp_path_factory.mktemp("kept") / "model"
    models.save(model, folder)
    return folder


def test_members_of_an_ensemble_learn_their_own_and_a_table_reads_what_it_names(tmp_path: Path) -> None:
    members = {
        "by_town": {"family": "rate_table", "params": {"by": ["town"]}},
        "line": {"family": "linear", "params": {}},
    }
    given = job(WISHES)
    params = models.parse_params(
        "stacking", {"members": members, "final": {"family": "linear", "params": {}}}
    )
    model = prepared.fit(given, params, "stacking")
    frame = given.validation.whole().frame
    models.save(model, tmp_path / "model")
    np.testing.assert_array_equal(models.load(tmp_path / "model").predict(frame), model.predict(frame))
    assert len(list((tmp_path / "model").rglob(prepared.FILE))) == 1, "the line has features, the table none"
    assert np.corrcoef(model.predict(frame), given.validation.whole().labels)[0, 1] > 0.3
