"""The process runner, with the step server and without it: real steps, really killed."""

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from mlcycle.contract import PartitionRange, Request, Result, Status
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.local.environment import ONE_THREAD
from mlcycle.local.processes import started_at, wait_gone
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners import step_process
from mlcycle.orchestration.runners.base import Handle, run_to_end
from mlcycle.orchestration.runners.process import ProcessRunner
from mlcycle.orchestration.runners.usage import memory
from mlcycle.project import Limits
from mlcycle.project.file import load_named
from mlcycle.project.limits import DEFAULTS
from mlcycle.settings import QUIET
from tests.conftest import ROOT, Platform

PLANTED = "planted-secret-of-airflow"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with step_server(tmp_path_factory.mktemp("server")) as (path, _):
        yield path


class step_server:
    """A step server without libraries: they change its speed only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "steps.sock"

    def __enter__(self) -> tuple[Path, subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "mlcycle.local.step_server", "--bare", "--socket", str(self.path)]
        self.process = subprocess.Popen(command)
        until(self.path.exists)
        return self.path, self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["forked", "started"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Tried:
    """A runner at work in a thread, so that the test can look at its step meanwhile."""

    runner: ProcessRunner
    request: Request
    limits: Limits = DEFAULTS["extract"]
    lines: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.results.append(run(self.runner, self.request, self.lines.append, self.limits))

    @property
    def handle(self) -> Handle:
        """The step's handle, once it was submitted."""
        until(lambda: self.runner._running)
        (pid,) = self.runner._running
        folder = str(Path(f"/proc/{pid}/cwd").readlink())
        return Handle(
            runner="process", id=pid, work=self.request.work, place=folder, started_at=datetime.now(UTC)
        )

    @property
    def pid(self) -> int:
        return int(self.handle.id)

    def kill(self) -> None:
        """End the step as Airflow does when it ends the task."""
        self.runner.cancel(self.handle)

    def result(self, seconds: float = 60) -> Result:
        self.thread.join(seconds)
        assert self.results, "the runner did not come back"
        return self.results[0]


