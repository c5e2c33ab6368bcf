"""Boosting tells its rounds while the trees grow, can be ended at any, and grows the same trees meanwhile."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job
from mlcycle.models.boosting import Boosting
from mlcycle.models.boosting_rounds import Told
from tests.unit.models.test_families import make_job

FAMILIES: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 30, "max_features": 0.5, "max_leaf_nodes": 6},
    "lightgbm": {"num_iterations": 30, "num_leaves": 6, "bagging_fraction": 0.7, "bagging_freq": 1},
}


def small() -> Job:
    job = make_job("classification")
    rows = job.train.whole()
    return dataclasses.replace(job, train=Rows(rows.frame.iloc[::20], rows.labels[::20]))


def fit(family: str, job: Job, **changes: Any) -> Any:
    params = models.parse_params(family, {**FAMILIES[family], **changes})
    return models.family(family).fit(job, params, family)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_fit_that_is_stopped_has_grown_no_tree_after_the_round_that_said_so(family: str) -> None:
    told: list[int] = []

    def stops(done: int, of: int, losses: dict[str, float]) -> bool:
        told.append(done)
        assert of == 30
        assert losses["train_loss"] > 0
        return done == 9

    job = small()
    ended = fit(family, dataclasses.replace(job, report=stops))
    assert told == list(range(1, 10))
    assert ended.card.rounds == 9
    # Nine rounds of the thirty are the very nine of a fit that was to have no more.
    rows = job.validation.whole().frame
    np.testing.assert_array_equal(
        ended.predict(rows), fit(family, dataclasses.replace(job, rounds=9)).predict(rows)
    )


def test_telling_changes_nothing_of_the_model_nor_stays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    job = small()
    rows = job.validation.whole().frame
    told: list[tuple[int, float]] = []

    def report(done: int, _: int, losses: dict[str, float]) -> None:
        told.append((done, losses["validation_loss"]))

    model = fit("hist_gradient_boosting", dataclasses.replace(job, report=report))
    assert isinstance(model, Boosting)
    assert "_check_early_stopping_loss" not in vars(model._estimator)
    while_growing, told = told, []
    # As under a scikit-learn whose method has another name: all rounds are told at the end.
    monkeypatch.setattr(Told, "as_they_end", lambda self, estimator: pytest.MonkeyPatch.context())
    plain = fit("hist_gradient_boosting", dataclasses.replace(job, report=report))
    np.testing.assert_array_equal(model.predict(rows), plain.predict(rows))
    assert while_growing == told
    assert [done for done, _ in told] == list(range(1, 31))


def test_the_last_round_of_a_fit_that_ended_by_its_losses_is_told_as_the_last() -> None:
    told: list[tuple[int, int]] = []
    job = dataclasses.replace(small(), report=lambda done, of, _: told.append((done, of)))
    changes = {"max_iter": 300, "learning_rate": 0.8, "early_stopping": True, "patience": 3}
    model = fit("hist_gradient_boosting", job, **changes)
    assert model.card.rounds < 300
    assert told[-1] == (model.card.rounds, model.card.rounds)
    assert {of for _, of in told[:-1]} == {300}
