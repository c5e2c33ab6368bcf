"""A search's space against what its family takes."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.errors import ConfigError
from mlcycle.models.search_space import space_of
from mlcycle.project import Candidate
from tests.conftest import ROOT


def boosting(**search: Any) -> Candidate:
    document = {"family": "hist_gradient_boosting", "params": {"max_iter": 50}, "search": search}
    return Candidate.model_validate(document)


def test_a_number_is_what_its_family_takes_it_for() -> None:
    space = space_of(
        boosting(
            space={
                "learning_rate": {"low": 0.01, "high": 0.3, "log": True},
                "max_depth": {"low": 2, "high": 8},
                "early_stopping": [True, False],
            }
        )
    )
    assert (space["learning_rate"].kind, space["learning_rate"].log) == ("float", True)
    assert (space["max_depth"].kind, space["max_depth"].points()) == ("int", [2, 3, 4, 5, 6, 7, 8])
    assert space["early_stopping"].choices == (True, False)


def test_layers_of_a_network_are_choices() -> None:
    search = {"space": {"layers": [[64, 32], [128], []], "cross_layers": {"low": 0, "high": 3}}}
    network = Candidate.model_validate({"family": "deep_cross", "search": search})
    assert space_of(network)["layers"].contains([128])


def test_layers_are_depth_width_and_shape() -> None:
    said = {"depth": [1, 4], "width": [16, 256], "shape": ["constant", "pyramid"]}
    space = space_of(Candidate.model_validate({"family": "mlp", "search": {"space": {"layers": said}}}))
    assert list(space) == ["layers.depth", "layers.width", "layers.shape"]
    assert (space["layers.width"].log, space["layers.shape"].needs) == (True, ("layers.depth", 2))


@pytest.mark.parametrize(
    ("family", "space", "says"),
    [
        ("mlp", {"layers": {"depth": [0, 2], "width": [8, 16]}}, "greater than or equal to 1"),
        ("mlp", {"layers": {"depth": [3, 2], "width": [8, 16]}}, "depth goes from 3 to 2: say the least"),
        (
            "mlp",
            {"layers": {"depth": [1, 2], "width": [8, 16], "shape": ["cube"]}},
            "'constant' or 'pyramid'",
        ),
        ("mlp", {"layers": {"depth": [1, 2]}}, "width"),
        ("mlp", {"epochs": {"depth": [1, 2], "width": [8, 16]}}, "the parameter is no list of widths"),
        ("deep_cross", {"layers": {"depth": [1, 17], "width": [8, 16]}}, "less than or equal to 16"),
    ],
)
def test_layers_that_are_none_are_said_in_one_line(family: str, space: dict[str, Any], says: str) -> None:
    with pytest.raises((ConfigError, ValidationError)) as caught:
        space_of(Candidate.model_validate({"family": family, "search": {"space": space}}))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("space", "method", "says"),
    [
        ({"depth": {"low": 1, "high": 3}}, "tpe", "no parameter 'depth': there are seed, learning_rate"),
        ({"max_iter": {"low": 0, "high": 10}}, "tpe", "max_iter: 0 is refused"),
        ({"max_iter": {"low": 1, "high": 10**6}}, "tpe", "max_iter: 1000000 is refused"),
        ({"max_iter": {"low": 1.5, "high": 10}}, "tpe", "low 1.5 is no integer, which the parameter is"),
        ({"max_iter": {"low": 1, "high": 10, "step": 0.5}}, "tpe", "step 0.5 is no integer"),
        ({"early_stopping": {"low": 0, "high": 1}}, "tpe", "the parameter is no number: give choices"),
        ({"max_bins": [16, 999]}, "tpe", "max_bins: 999 is refused"),
        ({"max_bins": [16, 16]}, "tpe", "a choice is given twice"),
        ({"learning_rate": {"low": 0.1, "high": 1}}, "grid", "a grid needs steps"),
        ({"max_iter": [10, 20], "learning_rate": {"low": 0.1, "high": 1}}, "cmaes", "two numbers or more"),
    ],
)
def test_what_the_family_refuses_is_said_in_one_line(space: dict[str, Any], method: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space_of(boosting(space=space, method=method))
    assert says in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"space": {"a": {"low": 2, "high": 1}}}, "low 2 is not below high 1"),
        ({"space": {"a": {"low": 0, "high": 1, "log": True}}}, "low 0 has no logarithm"),
        ({"space": {"a": {"low": 1, "high": 9, "log": True, "step": 2}}}, "log and step exclude each other"),
        ({"space": {"a": {"low": 1, "high": 9, "steps": 2}}}, "Extra inputs are not permitted"),
        ({"space": {"a": []}}, "at least 1 item"),
        ({"space": {}}, "at least 1 item"),
        ({"space": {"A b": [1]}}, "should match pattern"),
        ({"space": {"a": [1, 2]}, "method": "magic"}, "'grid', 'random', 'tpe', 'gp', 'cmaes' or 'nsga2'"),
        ({"space": {"a": [1, 2]}, "trials": 0}, "greater than or equal to 1"),
    ],
)
def test_nonsense_is_refused_when_the_file_is_read(search: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + says.replace("'", ".")):
        boosting(**search)


def test_a_trial_is_one_process() -> None:
    document = boosting(space={"max_iter": [10, 20]}).model_dump(mode="json")
    document["resources"]["gpu"] = 2
    with pytest.raises(ConfigError, match="a trial trains in one process, the resources ask for 2"):
        space_of(Candidate.model_validate(document))


def test_mlcycle_check_names_the_file_the_candidate_and_the_parameter(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "projects" / "flights", tmp_path / "flights")
    file = tmp_path / "flights" / "project.yaml"
    file.write_text(file.read_text().replace("max_leaf_nodes: {low", "leaves: {low"))
    result = CliRunner().invoke(app, ["check", "--projects", str(tmp_path)])
    assert result.exit_code == 20
    line = 1 + next(at for at, row in enumerate(file.read_text().splitlines()) if "leaves: {low" in row)
    where = f"{file}:{line}: candidates.boosting.search.space.leaves"
    assert f"{where}: no parameter 'leaves': there are" in result.output
