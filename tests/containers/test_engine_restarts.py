"""An engine that is restarted, or dies, beside a running step: the steps of all its users die with it.

``MLCYCLE_TEST_RESTART_ENGINE`` is a command that ends the engine with the signal that it is told (TERM, KILL) and
starts it again. All who use that engine feel it: run this file alone.
"""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.airflow_api import AirflowApi
from mlcycle.local.config import airflow_login, load
from mlcycle.settings import Settings
from tests.containers.local import containers, docker_platform, paused

pytestmark = pytest.mark.platform
#: What is there after each; the last one is its own.
HOURS = {"TERM": ["2013-01-01T06"], "KILL": ["2013-01-01T06", "2013-01-01T07"]}
SAID = (
    r"validate: the step (was killed by signal \d+ \(exit code \d+\)|ended with exit code \d+) and left no result: "
    r"(its container was stopped, or the Docker engine|the Docker engine went away beside it); it will be tried again"
)


@pytest.fixture(scope="module")
def restart() -> list[str]:
    """The command; without it nothing here runs."""
    said = os.environ.get("MLCYCLE_TEST_RESTART_ENGINE")
    if not said:
        pytest.skip(
            "set MLCYCLE_TEST_RESTART_ENGINE to a command that restarts the engine, which nobody else uses"
        )
    return shlex.split(said)


@pytest.fixture(scope="module")
def state(restart: list[str], step_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with docker_platform(tmp_path_factory.mktemp("restarted") / "state", step_image) as folder:
        yield folder


@pytest.mark.parametrize("signal", ["TERM", "KILL"], ids=["restarted", "killed"])
def test_a_step_that_dies_with_the_engine_is_tried_again_and_published_once(
    state: Path, restart: list[str], engine: Any, signal: str
) -> None:
    warehouse = Warehouse(Settings(warehouse_dsn=load(state).dsn("mlcycle"), artifacts_url="file:///"))
    before = containers(engine)
    with AirflowApi.from_env(airflow_login(state)) as api:
        api.wait_for_dag("weather_ingest", seconds=90)
        run = api.trigger("weather_ingest", partition=HOURS[signal][-1])
        paused(engine, "validate")
        subprocess.run([*restart, signal], check=True, timeout=120)
        assert api.wait("weather_ingest", run, seconds=300) == "success"
    published = "select count(*) from ledger.attempt where work like %s and step = 'publish'"
    assert warehouse.query(published, (f"weather_ingest/{run}/%",)) == [(1,)]
    assert warehouse.query("select partition from ledger.batch where current order by 1") == [
        (hour,) for hour in HOURS[signal]
    ]
    logs = sorted(state.rglob(f"run_id={run}/task_id=*validate/attempt=*.log"))
    assert [log.name for log in logs] == ["attempt=1.log", "attempt=2.log"]
    (told,) = re.findall(r'"exc_value": ?"([^"]*)"', logs[0].read_text())
    assert re.fullmatch(SAID, told), told
    deadline = time.monotonic() + 120
    while containers(engine) != before or list((state / "artifacts" / "exchange").glob("*")):
        assert time.monotonic() < deadline, "something is left"  # what follows by itself has ended by then
        time.sleep(0.5)
