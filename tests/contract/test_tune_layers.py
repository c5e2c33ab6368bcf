"""A search over architectures: depth, width and shape are searched, and the winner is a plain candidate."""

import dataclasses

import pytest
import yaml

from mlcycle.contract import Handover, Result
from mlcycle.project import Candidate, Project
from tests.conftest import Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project

LAYERS = {"depth": [1, 3], "width": [4, 16], "shape": ["constant", "pyramid"]}


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    given = Trained(platform, flights_project(), mlflow_url)
    document = given.project.document()
    document["candidates"]["network"]["params"] |= {"layers": [8, 4], "epochs": 1}
    document["candidates"]["network"]["search"] = {"space": {"layers": LAYERS}, "method": "tpe", "trials": 4}
    return dataclasses.replace(given, project=Project.model_validate(document))


def step(trained: Trained, name: str, handover: Handover, before: str) -> Result:
    return trained.ok(trained.step(name, inputs={before: [handover]}, params={"search": "network"}))


def test_an_architecture_is_found_and_written_as_a_candidate(trained: Trained) -> None:
    planned = step(trained, "tune_plan", trained.snapshot(flights(), JANUARY), "dataset")
    trials = step(trained, "tune_trial", planned.handover, "tune_plan")
    assert trials.values["told"] == 4
    found = step(trained, "tune_conclude", planned.handover, "tune_plan")
    assert found.metrics["log_loss_before"] > 0  # the project's own [8, 4] was tried first, as a pyramid
    written = trained.artifacts.get(found.outputs["winner"]).decode()
    candidate = Candidate.model_validate(yaml.safe_load(written)["network_tuned"])
    widths = candidate.params["layers"]
    assert found.values["params"] == {"layers": widths}
    assert isinstance(widths, list)
    assert 1 <= len(widths) <= 3
    assert not any("." in name for name in candidate.params)
    page = trained.artifacts.get(found.outputs["page"]).decode()
    assert all(name in page for name in ("layers.depth", "layers.width", "layers.shape"))
