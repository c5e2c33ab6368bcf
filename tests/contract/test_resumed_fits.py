"""A fit that is killed and tried again ends with the model of one that was not."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcycle import models
from mlcycle.models import boosting, kept, lightgbm, random_forest
from mlcycle.models.base import Job, Model
from tests.contract.test_ensembles import Killed, small

#: Draws by chance within the fit, so that a state that is not whole would show.
FITS: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 12, "max_features": 0.5, "max_leaf_nodes": 8},
    "random_forest": {"n_estimators": 6, "min_samples_leaf": 20, "max_samples": 0.5},
    "lightgbm": {
        "num_iterations": 12,
        "num_leaves": 8,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.6,
    },
}
STRETCH = {
    "hist_gradient_boosting": (boosting, "ROUNDS"),
    "random_forest": (random_forest, "TREES"),
    "lightgbm": (lightgbm, "ROUNDS"),
}


def fit(family: str, job: Job, **changes: Any) -> Model:
    params = models.parse_params(family, {**FITS[family], **changes})
    return models.family(family).fit(job, params, family)


@pytest.fixture(params=list(FITS))
def family(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    module, name = STRETCH[request.param]
    monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(kept, "EVERY", 0.0)
    return str(request.param)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_killed_fit_goes_on_and_ends_with_the_very_same_model(
    family: str, task: str, tmp_path: Path
) -> None:
    job = small(task)
    rows = job.validation.whole().frame
    undisturbed = fit(family, job)

    def kills(done: int, of: int, losses: dict[str, float]) -> None:
        if done == 5 or (family == "random_forest" and done == 4):
            raise Killed

    with pytest.raises(Killed):
        fit(family, dataclasses.replace(job, checkpoints=tmp_path, report=kills))
    (state,) = tmp_path.iterdir()
    assert not state.name.endswith(".part")
    told: list[int] = []
    again = fit(
        family, dataclasses.replace(job, checkpoints=tmp_path, report=lambda done, *_: told.append(done))
    )
    np.testing.assert_array_equal(again.predict(rows), undisturbed.predict(rows))
    assert again.card == undisturbed.card
    if family != "hist_gradient_boosting":  # which keeps and tells its losses from the first round
        assert told[0] > 2


@pytest.mark.parametrize("fault", ["garbage", "other parameters"])
def test_a_state_that_is_broken_or_of_another_fit_is_not_taken(
    family: str, fault: str, tmp_path: Path
) -> None:
    job = dataclasses.replace(small("classification"), checkpoints=tmp_path)
    rows = job.validation.whole().frame
    fit(family, job)
    if fault == "garbage":
        for state in tmp_path.iterdir():
            state.write_bytes(b"\x00 not what was kept")
    changes = {} if fault == "garbage" else {"seed": 18}
    wanted = fit(family, dataclasses.replace(job, checkpoints=None), **changes)
    np.testing.assert_array_equal(fit(family, job, **changes).predict(rows), wanted.predict(rows))


def test_a_fit_that_is_told_to_stop_ends_with_what_it_has(family: str) -> None:
    model = fit(family, dataclasses.replace(small("classification"), report=lambda done, *_: done >= 3))
    assert model.card.rounds in (3, 4)
    assert np.isfinite(model.predict(small("classification").validation.whole().frame)).all()


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "lightgbm"])
def test_stretches_grow_the_trees_that_one_stretch_would(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = small("classification")
    rows = job.validation.whole().frame
    by_chance = {"bagging_freq": 0, "feature_fraction": 1.0} if name == "lightgbm" else {}
    once = fit(name, job, **by_chance)
    monkeypatch.setattr(STRETCH[name][0], "ROUNDS", 5)
    np.testing.assert_allclose(fit(name, job, **by_chance).predict(rows), once.predict(rows), rtol=1e-9)
    assert once.card.rounds == 12


def test_lightgbm_keeps_the_trees_up_to_the_best_round() -> None:
    losses: list[float] = []
    job = small("classification", report=lambda _, __, told: losses.append(told["validation_loss"]) or None)
    changes = {"num_iterations": 300, "learning_rate": 0.5, "early_stopping": True, "patience": 4}
    model = fit("lightgbm", job, **changes)
    best = int(np.argmin(losses)) + 1
    assert (model.card.rounds, len(losses)) == (best, best + 4)
    again = fit("lightgbm", dataclasses.replace(job, rounds=best), **changes)
    rows = job.validation.whole().frame
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