def run(
    runner: ProcessRunner,
    request: Request,
    log: Callable[[str], None] = print,
    limits: Limits = DEFAULTS["extract"],
    role: str = "ingest",
) -> Result:
    return run_to_end(runner, request, Placement("process", "", limits), role=role, log=log)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def environment(platform: Platform, server: Path, transport: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of Airflow's side; returns the folder the source's files are in."""
    settings = platform.settings("ingest").as_env()
    dsn = settings.pop("MLCYCLE_WAREHOUSE_DSN")
    for name, value in {**settings, "MLCYCLE_DSN_INGEST": dsn}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", PLANTED)
    monkeypatch.setenv("MLCYCLE_STEP_SOCKET", str(server) if transport == "forked" else "")
    return platform.folder / "source"


@pytest.fixture
def silent_source(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A source system that takes connections and never answers: a step hangs on it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        monkeypatch.setenv("MLCYCLE_SOURCE_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield listener


def extract(work: str = "work", **changes: object) -> Request:
    project = load_named(ROOT / "projects", "flights").model_dump(mode="json")
    values = {
        "step": "extract",
        "work": work,
        "project": project,
        "partitions": PartitionRange(first="2013-01-02", last="2013-01-02"),
        "params": {"table": "flights"},
        **changes,
    }
    return Request.model_validate(values)


def hanging(listener: socket.socket) -> Tried:
    """A step that is in the middle of its work and will not end."""
    tried = Tried(ProcessRunner(os.environ), extract())
    listener.settimeout(60)
    listener.accept()
    return tried


def test_a_step_runs_and_its_result_and_lines_come_back(environment: Path) -> None:
    target = environment / "flights" / "flights" / "2013-01-02.csv"
    target.parent.mkdir(parents=True)
    target.write_text("carrier\nUA\n")
    tried = Tried(ProcessRunner(os.environ), extract())
    result = tried.result()
    assert (result.status, result.error) == (Status.OK, None)
    assert result.values["partitions"] == 1
    assert tried.lines
    assert tried.lines[-1].startswith("extract: ok")


def test_a_failed_step_keeps_its_own_error(environment: Path) -> None:
    result = Tried(ProcessRunner(os.environ), extract(params={"table": "nosuch"})).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("input", False)


def test_a_step_sees_its_own_environment_no_input_and_its_own_session(silent_source: socket.socket) -> None:
    tried = hanging(silent_source)
    proc = Path(f"/proc/{tried.pid}")
    assert (proc / "fd" / "0").readlink() == Path(os.devnull)
    assert os.getsid(tried.pid) == tried.pid
    environ = (proc / "environ").read_bytes()
    assert PLANTED.encode() not in environ
    assert b"MLCYCLE_DSN_" not in environ
    assert b"postgresql://" not in (proc / "cmdline").read_bytes()
    tried.kill()
    tried.result()


def test_a_killed_step_is_retryable_and_says_how_it_ended(silent_source: socket.socket) -> None:
    tried = hanging(silent_source)
    os.kill(tried.pid, signal.SIGKILL)
    result = tried.result()
    assert result.status is Status.FAILED
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("killed", True)
    assert "signal 9 (exit code 137)" in result.error.message


def test_kill_ends_the_step_and_is_harmless_twice(silent_source: socket.socket) -> None:
    tried = hanging(silent_source)
    handle, pid, began = tried.handle, tried.pid, time.monotonic()
    tried.kill()
    tried.runner.cancel(handle)
    assert time.monotonic() - began < 15
    assert not wait_gone([pid], 1)
    assert "stopped" in tried.result().message
    tried.runner.cancel(handle)


def test_a_step_that_ended_is_not_let_go_of_while_another_thread_ends_it(
    silent_source: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its descriptors and its number would be another's by the time they are used."""
    tried = hanging(silent_source)
    handle, killer, look = tried.handle, threading.current_thread(), select.select

    def late(*watched: Any) -> Any:
        if threading.current_thread() is killer:
            time.sleep(1)  # the step is gone by now, and its follower knows
        return look(*watched)

    monkeypatch.setattr(step_process, "select", SimpleNamespace(select=late))
    tried.runner.cancel(handle)
    assert "stopped" in tried.result().message


@pytest.mark.usefixtures("silent_source")
def test_a_step_over_its_time_is_ended_with_a_line_that_says_so() -> None:
    # Not waited for: on a busy machine its time is over before it has come as far as its source.
    limits = replace(DEFAULTS["extract"], time=timedelta(seconds=3))
    tried = Tried(ProcessRunner(os.environ), extract(), limits)
    pid = tried.pid
    result = tried.result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("timeout", True)
    assert "ended after 0:00:03, the time it may take" in result.message
    assert not wait_gone([pid], 1)


def test_a_step_over_its_memory_is_ended_and_named_as_such(silent_source: socket.socket) -> None:
    # Not waited for: on a busy machine it is over its memory before it has come as far as its source.
    tried = Tried(ProcessRunner(os.environ), extract(), replace(DEFAULTS["extract"], memory=1024**2))
    pid = tried.pid
    result = tried.result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("memory", False)
    assert "GiB of the 0.00 GiB it may use" in result.message
    assert not wait_gone([pid], 1)


@pytest.mark.parametrize("transport", ["forked"], indirect=True)
def test_memory_shared_with_the_step_server_is_not_the_steps(silent_source: socket.socket) -> None:
    tried = hanging(silent_source)
    process = psutil.Process(tried.pid)
    resident, own = process.memory_info().rss, memory(tried.pid, over=0)
    assert 0 < own < 0.8 * resident
    assert memory(tried.pid, over=10 * resident) == pytest.approx(resident, rel=0.1)
    tried.kill()
    tried.result()


def test_a_handle_of_another_worker_says_that_its_step_is_gone(environment: Path) -> None:
    """Process steps die with their worker: the next try starts anew."""
    handle = Handle(
        runner="process", id="1", work="work", place=str(environment / "gone"), started_at=datetime.now(UTC)
    )
    runner = ProcessRunner(os.environ)
    assert not runner.durable
    assert runner.poll(handle, 0)
    assert runner.logs(handle, 0) == ([], 0)
    runner.cancel(handle)
    runner = ProcessRunner(os.environ)
    result = runner.result(handle, extract())
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("killed", True)
    assert "gone with the worker" in result.message


def test_a_step_that_ignores_sigterm_is_killed(silent_source: socket.socket) -> None:
    tried = hanging(silent_source)
    pid = tried.pid
    os.kill(pid, signal.SIGSTOP)  # takes no SIGTERM until it is continued
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    tried.kill()
    assert not wait_gone([pid], 2)
    tried.result()


def test_a_step_dies_with_the_task_that_runs_it(silent_source: socket.socket, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(extract().model_dump_json())
    code = textwrap.dedent(f"""
        from mlcycle.contract import Request
        from mlcycle.orchestration.runners.process import ProcessRunner
        from mlcycle.orchestration.placement import place
        from mlcycle.orchestration.runners.base import run_to_end
        from mlcycle.project import Project
        import os
        request = Request.model_validate_json(open({str(request)!r}).read())
        runner = ProcessRunner(os.environ)
        start = runner._start
        def told(*args):
            child = start(*args)
            print(child.pid, flush=True)
            return child
        runner._start = told
        placement = place(os.environ, Project.model_validate(request.project), "extract")
        run_to_end(runner, request, placement, role="ingest", log=print)
    """)
    task = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert task.stdout is not None
    pid = int(task.stdout.readline())
    silent_source.settimeout(60)
    silent_source.accept()
    assert started_at(pid) is not None
    task.kill()
    assert not wait_gone([pid], 1.5), "it was not asked to end, only killed in the end"
    task.wait()


@pytest.mark.parametrize("transport", ["forked"], indirect=True)
def test_steps_die_with_the_server_and_the_next_starts_without_it(
    silent_source: socket.socket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with step_server(tmp_path) as (path, process):
        monkeypatch.setenv("MLCYCLE_STEP_SOCKET", str(path))
        tried = hanging(silent_source)
        pid = tried.pid
        process.kill()
        assert not wait_gone([pid], 2)
        result = tried.result()
        assert result.error is not None
        assert result.error.kind == "killed"
        assert "step server" in result.message
        again = Tried(ProcessRunner(os.environ), extract("other", params={"table": "nosuch"})).result()
        assert again.error is not None
        assert again.error.kind == "input"


def test_forked_steps_draw_different_random_numbers_and_use_their_threads() -> None:
    code = textwrap.dedent("""
        import os, numpy, threadpoolctl
        from mlcycle.local.step_child import prepare_threads, reseed, use_threads
        def child():
            if os.fork() == 0:
                reseed(); use_threads(3)
                counts = {p["num_threads"] for p in threadpoolctl.threadpool_info()}
                print(numpy.random.random(), counts, flush=True)
                os._exit(0)
            os.wait()
        prepare_threads()
        numpy.random.random()  # seeds the generator
        child(); child()
    """)
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **one}
    )
    (first, threads), (second, _) = (line.split(" ", 1) for line in done.stdout.splitlines())
    assert first != second
    assert threads == "{3}"


def test_a_forked_step_has_nothing_of_the_servers_environment(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os
        from mlcycle.local.step_child import Order, become_step
        output = os.dup(1)
        become_step(Order("extract", "request", "result", {{"OF": "the step"}}, {str(tmp_path)!r}), output)
        kept = {{name for name in os.environ if not name.endswith("_NUM_THREADS")}}
        print(sorted(kept), os.getcwd(), os.getsid(0) == os.getpid())
    """)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"SERVERS": "own"})
    assert done.stdout == f"['OF'] {tmp_path} True\n"


@pytest.mark.parametrize(("arguments", "heavy"), [(["--light"], False), ([], True)])
def test_a_server_loads_what_it_says_and_starts_no_thread(
    tmp_path: Path, arguments: list[str], heavy: bool
) -> None:
    command = [sys.executable, "-m", "mlcycle.local.step_server", *arguments]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--socket", str(tmp_path / "steps.sock")],
            stderr=output,
            env={**os.environ, **QUIET, **ONE_THREAD},
        )
    try:
        until(lambda: "all loaded" in log.read_text(), 90)
        maps = Path(f"/proc/{server.pid}/maps").read_text()
    finally:
        server.kill()
        server.wait()
    said = log.read_text()
    assert "threads: 1" in said
    assert "not loaded" not in said
    assert ("libtorch" in maps) is heavy
    assert ("libarrow" in maps) is heavy


@pytest.mark.parametrize("transport", ["forked"], indirect=True)
def test_a_light_step_is_forked_by_the_light_server(
    silent_source: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "light").mkdir()
    with step_server(tmp_path) as (path, heavy), step_server(tmp_path / "light") as (light_path, light):
        monkeypatch.setenv("MLCYCLE_STEP_SOCKET", str(path))
        monkeypatch.setenv("MLCYCLE_LIGHT_STEP_SOCKET", str(light_path))
        monkeypatch.setenv("MLCYCLE_LIGHT_STEPS", "publish,extract")
        assert _parent_of(hanging(silent_source)) == light.pid
        monkeypatch.setenv("MLCYCLE_LIGHT_STEP_SOCKET", str(tmp_path / "nobody.sock"))
        assert _parent_of(hanging(silent_source)) == heavy.pid
        monkeypatch.setenv("MLCYCLE_LIGHT_STEP_SOCKET", str(light_path))
        monkeypatch.setenv("MLCYCLE_LIGHT_STEPS", "publish,labels")
        assert _parent_of(hanging(silent_source)) == heavy.pid


def _parent_of(tried: Tried) -> int:
    """The parent of a hanging step, which is then ended."""
    parent = int(Path(f"/proc/{tried.pid}/stat").read_text().rpartition(")")[2].split()[1])
    tried.kill()
    tried.result()
    return parent


def test_a_request_that_cannot_be_written_is_one_line_and_a_retry(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").write_text("a file where the folder should be")
    monkeypatch.setenv("MLCYCLE_SCRATCH", str(tmp_path / "full"))
    with pytest.raises(Unavailable, match=r"request cannot be written below .*/full: File exists"):
        run(ProcessRunner(os.environ), extract())


def test_a_role_without_a_dsn_is_refused_before_anything_starts(environment: Path) -> None:
    with pytest.raises(ConfigError, match="MLCYCLE_DSN_PROMOTE is not set"):
        run(ProcessRunner(os.environ), extract(), role="promote")


def test_what_is_no_request_is_refused_and_the_server_goes_on(server: Path) -> None:
    for data in (b"", b"{}\n", b"not json\n", b"\0" * 100 + b"\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server))
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(5)
            assert client.recv(100) == b'{"version": 1}\n'
            assert client.recv(100) == b""


def test_importing_the_runner_brings_no_heavy_library() -> None:
    code = "import sys, mlcycle.orchestration.runners.process; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"pandas", "numpy", "mlflow", "torch", "psycopg2", "airflow", "great_expectations"}
    assert not heavy & {name.split(".")[0] for name in loaded.split()}


def test_edited_code_is_picked_up_by_the_next_step() -> None:
    code = textwrap.dedent("""
        import sys
        from mlcycle.own_code import PACKAGES, OwnCode
        own = OwnCode(PACKAGES)
        assert own.load() == []
        before = sys.modules["mlcycle.contract"]
        assert not own.forget_if_changed()
        assert sys.modules["mlcycle.contract"] is before
        file = next(path for path in own._written if path.name == "contract.py")
        own._written[file] -= 1
        assert own.forget_if_changed()
        import mlcycle.contract
        assert mlcycle.contract is not before
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
