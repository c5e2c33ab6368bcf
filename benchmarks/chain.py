"""A chain of 20 steps, a process each: the platform's Airflow settings against Airflow's defaults.

    python -m benchmarks.chain [--sleep 0.05 0.1] [--runs 5]

Each side is a PostgreSQL and an Airflow of its own on free ports, warmed up by one run. Prints the
median wall seconds of the chain, the ratio, and the CPU that the idle platform uses. With several
values of --sleep (AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME) each is measured.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import Airflow, free_ports

from mlcycle.local import guard
from mlcycle.local.config import Platform, configure
from mlcycle.local.environment import TUNING
from mlcycle.local.processes import cpu_seconds, descendants
from mlcycle.local.services import Service, services

ROOT = Path(__file__).parent.parent
STEPS = 20
ONLY = ("postgres", "databases", "airflow-db", "api-server", "scheduler", "dag-processor")
DAGS = f"""
import subprocess
from airflow.sdk import DAG, task

with DAG("chain", schedule=None):
    before = None
    for number in range({STEPS}):
        @task(task_id=f"step{{number:02}}")
        def step():
            subprocess.run(["true"], check=True, stdin=subprocess.DEVNULL)
        now = step()
        before and before >> now
        before = now

with DAG("warm", schedule=None):
    for number in range({STEPS}):
        @task(task_id=f"step{{number:02}}")
        def step():
            pass
        step()
"""


def serve(state: Path, tuning: dict[str, str]) -> int:
    """Run PostgreSQL and Airflow with these settings until stopped."""

    def chosen(platform: Platform) -> list[Service]:
        found = [service for service in services(platform, tuning) if service.name in ONLY]
        # The ledger is no part of this: the scheduler need not wait for it.
        return [
            Service(**{**vars(service), "after": tuple(name for name in service.after if name in ONLY)})
            for service in found
        ]

    return guard.hold(state, None, chosen)


def measure(name: str, tuning: dict[str, str], runs: int) -> tuple[float, float]:
    """Start, warm up, measure and stop one side; returns (median seconds, idle share of a core)."""
    folder = Path(tempfile.mkdtemp(prefix="mlcycle-chain-"))
    for part in ("dags", "plugins", "projects"):
        (folder / part).mkdir()
    (folder / "dags" / "chain.py").write_text(DAGS)
    if tuning:
        plugin = "from mlcycle.orchestration.wakeup import WakeupPlugin\n"
        (folder / "plugins" / "wakeup.py").write_text(plugin)
    platform = configure(folder / "state", home=folder, ports=free_ports())
    command = [
        sys.executable,
        "-m",
        "benchmarks.chain",
        "--serve",
        str(platform.state),
        "--tuning",
        json.dumps(tuning),
    ]
    with (folder / "guard.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=ROOT)
    try:
        airflow = Airflow(platform, 240)
        airflow.wait_for("chain")
        airflow.run("warm")
        airflow.run("chain")
        taken = []
        for count in range(runs):
            taken.append(airflow.run("chain"))
            print(f"  {name}: run {count + 1} of {runs}: {taken[-1]:.2f} s", flush=True)
        time.sleep(3)
        before, began = cpu_seconds(descendants(process.pid)), time.monotonic()
        time.sleep(15)
        idle = (cpu_seconds(descendants(process.pid)) - before) / (time.monotonic() - began)
        return statistics.median(taken), idle
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sleep", nargs="+", default=[TUNING["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"]]
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--without-defaults", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tuning", default="{}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, json.loads(options.tuning))
    print(f"{STEPS} steps in a chain, a process each; load now {os.getloadavg()[0]:.1f}", flush=True)
    rows = []
    for sleep in options.sleep:
        tuning = {**TUNING, "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": sleep}
        rows.append((f"ours, idle sleep {sleep} s", *measure(f"ours {sleep}", tuning, options.runs)))
    if not options.without_defaults:
        rows.append(("Airflow's defaults", *measure("defaults", {}, max(1, options.runs // 2))))
    peer = rows[-1][1]
    print(f"{'settings':28} {'seconds':>8} {'x faster':>9} {'idle CPU':>9}")
    for name, seconds, idle in rows:
        print(f"{name:28} {seconds:8.2f} {peer / seconds:9.1f} {idle:8.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
