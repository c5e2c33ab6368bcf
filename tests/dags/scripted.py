"""A runner for tests of Airflow's side: writes each request down and answers as a script says.

``MLCYCLE_SCRATCH`` is the folder: ``requests/`` gets a file for each try, ``script.json`` maps a
step (or a task id) to the answers of its tries, the last of them repeated. Without an entry the
step ends ok.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from mlcycle.contract import Request, Result
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.base import Handle, Staying


class ScriptedRunner(Staying):
    """Stands where a process or a pod would be."""

    durable: ClassVar[bool] = False

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = Path(env["MLCYCLE_SCRATCH"])
        self._killed = False
        self._answer: dict[str, Any] = {}
        self._until = 0.0
        self._line = ""

    def submit(self, request: Request, placement: Placement, *, role: str) -> Handle:
        """Note the request; take the next answer of the script."""
        self._line = f"role {role}, {placement.limits.cpu:g} cpu"
        origin = request.origin
        name = f"{origin.dag_id}.{origin.task_id}.{request.partitions.last if request.partitions else ''}"
        folder = self._folder / "requests"
        folder.mkdir(parents=True, exist_ok=True)
        before = len(list(folder.glob(f"{name}.*.json")))
        (folder / f"{name}.{before}.json").write_text(request.model_dump_json())
        script = self._folder / "script.json"
        answers = json.loads(script.read_text()) if script.exists() else {}
        mine = answers.get(origin.task_id) or answers.get(request.step) or [{}]
        self._answer = dict(mine[min(before, len(mine) - 1)])
        self._until = time.monotonic() + self._answer.pop("sleep", 0)
        return Handle(
            runner="scripted", id=name, work=request.work, place=str(folder), started_at=datetime.now(UTC)
        )

    def poll(self, handle: Handle, seconds: float) -> bool:
        """The answer's time has come."""
        until = time.monotonic() + seconds
        while time.monotonic() < min(until, self._until) and not self._killed:
            time.sleep(0.05)
        return self._killed or time.monotonic() >= self._until

    def logs(self, handle: Handle, since: int) -> tuple[Sequence[str], int]:
        """One line."""
        return [self._line][since:], 1

    def result(self, handle: Handle, request: Request) -> Result:
        """What the script says."""
        return answered(request, killed() if self._killed else self._answer)

    def clear(self, handle: Handle) -> None:
        """Nothing is left."""

    def cancel(self, handle: Handle) -> None:
        """End the run; leaves a mark for the test."""
        self._killed = True
        (self._folder / "killed").touch()

    def close(self) -> None:
        """Nothing is held."""


class ElsewhereRunner(Staying):
    """Steps that outlive their worker, as a pod does: they run in the test's own process.

    Each submitted step is a folder below ``elsewhere`` with its request and the number of the worker
    that submitted it; the test writes the result.
    """

    durable: ClassVar[bool] = True

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = Path(env["MLCYCLE_SCRATCH"]) / "elsewhere"

    def submit(self, request: Request, placement: Placement, *, role: str) -> Handle:
        """Leave the request where the test finds it."""
        name = uuid.uuid4().hex
        place = self._folder / name
        place.mkdir(parents=True)
        (place / "worker").write_text(str(os.getpid()))
        (place / "request.json").write_text(request.model_dump_json())
        return Handle(
            runner="elsewhere", id=name, work=request.work, place=str(place), started_at=datetime.now(UTC)
        )

    def poll(self, handle: Handle, seconds: float) -> bool:
        """The result is there."""
        until = time.monotonic() + seconds
        while not (Path(handle.place) / "result.json").exists():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def logs(self, handle: Handle, since: int) -> tuple[Sequence[str], int]:
        """It says nothing."""
        return [], 0

    def result(self, handle: Handle, request: Request) -> Result:
        """What the test wrote."""
        return Result.model_validate_json((Path(handle.place) / "result.json").read_bytes())

    def clear(self, handle: Handle) -> None:
        """Remove the result; where a test wants it, this worker does not live to tell Airflow."""
        (Path(handle.place) / "result.json").unlink(missing_ok=True)
        while (Path(handle.place) / "stay").exists():
            time.sleep(0.05)

    def cancel(self, handle: Handle) -> None:
        """Leave a mark."""
        (Path(handle.place) / "cancelled").touch()

    def close(self) -> None:
        """The step goes on."""


class AwayRunner(ElsewhereRunner):
    """The same, and the task lets go of its slot meanwhile."""

    away: ClassVar[timedelta | None] = timedelta(seconds=2)
    stay: ClassVar[float] = 3.0


def killed() -> dict[str, Any]:
    """The answer of a step that was killed."""
    error = {"kind": "killed", "message": "killed by a signal", "retryable": True}
    return {"status": "failed", "error": error}


def answered(request: Request, answer: dict[str, Any]) -> Result:
    """A result out of an answer; ``again_in`` seconds become the moment ``again_at``."""
    if "again_in" in answer:
        answer = dict(answer)
        answer["again_at"] = datetime.now(UTC) + timedelta(seconds=answer.pop("again_in"))
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
