"""The whole local platform: started for real, looked at from outside, hurt, and stopped."""

import json
import os
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from mlcycle.deploy.airflow_db import count_gpus
from mlcycle.errors import ConfigError, Conflict, Unavailable
from mlcycle.local import commands
from mlcycle.local.config import Platform, load
from mlcycle.local.guard import recorded
from mlcycle.local.processes import descendants, session_members, started_at, wait_gone
from tests.conftest import free_ports
from tests.services import running_platform

pytestmark = pytest.mark.platform

DAG = """
from airflow.sdk import DAG, task

with DAG("hello", schedule=None):
    @task
    def greet():
        print("good morning from the task")
    greet()
"""


def until(true: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a platform with one small DAG."""
    home = tmp_path_factory.mktemp("home")
    for name in ("dags", "plugins", "projects"):
        (home / name).mkdir()
    (home / "dags" / "hello.py").write_text(DAG)
    with running_platform(tmp_path_factory.mktemp("platform") / "state", home) as folder:
        yield folder


@pytest.fixture
def platform(state: Path) -> Platform:
    return load(state)


def services(state: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in recorded(state) if not row["task"]}


def all_ready(state: Path) -> bool:
    return commands.status(state, say=lambda _: None) == 0


def tree(state: Path) -> list[int]:
    guard = commands.running(state)
    assert guard is not None
    return [guard, *descendants(guard)]


class Airflow:
    """As much of Airflow's API as a run needs."""

    def __init__(self, platform: Platform) -> None:
        self.base = platform.url("airflow")
        self.token = ""
        login = {"username": "admin", "password": platform.secrets["airflow_admin"]}
        self.token = self.ask("/auth/token", login)["access_token"]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def run(self) -> str:
        """Run the DAG to its end; returns the run's id."""
        until(lambda: any(dag["dag_id"] == "hello" for dag in self.ask("/api/v2/dags")["dags"]))
        run = self.ask("/api/v2/dags/hello/dagRuns", {"logical_date": None, "conf": {}})["dag_run_id"]
        until(lambda: self.ask(f"/api/v2/dags/hello/dagRuns/{run}")["state"] in ("success", "failed"))
        assert self.ask(f"/api/v2/dags/hello/dagRuns/{run}")["state"] == "success"
        return str(run)


def test_a_run_ends_and_its_log_is_shown(platform: Platform) -> None:
    airflow = Airflow(platform)
    run = airflow.run()
    log = airflow.ask(f"/api/v2/dags/hello/dagRuns/{run}/taskInstances/greet/logs/1")
    assert "good morning from the task" in json.dumps(log)


def test_the_pages_answer(platform: Platform) -> None:
    for name, path in {"mlflow": "/health", "evidently": "/api/v2/projects", "airflow": "/"}.items():
        with urllib.request.urlopen(platform.url(name) + path, timeout=30) as answer:
            assert answer.status == 200


def test_the_pool_that_candidates_with_gpus_wait_in_is_there(platform: Platform) -> None:
    assert Airflow(platform).ask("/api/v2/pools/gpu")["slots"] == count_gpus()


def test_evidently_takes_no_writing_without_the_secret(platform: Platform) -> None:
    request = urllib.request.Request(
        f"{platform.url('evidently')}/api/v2/projects", json.dumps({"name": "x"}).encode(), method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code in (401, 403)


def test_every_listening_socket_is_on_loopback(state: Path, platform: Platform) -> None:
    listening = []
    for pid in tree(state):
        with suppress(psutil.NoSuchProcess):  # processes come and go meanwhile
            found = psutil.Process(pid).net_connections("inet")
            listening += [one.laddr for one in found if one.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == set(platform.ports.values())


def test_secrets_are_in_no_command_line_and_no_log_and_in_private_files_only(
    state: Path, platform: Platform
) -> None:
    secrets = [secret.encode() for secret in platform.secrets.values()]
    for pid in psutil.pids():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        assert not any(secret in line for secret in secrets), line[:40]
    held = set()
    for path in state.rglob("*"):
        if path.is_file() and platform.postgres.data not in path.parents:
            data = path.read_bytes()
            if any(secret in data for secret in secrets):
                held.add(path)
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert not [path for path in held if platform.logs in path.parents]
    assert state / "secrets.json" in held
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE(platform.socket.stat().st_mode) == 0o600


def test_a_second_start_is_refused_in_one_line(state: Path) -> None:
    with pytest.raises(Conflict, match="runs already") as caught:
        commands.up(state)
    assert "\n" not in caught.value.message
    assert all_ready(state)


def test_a_port_in_use_is_refused_by_name(platform: Platform, tmp_path: Path) -> None:
    ports = {**free_ports(), "mlflow": platform.ports["mlflow"]}
    with pytest.raises(ConfigError) as caught:
        commands.up(tmp_path / "other", home=platform.home, ports=ports)
    wanted = f"port {platform.ports['mlflow']}, for MLflow, is in use: free it, or choose another with"
    assert caught.value.message.startswith(wanted)
    assert "--mlflow-port" in caught.value.message


def test_every_service_is_restarted_when_it_is_killed(state: Path, platform: Platform) -> None:
    before = services(state)
    killed = [name for name in before if name != "postgres"]
    for name in killed:
        old = session_members([before[name]["pid"]])
        os.kill(before[name]["pid"], signal.SIGKILL)
        until(lambda name=name: services(state)[name]["restarts"] > before[name]["restarts"])
        assert not wait_gone(old, 2), name
    until(lambda: all_ready(state))
    assert not {services(state)[name]["pid"] for name in killed} & {before[name]["pid"] for name in killed}


def test_a_restarted_database_is_survived(state: Path, platform: Platform) -> None:
    with psycopg2.connect(platform.dsn("mlcycle")) as connection, connection.cursor() as cursor:
        cursor.execute("create table public.kept (n int)")
        cursor.execute("insert into public.kept values (7)")
    old = services(state)["postgres"]["pid"]
    os.kill(old, signal.SIGKILL)
    until(lambda: services(state)["postgres"]["pid"] not in (0, old) and all_ready(state))
    with psycopg2.connect(platform.dsn("mlcycle")) as connection, connection.cursor() as cursor:
        cursor.execute("select n from public.kept")
        assert cursor.fetchall() == [(7,)]
    Airflow(platform).run()


def test_a_killed_supervisor_leaves_nothing_and_the_database_in_order(
    state: Path, platform: Platform
) -> None:
    document = json.loads((state / "run" / "services.json").read_text())
    everything = tree(state)
    os.kill(document["supervisor"], signal.SIGKILL)
    assert not wait_gone(everything, 20)
    assert commands.running(state) is None
    assert "database system is shut down" in (platform.logs / "postgres.log").read_text().splitlines()[-1]


def test_it_starts_again_and_down_leaves_nothing(state: Path, platform: Platform) -> None:
    left, kept = state / "scratch" / "mlcycle-step-killed", state / "scratch" / "checkpoints-0" / "work"
    left.mkdir(parents=True)
    kept.mkdir(parents=True)
    commands.up(state)
    assert not left.exists()
    assert kept.exists(), "a training that is retried goes on from it"
    assert load(state).ports == platform.ports
    Airflow(platform).run()
    everything = tree(state)
    commands.down(state)
    assert not [pid for pid in everything if started_at(pid) is not None]
    for port in platform.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert commands.status(state, say=lambda _: None) == 1


def test_a_service_that_cannot_start_stops_the_start(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "mlcycle-ready").touch()  # claims to be a cluster
    with pytest.raises(Unavailable, match="PostgreSQL ended with exit code"):
        commands.up(folder, home=load(state).home, ports=free_ports())
    assert commands.running(folder) is None
