"""A fit that goes on from a model begins with that very model, or says in words why it cannot."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job, Model
from mlcycle.models.out_of_fold import out_of_fold
from tests.unit.models.test_families import make_job

FAMILIES: dict[str, dict[str, Any]] = {
    "lightgbm": {"num_iterations": 8, "num_leaves": 6, "learning_rate": 0.2},
    "mlp": {"epochs": 1, "layers": [8], "learning_rate": 0.01, "embedding": 4},
    "deep_cross": {"epochs": 1, "layers": [8], "cross_layers": 1, "learning_rate": 0.01, "embedding": 4},
    "wide_and_deep": {"epochs": 1, "layers": [8], "learning_rate": 0.01, "crosses": [["carrier", "origin"]]},
    "dlrm": {"epochs": 1, "layers": [8], "bottom": [8], "learning_rate": 0.01, "embedding": 4},
}
NOTHING = {"learning_rate": 1e-12}  # so that what it began with can be seen


def small(part: slice = slice(None, None, 40), task: str = "classification") -> Job:
    job = make_job(task)
    rows = job.train.whole()
    return dataclasses.replace(job, train=Rows(rows.frame.iloc[part], rows.labels[part]))


def fit(family: str, job: Job, **changes: Any) -> Model:
    params = models.parse_params(family, {**FAMILIES[family], **changes})
    return models.family(family).fit(job, params, family)


def problem(family: str, job: Job, start: Model, **changes: Any) -> str:
    params = models.parse_params(family, {**FAMILIES[family], **changes})
    return models.family(family).start_problem(job, params, start)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_it_begins_with_the_model_and_learns_from_the_rows_that_it_is_given(family: str) -> None:
    before = fit(family, small())
    newer = small(slice(10, None, 50))
    job = dataclasses.replace(newer, start=before, started_from=7)
    assert problem(family, job, before) == ""
    rows = job.validation.whole().frame
    still = fit(family, job, **NOTHING)
    np.testing.assert_allclose(still.predict(rows), before.predict(rows), atol=1e-6)
    assert still.card.encoder == before.card.encoder
    assert still.card.started_from == 7
    moved = fit(family, job)
    assert np.abs(moved.predict(rows) - before.predict(rows)).max() > 1e-3
    again = fit(family, job)
    np.testing.assert_array_equal(moved.predict(rows), again.predict(rows))
    anew = fit(family, newer)
    assert np.abs(moved.predict(rows) - anew.predict(rows)).max() > 1e-3
    assert anew.card.started_from == 0


def test_more_trees_grow_on_those_of_the_model_and_early_stopping_counts_from_there(tmp_path: Path) -> None:
    before = fit("lightgbm", small())
    job = dataclasses.replace(small(slice(10, None, 50)), start=before, started_from=7)
    after = fit("lightgbm", dataclasses.replace(job, rounds=5))
    assert after.card.rounds == 5
    texts = []
    for name, model in (("before", before), ("after", after)):
        (tmp_path / name).mkdir()
        model.write(tmp_path / name)
        texts.append((tmp_path / name / "model.txt").read_text())
    first, both = (text.split("\nend of trees")[0].split("\nTree=")[1:] for text in texts)
    assert (len(first), len(both)) == (8, 13)
    assert both[:8] == first
    stopped = fit("lightgbm", job, num_iterations=300, learning_rate=0.5, early_stopping=True, patience=3)
    assert 0 < stopped.card.rounds < 300


def test_what_does_not_fit_is_said_in_words() -> None:
    net = fit("mlp", small())
    assert problem("mlp", small(), net, layers=[16]) == (
        "its weights hidden.0.weight are 8 x 13, the candidate's 16 x 13"
    )
    job = dataclasses.replace(small(), task="regression")
    assert "unit" in problem("mlp", job, net)
    params = models.parse_params("hist_gradient_boosting", {})
    kind = models.family("hist_gradient_boosting")
    assert "family lightgbm can go on" in kind.start_problem(small(), params, net)
    table = models.family("rate_table")
    by = models.parse_params("rate_table", {"by": ["carrier"]})
    assert "has no way to go on" in table.start_problem(small(), by, net)


def test_folds_begin_anew_for_the_model_may_have_learnt_what_they_predict() -> None:
    before = fit("lightgbm", small())
    params = models.parse_params("lightgbm", FAMILIES["lightgbm"])
    job = small(slice(None, None, 40))
    anew = out_of_fold(job, params, "lightgbm").predictions
    begun = out_of_fold(
        dataclasses.replace(job, start=before, started_from=7), params, "lightgbm"
    ).predictions
    np.testing.assert_array_equal(anew, begun)
