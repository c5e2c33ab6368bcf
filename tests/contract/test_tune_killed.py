"""A worker of a search is killed at any point of a trial's life: exactly the trials asked for are told.

Each point is one of Optuna's own calls, in a process of its own that kills itself there.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.search import alive, storage
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Result
from mlcycle.steps import tune_trial
from tests.contract.test_tune import conclude, dataset, plan, searching, states, trained, trials
from tests.snapshots import Trained

__all__ = ["dataset", "trained"]  # fixtures

#: Patches a method of a class so that the process dies at its call of a number, before or after the call.
DIES = """
import importlib, os, signal, sys, json
at = json.loads(sys.argv[3])
module, kind, name = at["method"]
owner = getattr(importlib.import_module(module), kind)
method, calls = getattr(owner, name), []
def and_dies(self, *given, **named):
    if at["holds"] in repr((given, named)):
        calls.append(1)
    dies = len(calls) == at["call"] and at["holds"] in repr((given, named))
    if dies and not at["after"]:
        os.kill(os.getpid(), signal.SIGKILL)
    found = method(self, *given, **named)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
setattr(owner, name, and_dies)
from mlcycle.steps.main import main
sys.exit(main(sys.argv[1], sys.argv[2], os.environ))
"""
RDB = ("optuna.storages._rdb.storage", "RDBStorage")


def at(method: str, holds: str = "", call: int = 2, *, after: bool = False) -> dict[str, Any]:
    """At the call of a number, of those that have the text in what they are given: by default the second."""
    return {"method": [*RDB, method], "holds": holds, "call": call, "after": after}


#: Where a worker dies in its second trial; how many trials have ended well by then.
POINTS = {
    "half of its parameters are drawn": (at("_set_trial_param", call=4), 1),
    "it is asked for and gave no sign of life": (at("record_heartbeat"), 1),
    "it gave one and nobody holds it": (at("set_trial_user_attr", "'held'"), 1),
    "it is held": (at("set_trial_user_attr", "'held'", after=True), 1),
    "its value is not written": (at("set_trial_state_values", "COMPLETE"), 1),
    "its value is written and not committed": (at("_set_trial_value_without_commit", after=True), 1),
    "its end is written": (at("set_trial_state_values", "COMPLETE", after=True), 2),
}
GRID = {
    "method": "grid",
    "trials": 4,
    "space": {"smoothing": {"low": 1, "high": 2, "step": 1}, "by": [["carrier"], ["origin"]]},
}


def killed(trained: Trained, planned: Result, work: str, folder: Path, point: dict[str, Any]) -> None:
    """A worker that dies at the point."""
    request = trained.request(
        "tune_trial", work, inputs={"tune_plan": [planned.handover]}, params={"search": "table"}
    )
    asked = folder / f"{secrets.token_hex(4)}.json"
    asked.write_text(request.model_dump_json())
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")}
    command = [sys.executable, "-c", DIES, str(asked), str(folder / "result.json"), json.dumps(point)]
    done = subprocess.run(command, env={**own, **trained.settings().as_env()}, check=False)
    assert done.returncode == -signal.SIGKILL


def points_told(trained: Trained) -> list[tuple[Any, ...]]:
    """The values of every trial that ended well, as Optuna keeps them."""
    return trained.platform.owner().query(
        "select string_agg(param_name || '=' || param_value, ' ' order by param_name) from search.trials "
        "join search.trial_params using (trial_id) where state = 'COMPLETE' group by trial_id order by 1"
    )


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that gives no sign of life is taken for dead within seconds, not minutes."""
    for module in (storage, alive, tune_trial):
        monkeypatch.setattr(module, "BEAT", 1)
    for module in (storage, tune_trial):
        monkeypatch.setattr(module, "SILENT", 3)
    monkeypatch.setattr(tune_trial, "LOOK_SECONDS", 0.5)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("where", list(POINTS))
def test_a_worker_killed_amid_a_trial_costs_no_trial_and_no_point_of_the_grid(
    trained: Trained, request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    trained = searching(trained, **GRID)
    planned = trained.ok(plan(trained, request.getfixturevalue("dataset")))
    point, told = POINTS[where]
    killed(trained, planned, "worker-0", tmp_path, point)
    assert states(trained).get("COMPLETE") == told
    trained.ok(trials(trained, planned, "worker-1"))  # the dead one never comes back
    assert states(trained) == {"COMPLETE": 4, **({"FAIL": 1} if told == 1 else {})}
    assert len(set(points_told(trained))) == 4
    trained.ok(conclude(trained, planned))
    tracking = Tracking(trained.settings(), trained.project.name)
    runs = tracking.client.search_runs([tracking.experiment], max_results=100)
    assert "RUNNING" not in {run.info.status for run in runs}


def test_whoever_buries_a_dead_trial_and_dies_before_it_is_queued_again_loses_no_point(
    trained: Trained, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    trained = searching(trained, **GRID)
    planned = trained.ok(plan(trained, request.getfixturevalue("dataset")))
    killed(trained, planned, "worker-0", tmp_path, POINTS["it is held"][0])
    killed(trained, planned, "worker-0", tmp_path, at("_create_new_trial", "'mlcycle:lost'", call=1))
    assert states(trained) == {"COMPLETE": 1, "FAIL": 1, "WAITING": 2}
    trained.ok(trials(trained, planned, "worker-0"))
    assert states(trained) == {"COMPLETE": 4, "FAIL": 1}
    assert len(set(points_told(trained))) == 4
