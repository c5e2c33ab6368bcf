"""The local platform with every step in a container: Airflow's own life around the docker runner."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.airflow_api import AirflowApi
from mlcycle.local.config import airflow_login, load
from mlcycle.local.guard import recorded
from mlcycle.settings import Settings
from tests.containers.local import containers, docker_platform, paused

pytestmark = pytest.mark.platform
FIRST, LAST = "2013-01-01T06", "2013-01-01T09"


@pytest.fixture(scope="module")
def state(step_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running platform whose steps are containers of the engine that the tests are given."""
    with docker_platform(tmp_path_factory.mktemp("docker") / "state", step_image) as folder:
        yield folder


def test_a_step_goes_on_while_the_scheduler_dies_and_is_found_again(state: Path, engine: Any) -> None:
    warehouse = Warehouse(Settings(warehouse_dsn=load(state).dsn("mlcycle"), artifacts_url="file:///"))
    before = containers(engine)
    with AirflowApi.from_env(airflow_login(state)) as api:
        api.wait_for_dag("weather_ingest", seconds=90)
        run = api.trigger("weather_ingest", partition=LAST, conf={"first": FIRST})
        step = paused(engine, "validate")
        kill_scheduler(state)
        engine.unpause(step)
        assert api.wait("weather_ingest", run, seconds=300) == "success"
        for stage in ("features", "score"):  # what follows by itself, in containers too
            run = api.wait_for_run(f"weather_{stage}", LAST, seconds=240)
            assert api.wait(f"weather_{stage}", run, seconds=240) == "success"
    assert warehouse.query("select count(*) from ledger.batch where current") == [(4,)]
    tries = "select step, count(*) from ledger.attempt where step in ('extract', 'validate', 'publish') "
    assert sorted(warehouse.query(tries + "group by 1")) == [("extract", 1), ("publish", 1), ("validate", 1)]
    assert containers(engine) == before
    assert not list((state / "artifacts" / "exchange").glob("*"))


def kill_scheduler(state: Path) -> None:
    """The scheduler, its workers and their tasks, all at once; wait until another one runs."""
    (pid,) = [row["pid"] for row in recorded(state) if row["name"] == "scheduler"]
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in tree:
        process.kill()
    psutil.wait_procs(tree, 20)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (now,) = [row["pid"] for row in recorded(state) if row["name"] == "scheduler"]
        if now and now != pid:
            return
        time.sleep(0.2)
    raise AssertionError("the scheduler did not come back")
