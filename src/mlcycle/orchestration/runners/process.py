"""Runs a step as a local process: forked by a step server where one answers, else started anew.

Either way the step sees only its own environment, has no standard input, lives in a session of its
own and dies with the task: Airflow's worker hands its children a socket as standard input and its
secrets in the environment, and a killed task would leave its child running. So nothing is to be
found again by a handle, and the next try starts the step anew.

What is enforced: wall-clock time; memory of the step's processes, looked at every second; ``cpu`` as
the number of compute threads.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import ClassVar

from mlcycle.contract import ErrorInfo, Request, Result
from mlcycle.domain.step_secrets import secret_names
from mlcycle.errors import Unavailable
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.base import Handle, Staying
from mlcycle.orchestration.runners.ending import RESULT_BYTES, failed, over_time, read_result
from mlcycle.orchestration.runners.step_process import Forked, Started, StepProcess
from mlcycle.orchestration.runners.usage import memory, out_of_memory_kills
from mlcycle.project import Limits
from mlcycle.settings import scratch_base, step_environment

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
MEMORY_SECONDS = 1.0  # between two looks at a step's memory


@dataclass
class _Running:
    """A step of this worker."""

    child: StepProcess
    limits: Limits
    kills: int  # of the kernel for want of memory, before it began
    began: float = field(default_factory=time.monotonic)
    measured: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    handed_on: int = 0
    over: ErrorInfo | None = None  # the limit that it was ended for


class ProcessRunner(Staying):
    """Steps as processes of this machine."""

    durable: ClassVar[bool] = False

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._running: dict[str, _Running] = {}
        self._cancelled = False

    def submit(self, request: Request, placement: Placement, *, role: str) -> Handle:
        """Start the step."""
        limits, kills = placement.limits, out_of_memory_kills()
        env = step_environment(self._env, role, secret_names(request.project, request.step)).variables
        env.setdefault("MLCYCLE_THREADS", str(ceil(limits.cpu)))
        folder = _folder(env.get("MLCYCLE_SCRATCH", ""), request)
        started_at = datetime.now(UTC)
        try:
            child = self._start(request.step, folder, env)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._running[str(child.pid)] = _Running(child, limits, kills)
        return Handle(
            runner="process", id=str(child.pid), work=request.work, place=str(folder), started_at=started_at
        )

    def poll(self, handle: Handle, seconds: float) -> bool:
        """Wait for the step's end or its next lines; end it where it is over its limits."""
        step = self._running.get(handle.id)
        if step is None:
            return True  # another worker's: it ended with that
        left = step.limits.time.total_seconds() - (time.monotonic() - step.began)
        if step.child.follow(step.lines.append, max(0.0, min(seconds, left, MEMORY_SECONDS))):
            return True
        if step.over is None:
            step.over = _over(step)
            if step.over is not None:
                step.child.kill(GRACE)
        return False

    def logs(self, handle: Handle, since: int) -> tuple[Sequence[str], int]:
        """Lines since; those before them are forgotten."""
        step = self._running.get(handle.id)
        if step is None:
            return [], since
        del step.lines[: max(0, since - step.handed_on)]
        step.handed_on = since
        return list(step.lines), since + len(step.lines)

    def cancel(self, handle: Handle) -> None:
        """SIGTERM, then SIGKILL after two seconds, to the step and everything it started."""
        self._cancelled = True
        step = self._running.get(handle.id)
        if step is not None:
            step.child.kill(GRACE)

    def result(self, handle: Handle, request: Request) -> Result:
        """What the step wrote, else why it could not."""
        step = self._running.get(handle.id)
        status = step.child.status() if step is not None else None
        result = _read(Path(handle.place) / "result.json", request)
        if result is None:
            error = self._explain(step, status)
            result = failed(request, handle.started_at, error)
        return result

    def clear(self, handle: Handle) -> None:
        """Remove the step's folder."""
        self._forget(handle.id)
        shutil.rmtree(handle.place, ignore_errors=True)

    def close(self) -> None:
        """End what still runs."""
        for pid in list(self._running):
            self._forget(pid)

    def _forget(self, pid: str) -> None:
        step = self._running.pop(pid, None)
        if step is not None:
            step.child.close()

    def _start(self, step: str, folder: Path, env: dict[str, str]) -> StepProcess:
        # A platform may keep a second, quicker server for some steps, and says which.
        light = step in self._env.get("MLCYCLE_LIGHT_STEPS", "").split(",")
        names = ("MLCYCLE_LIGHT_STEP_SOCKET", "MLCYCLE_STEP_SOCKET")
        for name in names if light else names[1:]:
            server = self._env.get(name, "")
            forked = Forked.ask(server, step, folder, env) if server else None
            if forked is not None:
                return forked
        return Started(step, folder, env)

    def _explain(self, step: _Running | None, status: int | None) -> ErrorInfo:
        if step is not None and step.over is not None:
            return step.over
        if self._cancelled:
            return ErrorInfo(kind="killed", message="the step was stopped before it ended", retryable=True)
        code = None if status is None else os.waitstatus_to_exitcode(status)
        if step is None:
            how = "is gone with the worker that started it"
        elif code is None:
            how = "is gone: the step server that held it ended"
        elif code < 0:
            how = f"was killed by signal {-code} (exit code {128 - code})"
        else:
            how = f"ended with exit code {code}"
        if step is not None and code == -9 and out_of_memory_kills() > step.kills:
            message = f"the step {how}: the machine ran out of memory; give it more, or the step smaller work"
            return ErrorInfo(kind="memory", message=message, retryable=False)
        message = f"the step {how} and left no result; it will be tried again"
        return ErrorInfo(kind="killed", message=message, retryable=True)


def _over(step: _Running) -> ErrorInfo | None:
    """The limit that the step is over, if it is over one."""
    now, limits = time.monotonic(), step.limits
    if now - step.began >= limits.time.total_seconds():
        return over_time(limits.time)
    if now - step.measured < MEMORY_SECONDS:
        return None
    step.measured = now
    used = memory(step.child.pid, over=limits.memory)
    if used <= limits.memory:
        return None
    message = (
        f"the step was ended: out of memory, it used {_gib(used)} of the {_gib(limits.memory)} it may use; "
        "give it more under steps in the project file, or smaller work"
    )
    return ErrorInfo(kind="memory", message=message, retryable=False)


def _gib(count: int) -> str:
    return f"{count / 1024**3:.2f} GiB"


def _folder(scratch: str, request: Request) -> Path:
    """A folder with the request, in scratch, where the platform clears up what killed tasks left."""
    try:
        base = scratch_base(Path(scratch) if scratch else None)
        folder = Path(tempfile.mkdtemp(prefix="mlcycle-step-", dir=base))
        (folder / "request.json").write_text(request.model_dump_json())
    except OSError as error:
        where = scratch or tempfile.gettempdir()
        raise Unavailable(
            f"the step's request cannot be written below {where}: {error.strerror}; make room there"
        ) from None
    return folder


def _read(path: Path, request: Request) -> Result | None:
    """The result the step wrote, if it is one and of this request."""
    try:
        too_large = path.stat().st_size > RESULT_BYTES
        return None if too_large else read_result(path.read_bytes(), request.work)
    except OSError:
        return None
