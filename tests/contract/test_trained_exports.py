"""What a candidate asks for beside its model is in MLflow with it: real training, real files."""

import json
from pathlib import Path

import numpy as np

from mlcycle import models
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.models.export.forms import onnx_of
from tests.conftest import Platform
from tests.snapshots import FLIGHT_CANDIDATES, JANUARY, Trained, flights, flights_project


def test_a_candidate_s_exports_are_files_of_its_model(
    platform: Platform, mlflow_url: str, tmp_path: Path
) -> None:
    project = flights_project()
    wanted = {**FLIGHT_CANDIDATES["boosting"], "export": {"onnx": True, "int8": True}}
    candidates = {**FLIGHT_CANDIDATES, "boosting": wanted}
    project = type(project).model_validate({**project.document(), "candidates": candidates})
    trained = Trained(platform, project, mlflow_url)
    values = trained.ok(trained.train(trained.snapshot(flights(), JANUARY), "boosting")).handover.values
    manifest = dict(values["manifest"])  # type: ignore[arg-type]
    assert {"data/model/export/model.onnx", "data/model/export/export.json"} <= manifest.keys()
    folder = fetch_model(trained.settings(), str(values["model_uri"]), manifest, tmp_path / "model")
    told = json.loads((folder / "data/model/export/export.json").read_text())["forms"]
    assert told["onnx"]["worst"] <= 1e-9
    assert told["int8"] == {"reason": "family 'hist_gradient_boosting' is no network"}
    model, frame = models.load(folder), flights()[project.inputs.all].iloc[:500]
    assert np.allclose(onnx_of(model).predict(frame), model.predict(frame), rtol=0, atol=1e-12)
    run = Tracking(trained.settings(), project.name).client.get_run(str(values["run_id"]))
    assert run.data.tags["mlcycle.export.onnx"] == "made"
    assert run.data.tags["mlcycle.export.int8"] == told["int8"]["reason"]
    assert run.data.metrics["export_onnx_bytes"] == told["onnx"]["bytes"]
