"""The docker runner on a real engine: real steps in containers, really killed."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import docker
import pytest

from mlcycle.contract import Request, Status
from mlcycle.errors import ConfigError
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.base import Full, Handle
from mlcycle.orchestration.runners.docker import DockerRunner
from mlcycle.orchestration.runners.docker_engine import WORK
from mlcycle.project import Limits
from mlcycle.project.limits import DEFAULTS
from tests.conftest import Platform
from tests.followed import Followed, extract

LIMITS = replace(DEFAULTS["extract"], cpu=0.5, memory=512 * 1024**2)
PLANTED = "planted-secret-of-airflow"
MINE = f"{WORK}=work"  # label of this file's containers: others may test on the same engine


@pytest.fixture
def env(platform: Platform, step_image: str, engine: Any) -> Iterator[dict[str, str]]:
    """What Airflow's side holds; nothing of it is left in the engine afterwards."""
    settings = platform.settings("ingest").as_env()
    dsn = settings.pop("MLCYCLE_WAREHOUSE_DSN")
    for folder in (platform.folder, *platform.folder.iterdir()):
        folder.chmod(0o777)  # the image's user writes below it, beside the tests' own
    before = os.umask(0)
    yield {
        **settings,
        "MLCYCLE_DSN_INGEST": dsn,
        "MLCYCLE_DOCKER_NETWORK": "host",  # the tests' PostgreSQL listens on loopback alone
        "MLCYCLE_DOCKER_VOLUMES": f"{platform.folder}:{platform.folder}",
        "AIRFLOW__CORE__FERNET_KEY": PLANTED,
        **{name: value for name, value in os.environ.items() if name.startswith("DOCKER_")},
    }
    os.umask(before)
    for left in engine.containers(all=True, filters={"label": MINE}):
        engine.remove_container(left["Id"], v=True, force=True)


@pytest.fixture
def source(platform: Platform) -> Path:
    """A delivery that is there."""
    target = platform.folder / "source" / "flights" / "flights" / "2013-01-02.csv"
    target.parent.mkdir(parents=True)
    target.write_text("carrier\nUA\n")
    return target


@pytest.fixture
def silent(env: dict[str, str]) -> Iterator[socket.socket]:
    """A source system that takes connections and never answers: a step hangs on it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        listener.settimeout(60)
        env["MLCYCLE_SOURCE_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        env["MLCYCLE_TIMEOUT"] = "300"
        yield listener


def submit(env: dict[str, str], request: Request, image: str, limits: Limits = LIMITS) -> Handle:
    return DockerRunner(env).submit(request, Placement("docker", image, limits), role="ingest")


def left(engine: Any, env: dict[str, str]) -> list[object]:
    """Containers and documents of this file's steps that are still there."""
    store = Path(env["MLCYCLE_ARTIFACTS_URL"].removeprefix("file://"))
    return [*engine.containers(all=True, filters={"label": MINE}), *store.glob("exchange/*")]


def test_platforms_that_share_an_engine_leave_each_others_steps_alone(
    env: dict[str, str], silent: socket.socket, step_image: str
) -> None:
    theirs, request = {**env, "MLCYCLE_INSTANCE": "theirs"}, extract()
    handles = [submit(one, request, step_image) for one in (env, theirs)]
    assert handles[0].id != handles[1].id
    for one, handle in zip((env, theirs), handles, strict=True):
        runner = DockerRunner(one)
        assert handle.id in [found.id for found in runner.works()]
        assert not {found.id for found in runner.works()} & ({h.id for h in handles} - {handle.id})
        runner.close()


def test_a_step_runs_its_result_and_lines_come_back_and_nothing_is_left(
    env: dict[str, str], source: Path, step_image: str, engine: Any
) -> None:
    request = extract()
    handle = submit(env, request, step_image)
    mounts = engine.inspect_container(handle.id)["Mounts"]
    (scratch,) = [mount["Name"] for mount in mounts if mount["Destination"] == "/scratch"]
    followed = Followed(env, handle, request)
    result = followed.result()
    assert (result.status, result.error) == (Status.OK, None), followed.lines
    assert result.values["partitions"] == 1
    assert followed.lines[-1].startswith("extract: ok")
    assert left(engine, env) == []
    with pytest.raises(docker.errors.NotFound):
        engine.inspect_volume(scratch)


