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

#: Loads and predicts, mlcycle's checkout taken off the path; tells predictions and what was imported.
ELSEWHERE = """
import json, sys, sysconfig
sys.path = [p for p in sys.path if p.startswith((sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")))]
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f)]
try:
    import mlcycle
except ImportError:
    pass
else:
    raise SystemExit("mlcycle is importable")
import mlflow, pandas as pd
before = set(sys.modules)
model = mlflow.pyfunc.load_model(sys.argv[1])
frame = pd.read_parquet(sys.argv[2])
said = model.predict(frame)
gaps = frame.astype({"sched_hour": "float64"})
gaps.loc[0, "sched_hour"] = float("nan")
after = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"said": list(map(float, said)), "gaps": list(map(float, model.predict(gaps))),
                  "modules": sorted(after), "from": sys.modules["mlcycle"].__file__}))
"""


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, flights_project(), mlflow_url)


@pytest.mark.parametrize("candidate", ["table", "boosting"])
def test_a_stranger_loads_a_model_by_its_requirements_alone(
    trained: Trained, tmp_path: Path, candidate: str
) -> None:
    dataset: Handover = trained.snapshot(flights(), JANUARY)
    values = trained.ok(trained.train(dataset, candidate)).values
    folder = fetch_model(trained.settings(), values["model_uri"], values["manifest"], tmp_path / "model")
    rows = flights().head(50)[trained.project.inputs.all]
    rows.to_parquet(tmp_path / "rows.parquet")
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(folder), str(tmp_path / "rows.parquet")],
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
    requirements = (folder / "requirements.txt").read_text().split()
    assert not [line for line in requirements if line.startswith("mlcycle") or "+" in line]
    allowed = _closure([re.split("[=<>]", line)[0] for line in requirements])
    assert _distributions(told["modules"]) <= allowed


def _distributions(modules: list[str]) -> set[str]:
    """Distributions that modules belong to, by their normal names; mlcycle's own and Python's left out."""
    owners = metadata.packages_distributions()
    found = {name for module in modules for name in owners.get(module, [])}
    return {_normal(name) for name in found} - {"mlcycle"}


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
    assert not [name for name in names if not name.startswith(("mlcycle/domain/", "mlcycle/models/", "mlcycle/_", "mlcycle/e"))]  # fmt: skip
    assert not [name for name in names if "export" in name]


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
