"""What a runner is, and which ones there are.

A runner starts a step somewhere and brings back its result: ``submit`` gives a handle, plain JSON
that names the step wherever it runs; all else is asked by the handle, by whoever holds it. Every
transport runs the same argv, ``mlcycle step NAME --request URI --result PATH``, and is imported only
when it is chosen.

A *durable* runner's steps outlive the worker that started them. Its handles are kept with the task
(Airflow's task state, which tries share), so that the next try finds its step again: running, ended,
or gone. The process runner is not durable: its steps die with their worker, on purpose.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Protocol, cast

from mlcycle.contract import Document, Request, Result
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.orchestration.placement import DEFAULT, Placement

#: Runners by the name that ``MLCYCLE_RUNNER`` may hold. A class of somebody else's is written as
#: its dotted path, ``package.module.Class``.
RUNNERS = {
    "process": "mlcycle.orchestration.runners.process.ProcessRunner",
    "docker": "mlcycle.orchestration.runners.docker.DockerRunner",
    "kubernetes": "mlcycle.orchestration.runners.kubernetes.KubernetesRunner",
}
LOOK = 1.0  # seconds that one poll may wait


class Handle(Document):
    """A step that was submitted, as whoever comes later finds it again.

    It holds no secret, and it is not to be trusted: who may edit tasks in Airflow may edit it. A runner
    checks that what it names carries the work's label.
    """

    runner: str
    id: str  # the runner's own name for it: a process, a container, a pod
    work: str  # of the request: a handle of other work is nobody's any more
    place: str  # folder or URL that request and result lie in
    started_at: datetime
    #: What of its lines was handed on before the task let go of its slot, as the runner writes it.
    told: str = ""


class Full(Unavailable):
    """A runner's place has no room for the step now; asked again, without a slot, for so long."""

    def __init__(self, message: str, patience: timedelta) -> None:
        super().__init__(message)
        self.patience = patience


class Runner(Protocol):
    """Starts steps in one kind of place; made anew for each try of a task."""

    #: Its steps outlive the worker. ``submit`` may then be told twice of one work (its worker died
    #: before it could keep the handle) and must find what it started the first time by the work's name.
    durable: ClassVar[bool]
    #: How long at most the task lets go of Airflow's slot between two looks at a running step, which are as
    #: far apart as a quarter of the time that it has run; None: it stays.
    away: ClassVar[timedelta | None]
    #: Seconds that the task stays with a step before it lets go.
    stay: ClassVar[float]

    def __init__(self, env: Mapping[str, str]) -> None:
        """``env`` is the starter's environment: the settings, and a DSN for each role."""

    def submit(self, request: Request, placement: Placement, *, role: str) -> Handle:
        """Start the step, as this database role (``step_environment``) and within the placement's limits.

        Raises an MlcycleError where it cannot be started at all, Full where it may be later.
        """

    def poll(self, handle: Handle, seconds: float) -> bool:
        """Wait for the step's end, at most so long, or until it said something; True once it ended.

        A step over its time or memory is ended here.
        """

    def logs(self, handle: Handle, since: int) -> tuple[Sequence[str], int]:
        """The lines that the step printed after the first ``since``, and how many there are by now."""

    def leave(self, handle: Handle) -> Handle:
        """The handle to come back with after the task let go, so that no line is handed on twice."""

    def cancel(self, handle: Handle) -> None:
        """End the step and all it started; from a signal handler too, more than once, and if it is gone."""

    def result(self, handle: Handle, request: Request) -> Result:
        """The result of a step that ended; asked again, the same, until it is cleared.

        One that left none is FAILED: of kind ``timeout`` or ``memory`` where it went over its limits,
        else of kind ``killed``, which is retryable.
        """

    def clear(self, handle: Handle) -> None:
        """Remove what a step that ended left, once its result is kept elsewhere; also if it is gone."""

    def close(self) -> None:
        """Let go of what this worker holds. A step that is not durable ends."""


class Staying:
    """What a runner says whose tasks stay with their steps."""

    away: ClassVar[timedelta | None] = None
    stay: ClassVar[float] = 0.0

    def leave(self, handle: Handle) -> Handle:
        """Never asked."""
        return handle


def make_runner(name: str, env: Mapping[str, str]) -> Runner:
    """The runner of this name or dotted path. Raises ConfigError that lists the names there are."""
    path = RUNNERS.get(name or DEFAULT, name)
    module, _, attribute = path.rpartition(".")
    try:
        if not module:
            raise ImportError(f"{name!r} is no name of a runner")
        made = getattr(importlib.import_module(module), attribute)(env)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"MLCYCLE_RUNNER={name}: {error}; there are {', '.join(RUNNERS)}, "
            "or write a class as package.module.Class"
        ) from None
    return cast("Runner", made)


def run_to_end(
    runner: Runner, request: Request, placement: Placement, *, role: str, log: Callable[[str], None]
) -> Result:
    """Submit a step, hand on its lines as they come, wait for its end and return its result."""
    handle, seen, ended = runner.submit(request, placement, role=role), 0, False
    try:
        while not ended:
            ended = runner.poll(handle, LOOK)
            seen = hand_on(runner, handle, seen, log)
        result = runner.result(handle, request)
        runner.clear(handle)
        return result
    finally:
        runner.close()


def hand_on(runner: Runner, handle: Handle, since: int, log: Callable[[str], None]) -> int:
    """Hand on the lines that are new; returns how many there are by now."""
    lines, now = runner.logs(handle, since)
    for line in lines:
        log(line)
    return now
