"""Runs a step as a container of a Docker engine, the one that DOCKER_HOST names.

A step's container is named for its work, and labelled with it: a worker that comes later finds it, by the
handle or by the name. It runs as the image's user on a read-only root, without capabilities, with hard
limits of CPU and memory; its secrets come over its standard input, so that ``docker inspect`` shows none.

Besides the settings of a step (whose addresses are those that a container reaches):

``MLCYCLE_IMAGE``, ``MLCYCLE_IMAGE_<STEP>``
    The image, ``mlcycle-step`` or one made from it.
``MLCYCLE_INSTANCE``
    The platform's name, where several share an engine (``naming``).
``MLCYCLE_DOCKER_NETWORK``, ``MLCYCLE_DOCKER_NETWORK_<STEP>``
    The network that steps are put into; the engine's default one if it is not set. Several are separated by
    commas (Docker 25): a step that fetches from the world gets one more than the others.
``MLCYCLE_DOCKER_VOLUMES``, ``MLCYCLE_DOCKER_VOLUMES_<STEP>``
    Volumes that steps see, ``NAME:/PATH`` separated by commas: where the artifact store is a folder, and
    where ``MLCYCLE_CHECKPOINTS`` outlives a training's container.
``MLCYCLE_DOCKER_USER``
    ``UID:GID`` of steps, where the image's own user may not write to those volumes.
"""

import importlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, ClassVar, TypeVar

from mlcycle.contract import ErrorInfo, Request, Result
from mlcycle.domain.step_secrets import secret_names
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.orchestration.placement import Placement, chosen
from mlcycle.orchestration.runners.base import Full, Handle, Staying
from mlcycle.orchestration.runners.docker_engine import (
    INSTANCE,
    WORK,
    Away,
    Engine,
    inspect,
    remove,
    remove_forgotten,
    running,
    steps,
)
from mlcycle.orchestration.runners.docker_lines import AGAIN, Lines
from mlcycle.orchestration.runners.ending import ended_with, failed, out_of_memory, over_time
from mlcycle.orchestration.runners.exchange import Exchange
from mlcycle.orchestration.runners.naming import instance, step_name
from mlcycle.settings import QUIET, StepEnvironment, step_environment

SECONDS = "mlcycle.seconds"  # label: how long it may run
MEMORY = "mlcycle.memory"  # label: bytes it may use
GRACE = 2  # seconds between SIGTERM and SIGKILL
SILENCE = 120.0  # seconds that the engine may not answer
PATIENCE = timedelta(minutes=10)  # that it may be away before a step; no try is counted, no slot held
SCRATCH = "/scratch"  # of the image, the user's own
PROCESSES = 4096
STOPPED = 128 + signal.SIGTERM  # exit code of a step that was asked to end
_MIB = 1024**2
T = TypeVar("T")


@dataclass
class _Followed:
    """A step that this worker looks at."""

    lines: Lines
    until: datetime  # when its time is over
    given: timedelta
    handed_on: int = 0
    over: ErrorInfo | None = None  # the limit that it was ended for


