"""A training whose process is killed, at any moment, ends with the losses of one that nobody disturbed."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

CASES = [("deep_cross", "no"), ("mlp", "yes")]  # family, and whether rows are streamed
#: Ends as soon as it is told: after the first attempt there is a state of it, the second goes on from that.
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from mlcycle.models.torch import loop
from tests.table_job import fit, job, losses_of, said

folder, family, dies_at, how, stream = sys.argv[1:]
steps, told = 0, []
step = loop.Training._step

def counted(training, model, batch):
    global steps
    steps += 1
    if steps == int(dies_at):
        os.kill(os.getpid(), getattr(signal, how))
    return step(training, model, batch)

loop.Training._step = counted
minutes = 1e-9 if how == "SIGKILL" else 60.0
of = job(report=lambda done, _of, figures: told.append([done, *losses_of(figures)]), checkpoints=Path(folder))
model = fit(family, of, stream=stream == "yes", checkpoint_minutes=minutes)
print(json.dumps({"told": told, "steps": steps, "said": said(model, of).tolist()}))
"""
STEPS = 3 * 32  # rounds of 2,000 rows in batches of 64


def _run(
    folder: Path, family: str, dies_at: int = 0, how: str = "SIGKILL", stream: str = "no"
) -> tuple[int, str]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, family, str(dies_at), how, stream],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout or done.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each way to hold rows ends with."""
    found = {}
    for family, stream in CASES:
        code, text = _run(tmp_path_factory.mktemp(family), family, stream=stream)
        assert code == 0, text
        found[family] = json.loads(text)
        assert found[family]["steps"] == STEPS
    return found


@pytest.mark.parametrize(("how", "seed"), [("SIGKILL", 11), ("SIGTERM", 12)], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize(("family", "stream"), CASES, ids=["memory", "disk"])
def test_a_killed_training_ends_as_if_nothing_had_happened(
    undisturbed: dict[str, Any], family: str, stream: str, how: str, seed: int, tmp_path: Path
) -> None:
    expected = undisturbed[family]
    at = random.Random(f"{seed} {family}").randrange(2, STEPS)
    code, text = _run(tmp_path / "fit", family, at, how, stream)
    assert code == -getattr(signal, how), text
    assert [path.name for path in (tmp_path / "fit").iterdir()] == ["state.pt"], at
    code, text = _run(tmp_path / "fit", family, 0, how, stream)
    assert code == 0, text
    again = json.loads(text)
    # Killed before a step is that step's work lost; asked to end, it is done and kept.
    assert again["steps"] == STEPS - at + (1 if how == "SIGKILL" else 0), at
    assert again["told"] == expected["told"][-len(again["told"]) :], at
    assert again["said"] == expected["said"], at
