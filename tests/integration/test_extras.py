"""Each piece runs with its own extra alone: environments of their own, out of the one lock."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "mlcycle"
CORE = (
    "contract.py",
    "project_code.py",
    "errors.py",
    "settings.py",
    "cycle.py",
    "cli",
    "revision.py",
    "project",
    "ledger",
)
TORCH = (
    "models/checkpoint.py",
    "models/deep_cross_net.py",
    *(
        f"models/torch/{name}.py"
        for name in (
            "blocks",
            "fitting",
            "gang",
            "held",
            "interrupt",
            "loop",
            "meter",
            "retrieval",
            "rows",
            "start",
            "towers",
        )
    ),
)
#: What each extra must carry, and what must not come along with it.
PIECES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "": (CORE, ("airflow", "numpy", "fsspec")),
    "airflow": (
        (*CORE, "orchestration", "console", "housekeeping"),
        ("torch", "sklearn", "mlflow", "feast", "evidently"),
    ),
    "steps": ((*CORE, "steps", "adapters", "domain", "models", "checks"), ("torch", "airflow")),
    "torch": ((*CORE, "steps", "adapters", "domain", "models", *TORCH), ("airflow",)),
    "serving": (
        (
            *CORE,
            "domain",
            "models",
            "adapters/features",
            "adapters/artifacts",
            "adapters/tracking/model_cache.py",
        ),
        ("torch", "airflow", "mlflow", "great_expectations", "evidently"),
    ),
    "events": (
        (
            *CORE,
            "landing",
            "adapters/delivery/putting.py",
            "adapters/delivery/event_rows.py",
            "adapters/delivery/json_lines.py",
        ),
        ("torch", "airflow", "mlflow", "sklearn"),
    ),
    "demo": (
        (
            *CORE,
            "steps",
            "adapters",
            "domain",
            "models",
            *TORCH,
            "orchestration",
            "console",
            "local",
            "landing",
            "proposal",
            "checks",
        ),
        (),
    ),
}
#: Imported by a function that is called only where another extra is installed.
ELSEWHERE = {
    "steps/fit_job.py": ("torch",),  # asked for a GPU, which only families of the torch extra use
    # databases whose drivers are extras of their own; without them the reason is told
    "adapters/delivery/database_duckdb.py": ("duckdb",),
    "adapters/delivery/database_mysql.py": ("pymysql",),
    "models/lightgbm.py": ("lightgbm",),  # the family of that name has an extra of its own
    # exports that a candidate asks for; without the extras the reason is told instead
    "models/export/curve.py": ("onnx",),
    "models/export/ensembles.py": ("onnx",),
    "models/export/graphs.py": ("onnx",),
    "models/export/lines.py": ("onnx",),
    "models/export/compress.py": ("onnx",),
    "models/export/program.py": ("torch",),
    # networks are made where they are trained
    "models/deep_cross.py": ("torch",),
    "models/torch/dlrm.py": ("torch",),
    "models/torch/family.py": ("torch",),
    "models/torch/mlp.py": ("torch",),
    "models/torch/module.py": ("torch",),
    "models/torch/two_tower.py": ("torch",),
    "models/torch/wide_and_deep.py": ("torch",),
}
CHECK = """
import importlib, importlib.util, json, sys
modules, names, absent = json.load(sys.stdin)
for module in modules:
    importlib.import_module(module)
missing = [name for name in names if importlib.util.find_spec(name) is None]
too_much = [name for name in absent if importlib.util.find_spec(name) is not None]
print(json.dumps([missing, too_much]))
"""


def _files(parts: tuple[str, ...]) -> list[Path]:
    found = [
        f
        for part in parts
        for f in ([SOURCE / part] if part.endswith(".py") else (SOURCE / part).rglob("*.py"))
    ]
    left_out = {SOURCE / name for name in TORCH if name not in parts}
    return [file for file in found if "migrations" not in file.parts and file not in left_out]


def _module(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(file: Path) -> set[str]:
    """Packages of others that a file imports anywhere, in its functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    others = found - set(sys.stdlib_module_names) - {"mlcycle"}
    return others - set(ELSEWHERE.get(str(file.relative_to(SOURCE)), ()))


def _install(folder: Path, extra: str) -> Path:
    """An environment with mlcycle and one extra, everything as locked."""
    uv = Path(sys.executable).parent / "uv"
    env = {**os.environ}
    if links := env.get("PIP_FIND_LINKS"):
        env["UV_FIND_LINKS"] = links
    subprocess.run([uv, "venv", "--quiet", folder], check=True, env=env)
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    python = folder / "bin" / "python"
    command = [uv, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "requirements.lock", wanted]
    if extra in ("torch", "demo") and not links:  # as make setup: the CPU build where its index answers
        quick = {**env, "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
        done = subprocess.run([*command, "--torch-backend=cpu"], env=quick, capture_output=True, check=False)
        if done.returncode == 0:
            return python
    subprocess.run(command, check=True, env=env)
    return python


@pytest.mark.parametrize("extra", PIECES, ids=[name or "core" for name in PIECES])
def test_a_piece_imports_with_its_own_extra_alone(extra: str, tmp_path: Path) -> None:
    parts, absent = PIECES[extra]
    files = _files(parts)
    names = set().union(*map(_imported, files))
    python = _install(tmp_path / "env", extra)
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path / "airflow"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [python, "-c", CHECK],
        input=json.dumps([sorted(map(_module, files)), sorted(names), absent]),
        env={**env, "AIRFLOW__CORE__UNIT_TEST_MODE": "True"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [[], []]


def test_the_lock_holds_every_extra() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {
        line.partition("==")[0]
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    }
    declared = {name for group in project["optional-dependencies"].values() for name in group} | set(
        project["dependencies"]
    )
    plain = {
        name.partition("=")[0].partition("~")[0].partition(">")[0].partition("[")[0] for name in declared
    }
    assert plain - {"mlcycle"} <= locked
