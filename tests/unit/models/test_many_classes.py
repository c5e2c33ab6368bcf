"""Families that learn many classes: probabilities of each, in the card's order, through their own files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlcycle import models
from mlcycle.domain.metrics import accuracy, log_loss
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError, IntegrityError
from mlcycle.models.base import Job, Model
from mlcycle.models.out_of_fold import at, out_of_fold
from mlcycle.models.registry import MANY_CLASSES, check_task, families, family
from tests.table_job import CLASSES, PARAMS, job, rows, said

SMALL = {
    "rate_table": {"by": ["city"]},
    "linear": {},
    "hist_gradient_boosting": {"max_iter": 25, "min_samples_leaf": 20},
    "random_forest": {"n_estimators": 20, "min_samples_leaf": 20},
    "lightgbm": {"num_iterations": 25},
    "mlp": PARAMS,
}
EACH = pytest.mark.parametrize("name", SMALL)


def fitted(name: str, on: Job) -> Model:
    return models.family(name).fit(on, models.parse_params(name, SMALL[name]), name)


@EACH
def test_it_says_later_rows_classes_better_than_their_shares(name: str, tmp_path: Path) -> None:
    told: list[dict[str, float]] = []
    on = job("multiclass", lambda *each: told.append(each[2]), weighted=True)
    model = fitted(name, on)
    later, found = on.validation.whole(), said(model, on)
    assert found.shape == (later.count, 3)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
    zero = task_of("multiclass").without_model(on.train.whole().labels, later.count)
    assert log_loss(later.labels, found) < log_loss(later.labels, zero) - 0.05
    assert accuracy(later.labels, found) > accuracy(later.labels, zero)
    assert told
    assert told[-1]["validation_loss"] == pytest.approx(log_loss(later.labels, found), abs=0.05)

    models.save(model, tmp_path)
    again = models.load(tmp_path)
    assert again.card.classes == list(CLASSES)
    assert np.array_equal(said(again, on), found)
    assert again.predict(later.frame.iloc[:0]).shape == (0, 3)


@EACH
def test_a_class_that_no_row_has_is_next_to_impossible(name: str) -> None:
    whole = rows(2000, 1, "multiclass")
    some = at(whole, np.flatnonzero(whole.labels != 1))
    found = said(fitted(name, job("multiclass", train=some)), job("multiclass"))
    assert found.shape == (1000, 3)
    assert found[:, 1].max() < 0.05
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)


def test_weights_move_the_shares() -> None:
    whole = rows(500, 1, "multiclass")
    weights = np.where(whole.labels == 2, 4.0, 1.0)
    on = job("multiclass", train=replace(whole, weights=weights / weights.mean()))
    found = said(
        models.family("rate_table").fit(
            on, models.parse_params("rate_table", {"by": ["city"]}), "rate_table"
        ),
        on,
    )
    plain = said(fitted("rate_table", job("multiclass", train=whole)), on)
    assert (found[:, 2] > plain[:, 2]).all()


def test_out_of_fold_predictions_are_of_every_class() -> None:
    params = models.parse_params("rate_table", SMALL["rate_table"])
    on = job("multiclass", count=600)
    whole = on.train.whole()
    frame = whole.frame.assign(event_time=np.arange(600).astype("datetime64[h]").astype("datetime64[ns]"))
    found = out_of_fold(replace(on, train=replace(whole, frame=frame)), params, "rate_table")
    assert found.predictions.shape == (600, 3)
    assert 0 < len(found.covered) < 600
    assert np.allclose(found.predictions[found.covered].sum(axis=1), 1)


def test_families_that_cannot_say_so_in_one_line() -> None:
    for name in families():
        assert family(name).many_classes == (families()[name] in MANY_CLASSES)
    check_task("linear", "multiclass")
    check_task("stacking", "classification")
    with pytest.raises(ConfigError, match="'stacking' does not learn many classes: of ours rate_table, hist"):
        check_task("stacking", "multiclass")


@pytest.mark.parametrize("name", ["linear", "rate_table"])
def test_a_file_of_other_classes_is_refused(name: str, tmp_path: Path) -> None:
    model = fitted(name, job("multiclass", count=300))
    model.write(tmp_path)
    card = model.card.model_copy(update={"classes": [*CLASSES, "more"]})
    with pytest.raises(IntegrityError, match="classes"):
        family(name).read(tmp_path, card)
