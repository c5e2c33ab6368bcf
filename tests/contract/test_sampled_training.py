"""Training on a sample: the rows that are drawn, what is told of them, and answers that stay those of all rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle.adapters.datasets import training_data
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.project import Project
from tests.conftest import Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project

#: No more than these are learnt from, of about 11,600.
FEW = {"classes": {"0": 0.15}}


def sampled(platform: Platform, mlflow_url: str, sample: dict[str, Any], **changes: Any) -> Trained:
    return Trained(platform, flights_project(training={"sample": sample}, **changes), mlflow_url)


def test_answers_are_those_of_all_rows_and_the_balance_is_told(
    platform: Platform, mlflow_url: str, tmp_path: Path
) -> None:
    trained = sampled(platform, mlflow_url, FEW)
    dataset = trained.snapshot(flights(), JANUARY)
    result = trained.ok(trained.train(dataset, "boosting"))
    told = result.values["sample"]
    assert told["text"] in result.message
    (kept, late), (few, others) = told["classes"]["1"], told["classes"]["0"]
    assert kept == late, "rows of the rare class are all learnt from"
    assert 0.12 < few / others < 0.18
    assert told["rows"] == [kept + few, late + others]
    tracking = Tracking(trained.settings(), trained.project.name)
    logged = tracking.client.download_artifacts(result.values["run_id"], "sample.json", str(tmp_path))
    assert json.loads(Path(logged).read_text()) == told
    whole = Trained(platform, flights_project(), mlflow_url)
    peer = whole.ok(whole.train(whole.snapshot(flights(), JANUARY), "boosting"))
    assert result.metrics["log_loss"] < peer.metrics["log_loss"] + 0.02
    as_drawn = sampled(platform, mlflow_url, {**FEW, "correct": False})
    off = as_drawn.ok(as_drawn.train(as_drawn.snapshot(flights(), JANUARY), "boosting"))
    assert off.values["sample"]["digest"] == told["digest"], "the same seed draws the same rows"
    assert off.metrics["log_loss"] > peer.metrics["log_loss"] + 0.1, "uncorrected, far too many are late"
    evaluated = trained.ok(trained.evaluate(dataset, [result.handover]))
    page = trained.artifacts.get(evaluated.outputs["report"]).decode()
    assert told["text"] in page
    assert "weighs one over the chance that it had" in page


@pytest.mark.parametrize(
    "sample",
    [{"rows": 900, "strata": ["origin"]}, {"rows": 2000, "weight": "distance"}, {"share": 0.3}],
    ids=str,
)
def test_a_handle_reads_what_was_drawn_whole_and_in_parts(
    platform: Platform,
    mlflow_url: str,
    sample: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_data, "PART_ROWS", 1000)
    trained = sampled(platform, mlflow_url, sample)
    dataset = trained.snapshot(flights(), JANUARY)
    manifest = training_data.read_manifest(trained.artifacts, dataset.outputs["manifest"])
    examples, whole = (
        training_data.examples_of(
            trained.project, trained.artifacts, manifest, ["train"], tmp_path, learnt=learnt
        )
        for learnt in (True, False)
    )
    rows, parts = examples.whole(), list(examples.parts())
    assert examples.count == rows.count == sum(part.count for part in parts)
    assert examples.count < whole.count
    assert rows.weights is not None
    assert rows.weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(np.concatenate([part.weights for part in parts]), rows.weights)  # type: ignore[misc]
    joined = pd.concat([part.frame.astype(object) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(joined, rows.frame.astype(object))
    shares = rows.frame.assign(w=rows.weights).groupby("origin", observed=True)["w"].sum() / rows.count
    truth = whole.whole().frame["origin"].value_counts(normalize=True)
    assert (shares - truth).abs().max() < 0.05, "what is drawn stands for all rows"
    if "strata" in sample:
        assert rows.frame["origin"].value_counts().max() == 900


def test_folds_and_a_refit_learn_from_what_is_drawn(platform: Platform, mlflow_url: str) -> None:
    document = flights_project(training={"sample": FEW}).document()
    document["split"] |= {"cross_validation": {"policy": "k_fold", "folds": 3}}
    document["gate"] |= {"min_rows": 1000, "confidence": 0.6}
    trained = Trained(platform, Project.model_validate(document), mlflow_url)
    dataset = trained.snapshot(flights(), JANUARY)
    result = trained.ok(trained.train(dataset, "boosting"))
    said, later = (result.metrics[name] for name in ("cv_log_loss_mean", "log_loss"))
    assert abs(said - later) < 0.1, "folds of a sample are measured as all rows would be"
    evaluated = trained.ok(trained.evaluate(dataset, [result.handover]))
    trained.ok(trained.step("register", inputs={"evaluate": [evaluated.handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.message
    refit = trained.ok(
        trained.step("refit", inputs={"compare": [compared.handover]}, params={"candidate": "boosting"})
    )
    every = flights().event_time.between("2013-01-01T00:00Z", "2013-01-29T00:00Z", inclusive="left").sum()
    assert 0 < refit.values["rows"] < 0.5 * every