def test_a_failed_step_keeps_its_own_error(env: dict[str, str], step_image: str) -> None:
    request = extract(params={"table": "nosuch"})
    result = Followed(env, submit(env, request, step_image), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("input", False)


def test_nobody_who_looks_at_a_container_sees_a_secret_and_its_limits_are_hard(
    env: dict[str, str], silent: socket.socket, step_image: str, engine: Any
) -> None:
    request = extract()
    handle = submit(env, request, step_image)
    silent.accept()
    found = engine.inspect_container(handle.id)
    seen = json.dumps(found) + json.dumps(engine.top(handle.id))
    password = env["MLCYCLE_DSN_INGEST"].split(":")[2].split("@")[0]
    assert password not in seen
    assert PLANTED not in seen
    config = found["HostConfig"]
    assert (config["Memory"], config["MemorySwap"]) == (LIMITS.memory, LIMITS.memory)
    assert config["NanoCpus"] == 500_000_000
    assert config["ReadonlyRootfs"]
    assert config["CapDrop"] == ["ALL"]
    assert found["Config"]["User"].startswith("50000")
    followed = Followed(env, handle, request)
    engine.kill(handle.id)
    result = followed.result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("killed", True)
    assert "killed by signal 9" in result.message


def test_a_worker_that_comes_later_finds_the_step_and_it_runs_once(
    env: dict[str, str], step_image: str, engine: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        env["MLCYCLE_SOURCE_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        request = extract()
        handle = submit(env, request, step_image)
        client, _ = listener.accept()
        again = submit(env, request, step_image)  # its worker died before it could keep the handle
        assert again.id == handle.id
        assert len(engine.containers(filters={"label": MINE})) == 1
        followed = Followed(env, again, request)
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\ncarrier\nUA\n")
        client.close()
        assert followed.result().status is Status.OK


def test_a_step_that_ended_while_nobody_looked_is_not_lost(
    env: dict[str, str], source: Path, step_image: str, engine: Any
) -> None:
    request = extract()
    handle = submit(env, request, step_image)
    until(lambda: not engine.inspect_container(handle.id)["State"]["Running"], 60)
    followed = Followed(env, handle, request)
    assert followed.result().status is Status.OK
    assert followed.lines[-1].startswith("extract: ok")


def test_a_step_over_its_time_is_ended_with_a_line_that_says_so(
    env: dict[str, str], silent: socket.socket, step_image: str
) -> None:
    request = extract()
    limits = replace(LIMITS, time=timedelta(seconds=4))
    result = Followed(env, submit(env, request, step_image, limits), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("timeout", True)
    assert "0:00:04, the time it may take" in result.message


def test_a_step_out_of_memory_is_told_apart_from_a_crash(env: dict[str, str], step_image: str) -> None:
    request = extract()
    limits = replace(LIMITS, memory=16 * 1024**2)
    result = Followed(env, submit(env, request, step_image, limits), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("memory", False)
    assert "0.02 GiB" in result.message


def test_a_step_may_have_networks_and_volumes_of_its_own(
    env: dict[str, str], step_image: str, engine: Any
) -> None:
    names = [f"mlcycle-test-{os.getpid()}-{word}" for word in ("closed", "open")]
    networks = [engine.create_network(name, internal=name.endswith("closed"))["Id"] for name in names]
    try:
        env |= {
            "MLCYCLE_DOCKER_NETWORK_EXTRACT": ", ".join(names),
            "MLCYCLE_DOCKER_VOLUMES_EXTRACT": f"{env['MLCYCLE_DOCKER_VOLUMES']},{names[0]}:/checkpoints",
            "MLCYCLE_CHECKPOINTS": "/checkpoints",
        }
        handle = submit(env, extract(), step_image)
        found = engine.inspect_container(handle.id)
        DockerRunner(env).cancel(handle)
        assert set(found["NetworkSettings"]["Networks"]) == set(names)
        assert names[0] in {mount.get("Name") for mount in found["Mounts"]}
        assert "MLCYCLE_CHECKPOINTS=/checkpoints" in found["Config"]["Env"]
        assert engine.inspect_volume(names[0]), "a volume with a name outlives the step"
    finally:
        for network in networks:
            engine.remove_network(network)
        engine.remove_volume(names[0])


def test_a_task_that_is_ended_leaves_no_container(
    env: dict[str, str], silent: socket.socket, step_image: str, engine: Any
) -> None:
    handle = submit(env, extract(), step_image)
    silent.accept()
    runner = DockerRunner(env)
    foreign = handle.model_copy(update={"work": "another"})
    runner.cancel(foreign)
    assert engine.inspect_container(handle.id)["State"]["Running"], "a handle of other work ends nothing"
    runner.cancel(handle)
    runner.cancel(handle)
    assert engine.containers(all=True, filters={"label": MINE}) == []


def test_an_engine_that_is_away_for_a_while_costs_nothing(
    env: dict[str, str], step_image: str, engine: Any, tmp_path: Path
) -> None:
    """Through a proxy that drops every connection and comes back; the step goes on meanwhile."""
    proxy = Proxy(engine)
    with socket.create_server(("127.0.0.1", 0)) as listener, proxy:
        env |= {
            "DOCKER_HOST": proxy.address,
            "MLCYCLE_SOURCE_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
        }
        request = extract()
        handle = submit(env, request, step_image)
        client, _ = listener.accept()
        followed = Followed(env, handle, request)
        time.sleep(1)
        proxy.stop()
        time.sleep(2)
        proxy.start()
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\ncarrier\nUA\n")
        client.close()
        assert followed.result().status is Status.OK
        assert sum(line.startswith("extract: ok") for line in followed.lines) == 1


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"image": ""}, ConfigError, "MLCYCLE_IMAGE is not set"),
        (
            {"image": "mlcycle-none:nowhere"},
            ConfigError,
            "'mlcycle-none:nowhere' is not on the Docker engine",
        ),
        ({"MLCYCLE_DOCKER_NETWORK": "mlcycle-none"}, ConfigError, "network mlcycle-none not found"),
        ({"MLCYCLE_DOCKER_VOLUMES": "data"}, ConfigError, "'data' is not NAME:/PATH"),
        ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, Full, "does not answer at tcp://127.0.0.1:1"),
        ({"gpu": 1}, ConfigError, "refuses: could not select device driver"),
    ],
)
def test_what_cannot_start_is_one_clear_line_and_leaves_nothing(
    env: dict[str, str],
    step_image: str,
    engine: Any,
    change: dict[str, Any],
    kind: type[Exception],
    says: str,
) -> None:
    if "gpu" in change and "nvidia" in engine.info()["Runtimes"]:
        pytest.skip("this engine has GPUs")
    limits = replace(LIMITS, gpu=change.pop("gpu", 0))
    image = change.pop("image", step_image)
    with pytest.raises(kind, match=says) as caught:
        submit({**env, **change}, extract(), image, limits)
    assert "\n" not in str(caught.value)
    assert engine.containers(all=True, filters={"label": MINE}) == []


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class Proxy:
    """A TCP port in front of the engine that can go away, with every connection through it."""

    def __init__(self, engine: Any) -> None:
        self._base = engine.base_url
        self._open: list[socket.socket] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"

    def __enter__(self) -> "Proxy":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._open = []
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = self._engine()
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _engine(self) -> socket.socket:
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        kind, _, where = host.partition("://")
        if kind == "unix":
            found = socket.socket(socket.AF_UNIX)
            found.connect(where)
            return found
        name, _, port = where.partition(":")
        return socket.create_connection((name, int(port)))

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
