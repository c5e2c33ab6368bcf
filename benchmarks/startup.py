"""From ``mlcycle up`` to the first finished run, cold (new state) and warm, and the platform's memory.

    python -m benchmarks.startup [--peer]

With --peer, ``airflow standalone`` with its own defaults (SQLite) does the same in the same run.
Memory is the proportional set size of every process of the platform, with the step server's
libraries loaded.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.common import Airflow, free_ports

from mlcycle.local import commands
from mlcycle.local.config import configure
from mlcycle.local.processes import cpu_seconds, descendants, memory, send, session_members

DAG = """
from airflow.sdk import DAG, task

with DAG("hello", schedule=None):
    @task
    def greet():
        pass
    greet()
"""


def ours(folder: Path) -> None:
    platform = configure(folder / "state", home=folder, ports=free_ports())
    for name in ("cold", "warm"):
        began = time.perf_counter()
        starting = threading.Thread(
            target=commands.up, args=(platform.state,), kwargs={"say": lambda _: None}
        )
        starting.start()
        airflow = Airflow(platform, 240)
        airflow.wait_for("hello")
        airflow.run("hello")
        done = time.perf_counter() - began
        guard = commands.running(platform.state) or 0
        used = cpu_seconds([guard, *descendants(guard)])
        starting.join()
        ready = time.perf_counter() - began
        print(
            f"{name}: first run after {done:.1f} s ({used:.1f} s of CPU), all ready after {ready:.1f} s",
            flush=True,
        )
        if name == "warm":
            log = platform.logs / "step-server.log"
            deadline = time.monotonic() + 120
            while log.read_text().count("all loaded") < 2 and time.monotonic() < deadline:
                time.sleep(0.5)
            size = memory([guard, *descendants(guard)]) / 2**20
            print(f"memory of the platform with all loaded: {size:.0f} MiB")
            commands.status(platform.state)
        commands.down(platform.state, say=lambda _: None)


def peer(folder: Path) -> None:
    """``airflow standalone``: until its UI answers and one run is done by ``dags trigger``'s own API."""
    port = free_ports()["airflow"]
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLCYCLE"))},
        "AIRFLOW_HOME": str(folder / "standalone"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
    }
    (folder / "dags" / "hello.py").write_text(DAG.replace("schedule=None", "schedule='@once'"))
    program = Path(sys.executable).parent / "airflow"
    began = time.perf_counter()
    process = subprocess.Popen(
        [program, "standalone"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    marker = folder / "standalone" / "logs" / "dag_id=hello"
    try:
        ready = None
        while time.perf_counter() - began < 240:
            if ready is None and _answers(f"http://127.0.0.1:{port}/api/v2/version"):
                ready = time.perf_counter() - began
            if ready and any(
                "exit_code" in p.read_text() or "Done" in p.read_text() for p in marker.rglob("*.log")
            ):
                break
            time.sleep(0.1)
        done = time.perf_counter() - began
        print(f"airflow standalone: ready after {ready or 0:.1f} s, first run done after {done:.1f} s")
        tree = [process.pid, *descendants(process.pid)]
        print(f"memory of airflow standalone: {memory(tree) / 2**20:.0f} MiB")
    finally:
        tree = {process.pid, *descendants(process.pid), *session_members([process.pid])}
        for pid in tree:
            send(pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="also start airflow standalone")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlcycle-startup-"))
    try:
        for part in ("dags", "plugins", "projects"):
            (folder / part).mkdir()
        (folder / "dags" / "hello.py").write_text(DAG)
        print(f"load now {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        ours(folder)
        if options.peer:
            peer(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
