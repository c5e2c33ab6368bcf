"""Libraries without what a step never uses: left out, and there all the same for who needs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.lean_import import lean_import


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a heavy module and an extra."""
    (tmp_path / "heavy_one.py").write_text("answer = 42\n")
    (tmp_path / "extra_one").mkdir()
    (tmp_path / "extra_one" / "__init__.py").write_text("")
    (tmp_path / "library_one.py").write_text(
        "import heavy_one\n"
        "try:\n    import extra_one\nexcept ImportError:\n    extra_one = None\n"
        "def ask(): return heavy_one.answer\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("heavy_one", "extra_one", "library_one"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_what_comes_later_is_loaded_at_its_first_use(library: Path) -> None:
    with lean_import(later=["heavy_one"]):
        import library_one  # type: ignore[import-not-found]
    assert not is_loaded("heavy_one")
    assert library_one.ask() == 42
    assert is_loaded("heavy_one")


def test_what_is_absent_is_so_within_it_alone(library: Path) -> None:
    before = list(sys.meta_path)
    with lean_import(absent=["extra_one"]):
        import library_one
    assert library_one.extra_one is None
    assert sys.meta_path == before
    import extra_one  # type: ignore[import-not-found]

    assert extra_one.__file__


def is_loaded(name: str) -> bool:
    """Whether a module was run, and not only found."""
    return type(sys.modules.get(name)).__name__ == "module"


LEFT_OUT = """
import json, sys
from mlcycle.{module} import {warm_up}
{warm_up}()
loaded = [name for name in {names} if type(sys.modules.get(name)).__name__ == "module"]
{more}
print(json.dumps([loaded, more]))
"""


def run(module: str, warm_up: str, names: list[str], more: str) -> Any:
    code = LEFT_OUT.format(module=module, warm_up=warm_up, names=names, more=more)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_suite_runs_without_charts_distributions_and_clouds_and_has_distributions_when_it_asks() -> None:
    names = ["altair", "scipy.stats", "boto3", "botocore", "sqlalchemy"]
    more = """
import numpy as np, pandas as pd
from mlcycle.adapters.delivery.expectations import Suite
from mlcycle.project import Expectation
even = {"values": ["a", "b"], "weights": [0.5, 0.5]}
args = {"column": "y", "partition_object": even, "threshold": 0.1}
rule = Expectation.model_validate({"expect": "expect_column_kl_divergence_to_be_less_than", "args": args})
suite = Suite("t", [rule])
frames = [pd.DataFrame({"y": ["a", "b"] * 50}), pd.DataFrame({"y": ["a"] * 99 + ["b"]})]
more = [len(suite.run(frame, np.zeros(100, dtype=int))[0].batches) for frame in frames]
"""
    assert run("adapters.delivery.expectations", "warm_up", names, more) == [[], [0, 1]]


def test_feast_is_loaded_without_torch_and_leaves_typeguard_as_it_was() -> None:
    more = "import typeguard; more = typeguard.typechecked.__module__"
    assert run("adapters.features.library", "load_feast", ["torch"], more) == [[], "typeguard"]