class DockerRunner(Staying):
    """Steps as containers of one engine."""

    durable: ClassVar[bool] = True

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._engine = Engine(env)
        self._followed: dict[str, _Followed] = {}

    def submit(self, request: Request, placement: Placement, *, role: str) -> Handle:
        """Start the step's container, or find the one that this work has running."""
        if not placement.image:
            raise ConfigError(
                "MLCYCLE_IMAGE is not set: steps run in containers of mlcycle-step or an image made from it"
            )
        given = step_environment(self._env, role, secret_names(request.project, request.step))
        exchange = Exchange(self._env, request.work)
        name = step_name(self._env, request.work)
        try:
            return self._find_or_start(name, request, placement, given, exchange)
        except Away as away:  # a container that was made by then is found, or removed, when it is back
            raise Full(away.message, PATIENCE) from None

    def _find_or_start(
        self, name: str, request: Request, placement: Placement, given: StepEnvironment, exchange: Exchange
    ) -> Handle:
        with self._engine.api(placement.image) as api:
            remove_forgotten(api, instance(self._env))
            found = running(api, name, request.work)
            if found is not None:
                return _handle(found["Id"], request.work, exchange, _moment(found["Created"]))
            container = ""
            try:
                exchange.put(request)
                container = self._create(api, name, request, placement, given, exchange)
                self._start(api, container, given.secrets)
            except BaseException:
                if container:
                    remove(api, container)
                exchange.clear()
                raise
        return _handle(container, request.work, exchange, datetime.now(UTC))

    def poll(self, handle: Handle, seconds: float) -> bool:
        """Wait for the step's end or its next lines; end it where it is over its time."""
        step = self._followed.get(handle.id) or self._patiently(lambda api: self._follow(api, handle))
        if step is None or step.lines.wait(seconds, step.handed_on):
            return True
        silent = step.lines.silent_since
        if silent is not None and time.monotonic() - silent > SILENCE:
            raise Unavailable(
                f"the Docker engine has not answered for {SILENCE:.0f} s; the step may go on without it, "
                "and is looked for again"
            )
        if step.over is None and datetime.now(UTC) >= step.until:
            step.over = over_time(step.given)
            self._patiently(lambda api: api.stop(handle.id, timeout=GRACE))
        return False

    def logs(self, handle: Handle, since: int) -> tuple[Sequence[str], int]:
        """Lines since; those before them are forgotten."""
        step = self._followed.get(handle.id)
        if step is None:
            return [], since
        found, step.handed_on = step.lines.after(since)
        return found, step.handed_on

    def cancel(self, handle: Handle) -> None:
        """SIGTERM, then SIGKILL after two seconds; the container and both documents are gone then."""
        # A connection of its own: this may be a signal handler amid a request of the other.
        engine = Engine(self._env)
        with suppress(Exception), engine.api() as api:
            if inspect(api, handle) is not None:
                api.stop(handle.id, timeout=GRACE)
                remove(api, handle.id)
                Exchange(self._env, handle.work).clear()
        engine.close()

    def result(self, handle: Handle, request: Request) -> Result:
        """What the step wrote, else why it could not."""
        result = Exchange(self._env, request.work).result()
        if result is None:
            found = self._patiently(lambda api: inspect(api, handle))
            step = self._followed.get(handle.id)
            error = (step and step.over) or _explain(found, engine_left=bool(step and step.lines.was_silent))
            result = failed(request, handle.started_at, error)
        return result

    def clear(self, handle: Handle) -> None:
        """Remove the container and both documents."""
        if self._patiently(lambda api: inspect(api, handle)) is not None:
            self._patiently(lambda api: remove(api, handle.id))
        Exchange(self._env, handle.work).clear()

    def works(self) -> Iterator[Handle]:
        """Every step of this platform's Airflow tasks that has a container, running or not."""
        with self._engine.api() as api:
            for found in steps(api, instance(self._env)):
                labels, made = found["Labels"], datetime.fromtimestamp(found["Created"], UTC)
                if labels.get("mlcycle.dag"):
                    yield _handle(found["Id"], labels[WORK], Exchange(self._env, labels[WORK]), made)

    def close(self) -> None:
        """Let go of the connection; containers go on."""
        self._engine.close()

    def _patiently(self, ask: Callable[[Any], T]) -> T:
        """What the engine answers, asked again while it is away: a try is not lost to its restart."""
        until = time.monotonic() + SILENCE
        while True:
            try:
                with self._engine.api() as api:
                    return ask(api)
            except Away:
                self._engine.close()
                if time.monotonic() > until:
                    raise
                time.sleep(AGAIN)

    def _follow(self, api: Any, handle: Handle) -> _Followed | None:
        found = inspect(api, handle)
        if found is None:
            return None
        given = timedelta(seconds=float(found["Config"]["Labels"][SECONDS]))
        step = _Followed(Lines(self._engine.connect, handle.id), _moment(found["Created"]) + given, given)
        self._followed[handle.id] = step
        return step

    def _create(
        self,
        api: Any,
        name: str,
        request: Request,
        placement: Placement,
        given: StepEnvironment,
        exchange: Exchange,
    ) -> str:
        environment = {
            **{key: value for key, value in given.plain.items() if _travels(key)},
            "MLCYCLE_SCRATCH": SCRATCH,
            "MLCYCLE_SECRETS": "stdin",
            "HOME": "/tmp",  # noqa: S108 - of the container, its own
            "PYTHONUNBUFFERED": "1",
        }
        environment.setdefault("MLCYCLE_THREADS", str(ceil(placement.limits.cpu)))
        networks = _listed(chosen(self._env, "DOCKER_NETWORK", request.step))
        made = api.create_container(
            placement.image,
            ["step", request.step, "--request", exchange.request_url, "--result", exchange.result_url],
            name=name,
            environment=environment,
            user=self._env.get("MLCYCLE_DOCKER_USER") or None,
            stdin_open=True,
            labels={**_labels(request, placement), INSTANCE: instance(self._env)},
            host_config=self._host_config(api, request.step, placement, networks),
            networking_config=_networking(api, networks),
        )
        return str(made["Id"])

    def _host_config(self, api: Any, step: str, placement: Placement, networks: list[str]) -> dict[str, Any]:
        import docker

        limits = placement.limits
        volumes = [_volume(text) for text in _listed(chosen(self._env, "DOCKER_VOLUMES", step))]
        gpus = [docker.types.DeviceRequest(count=limits.gpu, capabilities=[["gpu"]])] if limits.gpu else None
        config: dict[str, Any] = api.create_host_config(
            mem_limit=limits.memory,
            memswap_limit=limits.memory,  # no swap beside it
            nano_cpus=int(limits.cpu * 1e9),
            pids_limit=PROCESSES,
            shm_size=max(64 * _MIB, limits.memory // 4),  # what torch's loaders share
            device_requests=gpus,
            read_only=True,
            tmpfs={"/tmp": "mode=1777,size=512m"},  # noqa: S108 - of the container, its own
            mounts=[docker.types.Mount(SCRATCH, None), *volumes],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            init=True,
            network_mode=networks[0] if networks else None,
            log_config=docker.types.LogConfig(type="json-file", config={"max-size": "64m"}),
        )
        return config

    def _start(self, api: Any, container: str, secrets: Mapping[str, str]) -> None:
        """Start it and tell it its secrets, on one line of its standard input."""
        stdin = api.attach_socket(container, params={"stdin": 1, "stream": 1})
        try:
            api.start(container)
            line = memoryview(json.dumps(dict(secrets)).encode() + b"\n")
            while line:
                line = line[os.write(stdin.fileno(), line) :]
        finally:
            stdin.close()


def warm_up() -> None:
    """Load the client's library, 0.3 s, in the process that tasks are forks of, if this runner is chosen."""
    if any(name.startswith("MLCYCLE_RUNNER") and value == "docker" for name, value in os.environ.items()):
        importlib.import_module("docker")


def _handle(container: str, work: str, exchange: Exchange, began: datetime) -> Handle:
    return Handle(runner="docker", id=container, work=work, place=exchange.place, started_at=began)


def _moment(text: str) -> datetime:
    """A time as the engine writes it, in nanoseconds."""
    return datetime.fromisoformat(text)


def _travels(name: str) -> bool:
    """A variable that means the same in a container: a setting, the object store's; no path of ours."""
    return name.startswith(("MLCYCLE_", "AWS_")) or name in QUIET


def _labels(request: Request, placement: Placement) -> dict[str, str]:
    return {
        WORK: request.work,
        SECONDS: str(placement.limits.time.total_seconds()),
        MEMORY: str(placement.limits.memory),
        "mlcycle.step": request.step,
        "mlcycle.project": str(request.project.get("name", "")),
        "mlcycle.dag": request.origin.dag_id,
        "mlcycle.run": request.origin.run_id,
        "mlcycle.task": request.origin.task_id,
    }


def _listed(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _networking(api: Any, networks: list[str]) -> dict[str, Any] | None:
    """The networks of a container that is in more than one."""
    if len(networks) < 2:
        return None
    config: dict[str, Any] = api.create_networking_config(
        {network: api.create_endpoint_config() for network in networks}
    )
    return config


def _volume(text: str) -> Any:
    import docker

    name, _, path = text.partition(":")
    if not name or not path.startswith("/"):
        raise ConfigError(f"MLCYCLE_DOCKER_VOLUMES: {text!r} is not NAME:/PATH")
    return docker.types.Mount(path, name, type="bind" if name.startswith("/") else "volume")


def _explain(found: dict[str, Any] | None, *, engine_left: bool) -> ErrorInfo:
    """Why a step left no result; whether the engine went away beside it."""
    if found is None:
        message = "the step's container is gone; it will be tried again"
        return ErrorInfo(kind="killed", message=message, retryable=True)
    state, labels = found["State"], found["Config"]["Labels"]
    if state.get("OOMKilled"):
        return out_of_memory(int(labels.get(MEMORY, 0)))
    code, why = state.get("ExitCode"), str(state.get("Error") or "")
    if engine_left:
        why = why or "the Docker engine went away beside it"
    elif code == STOPPED:
        why = why or "its container was stopped, or the Docker engine"
    return ended_with(code, why)
