"""A candidate that asks for a calibration curve: trained, evaluated and trained again with that one curve."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlcycle import models
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.contract import Result
from mlcycle.domain.evaluation.calibrator import platt
from mlcycle.domain.metrics import log_loss
from mlcycle.models.calibrated import Calibrated
from mlcycle.steps import refit
from tests.conftest import Platform
from tests.snapshots import Trained, flights, flights_project

#: Validation of three weeks: ten days fit the curve, eleven judge it.
BOUNDS = {
    "train": ("2013-01-01", "2013-01-20"),
    "validation": ("2013-01-20", "2013-02-10"),
    "holdout": ("2013-02-10", "2013-02-28"),
}


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    document = flights_project().document()
    document["gate"] |= {"min_rows": 1000, "confidence": 0.6}
    # Far more leaves than the rows can fill: it is surer than it may be.
    learnt_by_heart = {"max_iter": 40, "learning_rate": 0.3, "max_leaf_nodes": 127, "min_samples_leaf": 5}
    document["candidates"]["boosting"] |= {"params": learnt_by_heart, "calibrate": "auto"}
    return Trained(platform, type(flights_project()).model_validate(document), mlflow_url)


def opened(trained: Trained, result: Result, folder: Path) -> Calibrated:
    values = result.values
    found = models.load(
        fetch_model(trained.settings(), str(values["model_uri"]), dict(values["manifest"]), folder)  # type: ignore[arg-type, call-overload]
    )
    assert isinstance(found, Calibrated)
    return found


def test_the_curve_is_part_of_the_model_wherever_it_is_used(trained: Trained, tmp_path: Path) -> None:
    dataset = trained.snapshot(flights(), BOUNDS)
    result = trained.ok(trained.train(dataset, "boosting"))
    assert result.values["calibration"] in ("platt", "isotonic")
    assert "data/model/calibrator.json" in result.values["manifest"]  # type: ignore[operator]
    model = opened(trained, result, tmp_path / "one")
    first, last = BOUNDS["holdout"]
    rows = flights()[flights().event_time.between(f"{first}T00:00Z", f"{last}T00:00Z", inclusive="left")]
    labels = rows["label"].to_numpy()
    with_curve = log_loss(labels, model.predict(rows))
    assert with_curve < log_loss(labels, model.model.predict(rows)) - 0.01

    tracking = Tracking(trained.settings(), trained.project.name)
    run_id = str(result.values["run_id"])
    kept = Path(tracking.client.download_artifacts(run_id, "calibration.json", str(tmp_path)))
    assert json.loads(kept.read_text())["served"] == model.calibrator.method

    evaluated = trained.ok(trained.evaluate(dataset, [result.handover]))
    document = json.loads(trained.artifacts.get(evaluated.outputs["evaluation"]))
    assert document["parts"]["figures"]["found"]["log_loss"]["value"] == pytest.approx(with_curve)
    assert document["parts"]["calibration"]["found"]["served"] == model.calibrator.method


def test_with_folds_the_curve_is_learnt_from_what_they_say_of_the_training_rows(
    platform: Platform, mlflow_url: str, tmp_path: Path
) -> None:
    document = flights_project().document()
    learnt_by_heart = {"max_iter": 40, "learning_rate": 0.3, "max_leaf_nodes": 127, "min_samples_leaf": 5}
    document["candidates"]["boosting"] |= {"params": learnt_by_heart, "calibrate": "platt"}
    document["split"]["cross_validation"] = {"policy": "time_series", "folds": 3}
    trained = Trained(platform, type(flights_project()).model_validate(document), mlflow_url)
    result = trained.ok(trained.train(trained.snapshot(flights(), BOUNDS), "boosting"))
    assert result.values["calibration"] == "platt"
    tracking, run_id = Tracking(trained.settings(), trained.project.name), str(result.values["run_id"])
    fetch = tracking.client.download_artifacts
    said = pd.read_parquet(fetch(run_id, "cross_validation/out_of_fold.parquet", str(tmp_path)))
    expected = platt(said["label"].to_numpy(), said["prediction"].to_numpy())
    model = opened(trained, result, tmp_path / "model")
    assert model.calibrator.slope == pytest.approx(expected.slope, rel=1e-6)
    assert model.calibrator.intercept == pytest.approx(expected.intercept, rel=1e-6)
    told = json.loads(Path(fetch(run_id, "calibration.json", str(tmp_path))).read_text())
    assert told["learnt_from"] == "out_of_fold"
    assert told["rows_fitted"] == len(said)


def test_a_refit_goes_through_the_curve_of_what_was_judged(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A model that learns rows by heart says other things of rows it has learnt, and would not be served.
    monkeypatch.setattr(refit, "unlike", lambda *_: "")
    dataset = trained.snapshot(flights(), BOUNDS)
    trained.register(dataset, "boosting")
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.message
    handed = {"compare": [compared.handover]}
    done = trained.ok(trained.step("refit", inputs=handed, params={"candidate": "boosting"}))
    assert done.values["version"] == 2, done.message
    versions = trained.rows(
        "select model_uri, manifest from ledger.model_version where project = %s order by version"
    )
    judged, again = (
        models.load(fetch_model(trained.settings(), uri, manifest, tmp_path / str(at)))
        for at, (uri, manifest) in enumerate(versions)
    )
    assert isinstance(judged, Calibrated)
    assert isinstance(again, Calibrated)
    assert again.calibrator == judged.calibrator
    assert not np.array_equal(again.predict(flights()[:50]), judged.predict(flights()[:50]))
