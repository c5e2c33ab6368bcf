"""Features learnt from training rows, through a project: trained, judged, served by what is delivered alone."""

from typing import Any

import numpy as np
import pytest

from mlcycle.adapters.tracking.server import Tracking
from mlcycle.errors import ConfigError
from tests.conftest import Platform
from tests.snapshots import FLIGHT_INPUTS, JANUARY, Trained, flights, flights_project

FITTED = {
    "late_before": {"target_mean": ["dest"], "smoothing": 50},
    "moment": {"pca": ["sched_minute_of_day", "distance"], "components": 1},
    "route": {"cbow": "dest", "by": "carrier", "components": 4},
}


def inputs(**fitted: Any) -> dict[str, Any]:
    return {**FLIGHT_INPUTS, "fitted": fitted}


def test_it_is_trained_judged_and_served_by_what_is_delivered(platform: Platform, mlflow_url: str) -> None:
    import mlflow

    told = {"metric": "log_loss", "heuristic": "table", "parts": ["figures", "importance"]}
    trained = Trained(platform, flights_project(inputs=inputs(**FITTED), evaluation=told), mlflow_url)
    dataset = trained.snapshot(flights(), JANUARY)
    result = trained.ok(trained.train(dataset, "boosting"))
    assert 0.3 < result.metrics["log_loss"] < 0.6
    evaluated = trained.ok(trained.evaluate(dataset, [result.handover]))
    assert evaluated.metrics
    assert Tracking(trained.settings(), trained.project.name).client is not None
    rows = flights().head(200)[trained.project.inputs.all]
    model = mlflow.pyfunc.load_model(str(result.values["model_uri"]))
    assert [column.name for column in model.metadata.signature.inputs] == trained.project.inputs.all
    said = np.asarray(model.predict(rows))
    assert ((said > 0) & (said < 1)).all()
    one_by_one = [float(np.asarray(model.predict(rows.iloc[at : at + 1]))[0]) for at in (0, 7, 199)]
    assert one_by_one == pytest.approx(said[[0, 7, 199]].tolist(), abs=1e-9)


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
    from pydantic import ValidationError

    with pytest.raises((ValidationError, ConfigError)) as raised:
        flights_project(inputs=inputs(**fitted))
    assert said in str(raised.value)
