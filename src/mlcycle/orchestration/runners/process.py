"""Runs a step as a local process: forked by the step server where one answers, else started anew.

Either way the step sees only its own environment, has no standard input, lives in a session of its
own and dies with the task: Airflow's worker hands its children a socket as standard input and its
secrets in the environment, and a killed task would leave its child running.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from pydantic import ValidationError

from mlcycle.contract import ErrorInfo, Request, Result, Status, code_version
from mlcycle.cycle import LIGHT
from mlcycle.domain.step_secrets import secret_names
from mlcycle.errors import Unavailable
from mlcycle.orchestration.runners.children import Child, Forked, Started
from mlcycle.project import Resources
from mlcycle.settings import scratch_base, step_environment

RESULT_BYTES = 16 * 1024 * 1024


class ProcessRunner:
    """One try of one step as a process of this machine."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._killed = False

    def run(self, request: Request, *, role: str, resources: Resources, log: Callable[[str], None]) -> Result:
        """Run the step to its end and return its result.

        A step that died without a result is FAILED: kind ``memory`` and final where the kernel ran
        out of memory meanwhile, else kind ``killed`` and retryable.
        """
        started_at, clock, kills = datetime.now(UTC), time.perf_counter(), _out_of_memory_kills()
        env = step_environment(os.environ, role, secret_names(request.project, request.step)).variables
        env.setdefault("MLCYCLE_THREADS", str(ceil(resources.cpu)))
        folder = _folder(env.get("MLCYCLE_SCRATCH", ""), request)
        try:
            self._child = self._start(request.step, folder, env)
            status = self._child.wait(log)
            result = _read(folder / "result.json", request)
        finally:
            if self._child is not None:
                child, self._child = self._child, None
                child.close()
            shutil.rmtree(folder, ignore_errors=True)
        if result is not None:
            return result
        error = self._explain(status, _out_of_memory_kills() > kills)
        return Result(
            step=request.step,
            work=request.work,
            status=Status.FAILED,
            message=error.message,
            error=error,
            started_at=started_at,
            seconds=round(time.perf_counter() - clock, 3),
            code_version=code_version(),
        )

    def kill(self) -> None:
        """End the step and everything it started: SIGTERM, then SIGKILL after two seconds."""
        self._killed = True
        if self._child is not None:
            self._child.kill(2.0)

    def _start(self, step: str, folder: Path, env: dict[str, str]) -> Child:
        names = ("MLCYCLE_LIGHT_STEP_SOCKET", "MLCYCLE_STEP_SOCKET")
        for name in names if step in LIGHT else names[1:]:
            server = os.environ.get(name, "")
            forked = Forked.ask(server, step, folder, env) if server else None
            if forked is not None:
                return forked
        return Started(step, folder, env)

    def _explain(self, status: int | None, out_of_memory: bool) -> ErrorInfo:
        if self._killed:
            return ErrorInfo(kind="killed", message="the step was stopped before it ended", retryable=True)
        code = None if status is None else os.waitstatus_to_exitcode(status)
        if code is None:
            how = "is gone: the step server that held it ended"
        elif code < 0:
            how = f"was killed by signal {-code} (exit code {128 - code})"
        else:
            how = f"ended with exit code {code}"
        if code == -9 and out_of_memory:
            message = f"the step {how}: the machine ran out of memory; give it more, or the step smaller work"
            return ErrorInfo(kind="memory", message=message, retryable=False)
        message = f"the step {how} and left no result; it will be tried again"
        return ErrorInfo(kind="killed", message=message, retryable=True)


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
        if path.stat().st_size > RESULT_BYTES:
            return None
        result = Result.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None
    return result if result.work in (request.work, "unknown") else None


def _out_of_memory_kills() -> int:
    """How often the kernel has killed a process for memory, on this machine or in our control group."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        try:
            lines = Path(path).read_text().splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return count
