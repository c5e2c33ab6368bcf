"""What training.sample may say, and what is refused in one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.file import load
from tests.conftest import ROOT


def flights(sample: dict[str, Any], folder: Path) -> Project:
    given = yaml.safe_load((ROOT / "projects/flights/project.yaml").read_text())
    given.setdefault("training", {})["sample"] = sample
    folder = folder / "flights"
    folder.mkdir(exist_ok=True)
    for path in (ROOT / "projects/flights").iterdir():
        if path.is_file() and path.name != "project.yaml":
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "project.yaml").write_text(yaml.safe_dump(given))
    return load(folder / "project.yaml")


def test_it_is_read_and_its_columns_are_of_the_dataset(tmp_path: Path) -> None:
    project = flights({"rows": 1000, "strata": ["origin"], "weight": "distance"}, tmp_path)
    assert project.sampling is not None
    assert (project.sampling.rows, project.sampling.strata) == (1000, ("origin",))
    assert {"origin", "distance"} <= set(project.dataset_columns)
    by_class = flights({"classes": {0: 0.1}}, tmp_path)
    assert by_class.sampling is not None
    assert by_class.sampling.classes == {0: 0.1}


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ({}, "says nothing: say one of share, rows and classes"),
        ({"share": 0.1, "rows": 10}, "says share and rows: say one"),
        ({"classes": {"late": 0.1}}, "names 'late': the classes are 0, 1"),
        ({"share": 0.1, "weight": "distance"}, "weight is beside rows"),
        ({"classes": {1: 0.1}, "strata": ["origin"]}, "strata is beside share or rows"),
        ({"rows": 10, "strata": ["planet"]}, "'planet' is no column of the entity table or a view"),
        ({"rows": 10, "weight": "origin"}, "'origin' is no numeric column"),
        ({"share": 1.5}, "share"),
    ],
)
def test_what_it_cannot_mean_is_refused(sample: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        flights(sample, tmp_path)
