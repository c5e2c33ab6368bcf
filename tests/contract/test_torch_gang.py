"""Data parallel: two processes that torchrun starts learn what one does on the same batches."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Result
from tests.conftest import ROOT, Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project
from tests.table_job import fit, job, said

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from mlcycle.models.torch import held
from tests.table_job import fit, job, losses_of, said

family, options, out = sys.argv[1:]
options = json.loads(options)
held.LARGE = 100  # as the shops' embeddings are
rank, dies, kept = os.environ.get("RANK", "0"), options.pop("dies", ""), Path(out, "kept")
told = []

def report(done, of, figures):
    told.append([done, *losses_of(figures)])
    if dies and done == 1:
        os.kill(os.getpid(), signal.SIGTERM)

of = job(report=report, weighted=True, count=1999, checkpoints=kept if kept.exists() else None)
model = fit(family, of, dropout=0.0, **options)
Path(out, f"rank-{rank}.json").write_text(json.dumps({"told": told, "said": said(model, of).tolist()}))
"""


def _run(folder: Path, family: str, options: dict[str, Any], processes: int) -> list[dict[str, Any]]:
    done = _started(folder, family, options, processes)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(processes)]


def _started(
    folder: Path, family: str, options: dict[str, Any], processes: int
) -> "subprocess.CompletedProcess[str]":
    folder.mkdir(exist_ok=True)
    program = folder / "program.py"
    program.write_text(PROGRAM)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [sys.executable, *(torchrun if processes > 1 else []), program, family, json.dumps(options), folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


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


@pytest.mark.parametrize("family", ["mlp", "deep_cross"])
def test_two_processes_with_a_share_of_the_network_each_learn_what_one_does(
    family: str, tmp_path: Path
) -> None:
    (alone,) = _run(tmp_path / "one", family, {"accumulate": 3, "clip": 0.05}, 1)
    leader, _ = _run(tmp_path / "two", family, {"accumulate": 3, "clip": 0.05, "shares": True}, 2)
    np.testing.assert_allclose(leader["told"], alone["told"], atol=1e-5)
    np.testing.assert_allclose(leader["said"], alone["said"], atol=1e-5)


@pytest.mark.parametrize("shares", [False, True], ids=["whole", "shares"])
def test_two_processes_that_are_ended_go_on_where_they_were(shares: bool, tmp_path: Path) -> None:
    options = {"shares": shares}
    undisturbed, _ = _run(tmp_path / "undisturbed", "mlp", options, 2)
    folder = tmp_path / "ended"
    (folder / "kept").mkdir(parents=True)
    done = _started(folder, "mlp", {**options, "dies": "in the first round"}, 2)
    assert done.returncode != 0
    assert not list(folder.glob("rank-*.json"))
    leader, _ = _run(folder, "mlp", options, 2)
    assert [done for done, *_ in leader["told"]] == [2, 3]
    assert leader["told"] == undisturbed["told"][1:]
    assert leader["said"] == undisturbed["said"]


LEADS = """
import json, os, sys
from pathlib import Path
from mlcycle.models.torch.gang import announce, assembled, heard
from tests.table_job import fit, job, said

with assembled():
    if os.environ["RANK"] == "0":
        announce({"seed": 3})
        fit("mlp", job(count=500), seed=3, epochs=1)
        alone = fit("mlp", job(count=500), seed=4)  # nobody else knows of it
        announce(None)
        Path(sys.argv[1]).write_text(json.dumps(said(alone, job()).tolist()))
    else:
        while (told := heard()) is not None:
            fit("mlp", job(count=500), **told, epochs=1)
"""


def test_what_the_first_process_does_not_announce_it_fits_alone(tmp_path: Path) -> None:
    program, out = tmp_path / "program.py", tmp_path / "said.json"
    program.write_text(LEADS)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *torchrun, program, out],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    expected = said(fit("mlp", job(count=500), seed=4), job())
    assert json.loads(out.read_text()) == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.fixture
def gang_of_two(platform: Platform, mlflow_url: str) -> Trained:
    """A project whose network asks for two GPUs; where none can be seen, it trains on the CPU."""
    project = flights_project()
    document = project.document()
    network = document["candidates"]["network"]
    network.update(resources={"gpu": 2}, params={**network["params"], "dropout": 0.0})
    return Trained(platform, type(project).model_validate(document), mlflow_url)


def _step(trained: Trained, request: Any, folder: Path) -> tuple[Result, str]:
    """As a pod with two GPUs starts a step."""
    folder.mkdir()
    (folder / "request.json").write_text(request.model_dump_json())
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    step = ["-m", "mlcycle", "step", request.step]
    documents = ["--request", folder / "request.json", "--result", folder / "result.json"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")}
    done = subprocess.run(
        [sys.executable, *torchrun, *step, *documents],
        env={**env, **trained.settings().as_env(), "MLCYCLE_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    result = folder / "result.json"
    assert result.exists(), done.stderr[-3000:]
    return Result.model_validate_json(result.read_text()), done.stderr


def test_a_step_of_two_processes_is_one_attempt_with_one_run(gang_of_two: Trained, tmp_path: Path) -> None:
    dataset = gang_of_two.snapshot(flights(), JANUARY)
    params = {"candidate": "network"}
    request = gang_of_two.request("train", "gang", inputs={"dataset": [dataset]}, params=params)
    result, told = _step(gang_of_two, request, tmp_path / "first")
    gang_of_two.ok(result)
    assert told.count("round 2 of 2") == 1
    attempts = "select count(*) from ledger.attempt where work = 'gang' and %s <> ''"
    assert gang_of_two.rows(attempts) == [(1,)]
    tracking = Tracking(gang_of_two.settings(), gang_of_two.project.name)
    (run,) = tracking.client.search_runs([tracking.experiment])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["rows_per_second"] > 0
    alone = gang_of_two.ok(gang_of_two.train(dataset, "network"))
    assert result.metrics["log_loss"] == pytest.approx(alone.metrics["log_loss"], abs=1e-5)
    # What is done already is answered without a fit, and the second process does not wait for one.
    again, _ = _step(gang_of_two, request, tmp_path / "again")
    assert again.replayed
    assert again.values == result.values


def test_what_stops_the_first_process_ends_the_others(gang_of_two: Trained, tmp_path: Path) -> None:
    dataset = gang_of_two.snapshot(flights().assign(distance="far"), JANUARY)
    params = {"candidate": "network"}
    request = gang_of_two.request("train", inputs={"dataset": [dataset]}, params=params)
    result, _ = _step(gang_of_two, request, tmp_path / "bad")
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("input", False)
    nothing = gang_of_two.request("train", params=params)
    result, _ = _step(gang_of_two, nothing, tmp_path / "nothing")
    assert result.error is not None
    assert "expects one result of 'dataset'" in result.error.message
