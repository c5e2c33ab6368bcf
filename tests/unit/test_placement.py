"""Where a step runs: settings of all steps, and a step's own above them."""

import json

import pytest

from mlcycle.cycle import ROLES
from mlcycle.errors import ConfigError
from mlcycle.orchestration.placement import chosen, place, project_images
from mlcycle.project import Project
from tests.conftest import ROOT
from tests.raw_data import FLIGHTS

ENV = {"MLCYCLE_IMAGE": "all", "MLCYCLE_IMAGE_TRAIN": "cuda", "MLCYCLE_DOCKER_NETWORK_REQUEST_RETRAIN": "own"}


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [
        pytest.param("IMAGE", "score", "all", id="all steps"),
        pytest.param("IMAGE", "train", "cuda", id="a step's own"),
        pytest.param("DOCKER_NETWORK", "request_retrain", "own", id="a name of two words"),
        pytest.param("DOCKER_NETWORK", "score", "", id="nothing said"),
    ],
)
def test_a_step_s_own_setting_goes_above_that_of_all(name: str, step: str, expected: str) -> None:
    assert chosen(ENV, name, step) == expected


def test_a_refit_runs_where_a_training_does_unless_it_has_a_place_of_its_own() -> None:
    assert chosen(ENV, "IMAGE", "refit") == "cuda"
    assert chosen({**ENV, "MLCYCLE_IMAGE_REFIT": "mine"}, "IMAGE", "refit") == "mine"
    assert chosen({"MLCYCLE_IMAGE": "all"}, "IMAGE", "refit") == "all"


def test_a_project_with_packages_of_its_own_has_an_image_of_its_own() -> None:
    env = {**ENV, "MLCYCLE_PROJECT_IMAGES": "bike=r.example:5000/step:bike@sha256:ab, flights=own:1,"}
    assert project_images(env) == {"bike": "r.example:5000/step:bike@sha256:ab", "flights": "own:1"}
    assert place(env, FLIGHTS, "train").image == "cuda"
    packed = Project.model_validate({**FLIGHTS.document(), "code": {"requirements": ["holidays==0.58"]}})
    assert [place(env, packed, step).image for step in ("train", "score")] == ["own:1", "own:1"]
    with pytest.raises(ConfigError, match="'bike' is not NAME=IMAGE"):
        place({"MLCYCLE_PROJECT_IMAGES": "bike"}, packed, "score")


def test_every_step_may_have_an_image_of_its_own_in_the_chart() -> None:
    schema = json.loads((ROOT / "helm" / "mlcycle" / "values.schema.json").read_text())
    assert set(schema["properties"]["steps"]["properties"]["images"]["properties"]) == set(ROLES)
