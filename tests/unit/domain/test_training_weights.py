"""Rows that weigh more in a fit: by class, by column, never in what is measured."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.utils.class_weight import compute_class_weight

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.training_weights import Weighed, balanced
from mlcycle.domain.weighing import Weighing
from mlcycle.errors import InputError
from mlcycle.project import Project
from tests import many_classes
from tests.raw_data import FLIGHTS
from tests.table_job import job, rows, said


def test_balanced_classes_are_scikit_learns_and_weigh_the_same() -> None:
    labels = np.array([0.0] * 70 + [1] * 25 + [2] * 5)
    found = balanced(labels)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.astype(int))
    assert list(found.values()) == pytest.approx(expected)
    weighed = Weighed.of(Rows(np.empty(100), labels), Weighing("balanced")).whole()
    assert weighed.weights is not None
    sums = np.bincount(labels.astype(int), weighed.weights)
    assert sums == pytest.approx([100 / 3] * 3)


def test_weights_multiply_and_are_one_on_average_over_all_parts() -> None:
    given = rows(60, 1, "multiclass", weighted=True)
    given = replace(given, frame=given.frame.assign(counts=np.arange(60) % 4))
    halves = Halves(given)
    found = Weighed.of(halves, Weighing({2: 3.0}, "counts"))
    assert given.weights is not None
    wanted = given.weights * (np.arange(60) % 4) * np.where(given.labels == 2, 3.0, 1.0)
    wanted /= wanted.mean()
    for got in (found.whole().weights, np.concatenate([part.weights for part in found.parts()])):
        assert got == pytest.approx(wanted)
    assert found.count == 60
    later = Weighed.of(rows(30, 2, "multiclass"), Weighing("balanced"), like=found)
    assert later.classes == {2: 3.0}


class Halves:
    """Examples in two parts."""

    def __init__(self, whole: Rows) -> None:
        self._whole, self.count = whole, whole.count

    def whole(self) -> Rows:
        return self._whole

    def parts(self):  # type: ignore[no-untyped-def]
        for side in (slice(0, self.count // 2), slice(self.count // 2, None)):
            w = self._whole.weights
            yield Rows(self._whole.frame.iloc[side], self._whole.labels[side], None if w is None else w[side])


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf], ids=["missing", "negative", "infinite"])
def test_a_row_without_a_weight_is_one_line(bad: float) -> None:
    given = rows(10, 1)
    given = replace(given, frame=given.frame.assign(counts=[bad, *[1.0] * 9]))
    with pytest.raises(InputError, match=r"1 of 10 rows have no weight in training.weight 'counts'"):
        Weighed.of(given, Weighing(column="counts"))
    nought = replace(given, frame=given.frame.assign(counts=0))
    with pytest.raises(InputError, match="sum to nought"):
        Weighed.of(nought, Weighing(column="counts"))


@pytest.mark.parametrize("name", ["linear", "lightgbm"])
def test_a_heavier_class_is_answered_more_often(name: str) -> None:
    on = job(count=800)
    learnt = Weighed.of(on.train, Weighing({1: 5.0}))
    family, params = models.family(name), models.parse_params(name, {})
    plain, heavy = (
        said(family.fit(replace(on, train=each), params, name), on) for each in (on.train, learnt)
    )
    odds = np.log(heavy / (1 - heavy)) - np.log(plain / (1 - plain))
    # By Elkan's theorem 1 the odds are five times as large; trees that learn rows by heart move less.
    assert np.median(odds) == pytest.approx(np.log(5), abs=0.3 if name == "linear" else 1.0)


def changed(project: Project, **training: object) -> Project:
    return Project.model_validate({**project.document(), "training": training})


def test_the_project_names_classes_and_columns_that_are_there() -> None:
    parcels = many_classes.project()
    assert parcels.weighing.plain
    found = changed(parcels, class_weight={"comes back": 2}, weight="weight")
    assert found.weighing == Weighing({2: 2.0}, "weight")
    assert changed(FLIGHTS, class_weight={1: 3}).weighing == Weighing({1: 3.0})
    assert changed(FLIGHTS, class_weight="balanced").weighing == Weighing("balanced")
    assert "distance" in changed(FLIGHTS, weight="distance").dataset_columns
    for training, says in (
        ({"class_weight": {"lost": 2}}, "names 'lost': the classes are arrives, is late"),
        ({"class_weight": {"arrives": 0}}, "greater than 0"),
        ({"weight": "shop"}, "training.weight 'shop' is no numeric column"),
        ({"weight": "nobody"}, "training.weight 'nobody' is in no table"),
    ):
        with pytest.raises(ValidationError, match=says):
            changed(parcels, **training)
