"""Features learnt from training rows, from training to what was served: kept with the model, and scored by the same numbers."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from mlcycle.errors import ConfigError
from mlcycle.models import load
from mlcycle.models.prepared import FILE, Prepared
from mlcycle.project import Project
from tests import remarks
from tests.conftest import Platform
from tests.contract.test_text import LEARNT, SERVED, deliver, run
from tests.remarks import key
from tests.snapshots import FLIGHT_INPUTS, Trained, flights_project, output_json

FITTED = {
    "shop_rate": {"target_mean": "shop", "replace": True},
    "bucket": {"hashing": "shop", "components": 8},
}
CANDIDATES: dict[str, Any] = {
    "by_shop": remarks.CANDIDATES["by_shop"],
    "line": {"family": "linear", "params": {}, "start": "champion", "export": {"onnx": True}},
}


def project() -> Project:
    """The remarks, learnt by a line of them, of the weight and of what is fitted of shops."""
    document = remarks.project({"served_again": {}}).document()
    document["inputs"]["fitted"] = FITTED
    document["candidates"] = CANDIDATES
    document["split"]["cross_validation"] = {"policy": "k_fold", "folds": 3}
    document["evaluation"] |= {"parts": ["figures", "importance", "learning_curve"], "budget": 60}
    return Project.model_validate(document)


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, project(), mlflow_url)


def test_a_model_with_fitted_inputs_is_judged_served_and_asked_again(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    fits = {name: trained.ok(trained.train(dataset, name)) for name in CANDIDATES}
    line = fits["line"]
    assert line.metrics["cv_roc_auc_mean"] == pytest.approx(line.metrics["roc_auc"], abs=0.1)
    found = trained.ok(
        trained.step(
            "evaluate", inputs={"dataset": [dataset], "train": [each.handover for each in fits.values()]}
        )
    )
    assert found.metrics["line_roc_auc"] > 0.75
    parts = output_json(trained.artifacts, found.outputs["evaluation"])["parts"]
    assert {name: part["status"] for name, part in parts.items()}["learning_curve"] == "done"
    assert set(parts["importance"]["found"]["columns"]) == {"shop", "weight", "remark"}

    trained.ok(trained.step("register", inputs={"evaluate": [found.handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.values["reasons"]
    refit = trained.ok(
        trained.step("refit", inputs={"compare": [compared.handover]}, params={"candidate": "line"})
    )
    inputs = {"compare": [compared.handover], "refit": [refit.handover]}
    trained.ok(trained.step("promote", "promote", inputs=inputs))

    deliver(trained, LEARNT + 1, SERVED)
    first, last = key(LEARNT + 1), key(SERVED)
    assert "predicted by version" in trained.ok(run(trained, "score", first, last)).message
    served = dict(trained.rows("select entity_key, prediction from serving.prediction where project = %s"))
    frame = _delivered()
    assert list(frame["parcel"]) == sorted(served)
    answers = frame["parcel"].map(served).to_numpy()
    folders = {path.parent for path in trained.platform.folder.rglob(FILE)}
    models = [load(folder) for folder in folders]
    assert all(isinstance(model, Prepared) for model in models)
    assert min(np.abs(model.predict(frame) - answers).max() for model in models) < 1e-9

    trained.ok(run(trained, "labels", first, last))
    trained.ok(run(trained, "monitor", last))
    measured = trained.rows("select status, message from ledger.monitor_result where project = %s")
    assert {status for status, _ in measured} == {"ok"}, measured
    assert any("all give the served answer" in message for _, message in measured)

    again = trained.ok(trained.train(dataset, "line"))
    assert "features are fitted on training rows" in str(again.values["start"])


def _delivered() -> Any:
    """Rows of the days that were scored, as they were delivered."""
    days = [remarks.day(number)[0] for number in range(LEARNT + 1, SERVED + 1)]
    frame = pd.concat([pd.read_csv(io.BytesIO(each)) for each in days], ignore_index=True)
    return frame.sort_values("parcel", ignore_index=True)


@pytest.mark.parametrize(
    ("fitted", "said"),
    [
        ({"x": {}}, "a fitted feature is one of target_mean"),
        ({"x": {"target_mean": "dest", "pca": ["distance"]}}, "this one says target_mean, pca"),
        ({"x": {"target_mean": "planet"}}, "'planet', which is not among inputs.categorical: list it there"),
        ({"x": {"pca": ["distance"]}}, "pca of 1 columns has no 2 components"),
        ({"x": {"cbow": "dest"}}, "cbow needs by"),
        ({"x": {"cbow": "dest", "by": "planet"}}, "by 'planet' is no column of the entity table"),
        ({"x": {"hashing": "dest", "smoothing": 3}}, "hashing takes no smoothing"),
        ({"distance": {"hashing": "dest"}}, "distance would be mistaken for the input 'distance'"),
    ],
)
def test_what_it_cannot_mean_is_refused(fitted: dict[str, Any], said: str) -> None:
    with pytest.raises((ValidationError, ConfigError)) as raised:
        flights_project(inputs={**FLIGHT_INPUTS, "fitted": fitted})
    assert said in str(raised.value)
