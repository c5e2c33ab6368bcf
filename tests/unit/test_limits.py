"""What a step may use: defaults for every step, changed by the project, named where it is wrong."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from mlcycle.cycle import ROLES
from mlcycle.errors import ConfigError
from mlcycle.models import check_processes
from mlcycle.orchestration.placement import place
from mlcycle.project import Project, Resources
from mlcycle.project.file import load
from mlcycle.project.limits import DEFAULTS
from tests.conftest import ROOT

FLIGHTS = load(ROOT / "projects" / "flights" / "project.yaml")


def with_steps(**steps: dict[str, object]) -> Project:
    return Project.model_validate({**FLIGHTS.document(), "steps": steps})


def test_every_step_of_the_cycle_has_defaults() -> None:
    assert set(DEFAULTS) == set(ROLES)
    for name, limits in DEFAULTS.items():
        assert timedelta(0) < limits.time <= timedelta(hours=6), name
        assert FLIGHTS.limits(name) == limits


def test_a_project_changes_what_it_names_and_nothing_else() -> None:
    project = with_steps(
        train={"time": "2 hours", "memory": "12Gi"}, score={"cpu": 3, "retries": 5, "memory": "512Mi"}
    )
    train, score = project.limits("train"), project.limits("score")
    assert (train.time, train.memory, train.cpu) == (timedelta(hours=2), 12 * 1024**3, 1)
    assert (score.cpu, score.retries, score.memory) == (3, 5, 512 * 1024**2)
    assert score.time == DEFAULTS["score"].time
    assert project.limits("labels") == DEFAULTS["labels"]
    assert Project.model_validate(project.document()).limits("train") == train


def test_a_candidates_resources_go_above_those_of_its_step() -> None:
    project = with_steps(train={"time": "2 hours", "memory": "12Gi", "cpu": 1})
    boosting = project.limits("train", "boosting")
    assert (boosting.time, boosting.memory, boosting.cpu) == (timedelta(hours=2), 2 * 1024**3, 2)
    assert project.limits("train", "carrier_hour_rate").memory == 12 * 1024**3
    assert Project.model_validate(project.document()).limits("train", "boosting") == boosting


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"trian": {}}, "no step 'trian': there are extract"),
        ({"train": {"time": "2 hrs"}}, "is not a duration"),
        ({"train": {"time": "0 hours"}}, "not between a minute and 14 days"),
        ({"train": {"memory": "4 GB"}}, "should match pattern"),
        ({"train": {"retries": -1}}, "greater than or equal to 0"),
        ({"train": {"gpu": 1}}, "Extra inputs"),
    ],
    ids=["step", "duration", "no time", "memory", "retries", "key"],
)
def test_a_wrong_limit_is_refused(steps: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        with_steps(**steps)


def test_the_place_of_a_step_follows_from_settings_project_and_step() -> None:
    env = {"MLCYCLE_RUNNER": "docker", "MLCYCLE_IMAGE": "mlcycle:1", "MLCYCLE_RUNNER_TRAIN": "kubernetes"}
    train, score = place(env, FLIGHTS, "train", "boosting"), place(env, FLIGHTS, "score")
    assert (train.runner, train.image, train.limits.cpu) == ("kubernetes", "mlcycle:1", 2)
    assert (score.runner, score.limits) == ("docker", DEFAULTS["score"])
    assert place({}, FLIGHTS, "score").runner == "process"


def test_a_training_on_several_nodes_says_how_many_gpus_each_has() -> None:
    resources = Resources(gpu=2, nodes=3, gpu_kind="h100", spot=True)
    assert resources.processes == 6
    assert Resources().processes == 1
    for wrong, message in (({"nodes": 2}, "say gpu"), ({"gpu_kind": "h100"}, "asks for no GPU")):
        with pytest.raises(ValidationError, match=message):
            Resources.model_validate(wrong)


def test_a_family_that_trains_in_one_process_is_asked_for_no_more() -> None:
    check_processes("hist_gradient_boosting", 1)
    check_processes("deep_cross", 4)
    with pytest.raises(
        ConfigError, match="'hist_gradient_boosting' trains in one process, its resources ask for 4"
    ):
        check_processes("hist_gradient_boosting", 4)
