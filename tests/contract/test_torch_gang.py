"""Data parallel: two processes that torchrun starts learn what one does on the same batches."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT

PROGRAM = """
import json, os, sys
from pathlib import Path
from tests.table_job import fit, job, losses_of, said

family, options, out = sys.argv[1:]
told = []
of = job(report=lambda done, _of, figures: told.append([done, *losses_of(figures)]), weighted=True, count=1999)
model = fit(family, of, dropout=0.0, **json.loads(options))
rank = os.environ.get("RANK", "0")
Path(out, f"rank-{rank}.json").write_text(json.dumps({"told": told, "said": said(model, of).tolist()}))
"""


def _run(folder: Path, family: str, options: dict[str, Any], processes: int) -> list[dict[str, Any]]:
    folder.mkdir()
    program = folder / "program.py"
    program.write_text(PROGRAM)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *(torchrun if processes > 1 else []), program, family, json.dumps(options), folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.parametrize(
    ("family", "options"),
    [("mlp", {"clip": 0.05}), ("deep_cross", {"stream": True, "accumulate": 2, "patience": 2})],
    ids=["memory", "disk"],
)
def test_two_processes_learn_what_one_does(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    """1,999 rows: the last batch cannot be shared evenly."""
    (alone,) = _run(tmp_path / "one", family, options, 1)
    leader, other = _run(tmp_path / "two", family, options, 2)
    assert not other["told"]
    assert len(leader["told"]) == len(alone["told"]) == 3
    np.testing.assert_allclose(leader["told"], alone["told"], atol=1e-5)
    np.testing.assert_allclose(leader["said"], alone["said"], atol=1e-5)
    assert leader["said"] == other["said"]
