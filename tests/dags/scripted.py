"""A runner for tests of Airflow's side: writes each request down and answers as a script says.

``MLCYCLE_SCRATCH`` is the folder: ``requests/`` gets a file for each try, ``script.json`` maps a
step (or a task id) to the answers of its tries, the last of them repeated. Without an entry the
step ends ok.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mlcycle.contract import Request, Result
from mlcycle.project import Resources


class ScriptedRunner:
    """Stands where a process or a pod would be."""

    def __init__(self) -> None:
        self._folder = Path(os.environ["MLCYCLE_SCRATCH"])
        self._killed = False

    def run(self, request: Request, *, role: str, resources: Resources, log: Callable[[str], None]) -> Result:
        """Note the request; return the next answer of the script."""
        log(f"role {role}, {resources.cpu:g} cpu")
        origin = request.origin
        name = f"{origin.dag_id}.{origin.task_id}.{request.partitions.last if request.partitions else ''}"
        folder = self._folder / "requests"
        folder.mkdir(parents=True, exist_ok=True)
        before = len(list(folder.glob(f"{name}.*.json")))
        (folder / f"{name}.{before}.json").write_text(request.model_dump_json())
        script = self._folder / "script.json"
        answers = json.loads(script.read_text()) if script.exists() else {}
        mine = answers.get(origin.task_id) or answers.get(request.step) or [{}]
        answer = dict(mine[min(before, len(mine) - 1)])
        until = time.monotonic() + answer.pop("sleep", 0)
        while time.monotonic() < until and not self._killed:
            time.sleep(0.05)
        if self._killed:
            answer = {
                "status": "failed",
                "error": {"kind": "killed", "message": "killed by a signal", "retryable": True},
            }
        return Result(
            **{
                "step": request.step,
                "work": request.work,
                "status": "ok",
                "started_at": datetime.now(UTC),
                "seconds": 0.0,
                "code_version": "test",
                **answer,
            }
        )

    def kill(self) -> None:
        """End the run; leaves a mark for the test."""
        self._killed = True
        (self._folder / "killed").touch()
