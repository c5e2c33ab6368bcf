"""A model where there is no mlcycle: MLflow loads it with what its requirements name, and it says the same."""

import importlib.metadata as metadata
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcycle.adapters.tracking import model_code
from mlcycle.adapters.tracking.server import fetch_model
from mlcycle.contract import Handover
from mlcycle.models.store import load
from mlcycle.project import Project
from mlcycle.project.signature import signature_types
from tests.conftest import Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project

#: Loads and predicts where there is nothing but the requirements with all that they require: another package that
#: is installed here is not found, nor is mlcycle.
ELSEWHERE = """
import importlib.metadata, json, re, sys
model, rows, allowed = sys.argv[1], sys.argv[2], set(json.loads(sys.argv[3]))
owners = importlib.metadata.packages_distributions()

class Fence:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        names = {re.sub(r"[-_.]+", "-", one).lower() for one in owners.get(top, [])}
        if path is None and (names and not names & allowed or top == "mlcycle" and not beside()):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def beside():
    return any(place.startswith(model) for place in sys.path)

sys.meta_path.insert(0, Fence())
for absent in ("mlcycle", "pytest"):
    try:
        __import__(absent)
    except ImportError:
        continue
    raise SystemExit(f"{absent} is importable")
import mlflow, pandas as pd
loaded = mlflow.pyfunc.load_model(model)
frame = pd.read_parquet(rows)
gaps = frame.astype({"sched_hour": "float64"})
gaps.loc[0, "sched_hour"] = float("nan")
print(json.dumps({"said": list(map(float, loaded.predict(frame))), "gaps": list(map(float, loaded.predict(gaps))),
                  "from": sys.modules["mlcycle"].__file__}))
"""


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, flights_project(), mlflow_url)


def test_a_stranger_loads_a_model_by_its_requirements_alone(trained: Trained, tmp_path: Path) -> None:
    dataset: Handover = trained.snapshot(flights(), JANUARY)
    values = trained.ok(trained.train(dataset, "boosting")).values
    folder = fetch_model(trained.settings(), values["model_uri"], values["manifest"], tmp_path / "model")
    rows = flights().head(50)[trained.project.inputs.all]
    rows.to_parquet(tmp_path / "rows.parquet")
    requirements = (folder / "requirements.txt").read_text().split()
    assert not [line for line in requirements if line.startswith("mlcycle") or "+" in line]
    allowed = sorted({*_closure([re.split("[=<>]", line)[0] for line in requirements]), "pyarrow"})
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(folder), str(tmp_path / "rows.parquet"), json.dumps(allowed)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert model_code.ARCHIVE in told["from"]
    model = load(folder)
    assert told["said"] == pytest.approx(list(map(float, model.predict(rows))), abs=1e-12)
    gaps = rows.astype({"sched_hour": "float64"})
    gaps.loc[0, "sched_hour"] = np.nan
    assert told["gaps"] == pytest.approx(list(map(float, model.predict(gaps))), abs=1e-12)


def _closure(names: list[str]) -> set[str]:
    """Distributions with all that they require."""
    found: set[str] = set()
    left = [_normal(name) for name in names]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needs: list[str] = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        left += [_normal(re.split(r"[^A-Za-z0-9._-]", need)[0]) for need in needs if "extra ==" not in need]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_same_code_is_the_same_bytes_and_holds_no_training(tmp_path: Path) -> None:
    first, second = (model_code.write(tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    with zipfile.ZipFile(first[1]) as archive:
        names = archive.namelist()
    assert "mlcycle/models/flavor.py" in names
    assert not [name for name in names if not name.startswith(("mlcycle/domain/", "mlcycle/models/", "mlcycle/project", "mlcycle/_", "mlcycle/e", "mlcycle/kept_files.py"))]  # fmt: skip
    assert not [name for name in names if "models/export" in name]


def test_the_signature_is_what_the_project_declares() -> None:
    project = flights_project()
    assert signature_types(project)["sched_hour"] == "any"  # its expectation lets a missing one through
    assert signature_types(project)["carrier"] == "string"
    assert signature_types(project)["distance"] == "double"
    document: dict[str, Any] = project.document()
    table = document["source"]["tables"][project.entity.table]
    expected = {"expect": "expect_column_values_to_not_be_null", "args": {"column": "sched_hour"}}
    table["expectations"].append({**expected, "severity": "warning"})
    assert signature_types(Project.model_validate(document))["sched_hour"] == "any"
    table["expectations"].append(expected)
    assert signature_types(Project.model_validate(document))["sched_hour"] == "long"
