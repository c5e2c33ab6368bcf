"""A living source through the real scheduler: a delivery that is late, one that never comes, an outage."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.airflow_api import AirflowApi
from mlcycle.domain.partitions import Partition
from mlcycle.local.config import airflow_login, load
from mlcycle.settings import Settings
from tests.conftest import ROOT
from tests.hourly import now_hour, project, rows
from tests.services import running_platform

pytestmark = pytest.mark.platform
BEGIN = now_hour()  # the same for all tests, should the hour change meanwhile


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the source's deliveries lie."""
    return tmp_path_factory.mktemp("source")


@pytest.fixture(scope="module")
def state(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running platform with one project, whose source is alive."""
    home = tmp_path_factory.mktemp("home")
    for name in ("dags", "plugins", "feature_repo"):
        (home / name).symlink_to(ROOT / name)
    folder = home / "projects" / "living"
    shutil.copytree(ROOT / "projects" / "weather", folder)
    document = project(lateness="6 hours", start=BEGIN.shift(-300).key, url=f"file://{source}").document()
    for view in ("recent", "daily_cycle"):
        document["features"][view]["sql"] = f"{view}.sql"
    (folder / "project.yaml").write_text(yaml.safe_dump({**document, "name": "living"}, sort_keys=False))
    with running_platform(tmp_path_factory.mktemp("living") / "state", home) as running:
        yield running


@pytest.fixture(scope="module")
def api(state: Path) -> Iterator[AirflowApi]:
    with AirflowApi.from_env(airflow_login(state)) as api:
        api.wait_for_dag("living_ingest", seconds=90)
        yield api


@pytest.fixture(scope="module")
def warehouse(state: Path) -> Warehouse:
    return Warehouse(Settings(warehouse_dsn=load(state).dsn("mlcycle"), artifacts_url="file:///"))


def come(source: Path, *hours: Partition) -> None:
    (source / "weather").mkdir(exist_ok=True)
    for hour in hours:
        (source / "weather" / f"{hour.key}.csv").write_bytes(rows(hour))


def states(api: AirflowApi, run: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in api.tasks("living_ingest", run)}


def test_a_run_that_waits_lets_others_go_on_and_ends_once_its_delivery_comes(
    api: AirflowApi, source: Path, warehouse: Warehouse
) -> None:
    come(source, BEGIN.shift(-20))
    waiting = api.trigger("living_ingest", partition=BEGIN.key)
    deadline = time.monotonic() + 60
    while states(api, waiting).get("weather.extract") != "up_for_reschedule":
        assert time.monotonic() < deadline, states(api, waiting)
        time.sleep(0.2)
    other = api.trigger("living_ingest", partition=BEGIN.shift(-20).key)
    assert api.wait("living_ingest", other, seconds=120) == "success"
    assert states(api, waiting)["weather.extract"] == "up_for_reschedule"
    come(source, BEGIN)
    assert api.wait("living_ingest", waiting, seconds=180) == "success"
    (task,) = [t for t in api.tasks("living_ingest", waiting) if t["task_id"] == "weather.extract"]
    assert task["try_number"] == 1
    for hour in (BEGIN.shift(-20), BEGIN):
        api.wait("living_features", api.wait_for_run("living_features", hour.key), seconds=240)
    held = warehouse.query("select partition from ledger.batch where current order by 1")
    assert held == [(BEGIN.shift(-20).key,), (BEGIN.key,)]


def test_a_delivery_that_never_came_is_skipped_and_told(
    api: AirflowApi, source: Path, warehouse: Warehouse
) -> None:
    run = api.trigger("living_ingest", partition=BEGIN.shift(-10).key)
    assert api.wait("living_ingest", run, seconds=120) == "success"
    found = states(api, run)
    assert (found["weather.extract"], found["every-extract"]) == ("skipped", "skipped")
    assert found["alert-late"] == "success"
    told = warehouse.query("select key, d.state from ledger.alert join ledger.delivery d using (alert_id)")
    assert told == [("late:weather", "delivered")]


def test_after_an_outage_every_hour_goes_its_way_in_order(
    api: AirflowApi, source: Path, warehouse: Warehouse
) -> None:
    missed = list(BEGIN.shift(-19).to(BEGIN.shift(-3)))
    come(source, *missed, BEGIN.shift(-2))
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    run = api.trigger("living_ingest", partition=BEGIN.shift(-2).key)
    assert api.wait("living_ingest", run, seconds=120) == "success"
    api.wait_for_run("living_features", BEGIN.shift(-2).key, since=since, seconds=120)
    made = _runs(api, since)
    assert [one["partition_key"] for one in made] == [hour.key for hour in [*missed, BEGIN.shift(-2)]]
    for one in made:
        assert api.wait("living_features", one["dag_run_id"], seconds=240) == "success"
    assert warehouse.query("select state from ledger.gap where partition = %s", (BEGIN.shift(-10).key,)) == [
        ("delivered",)
    ]
    assert warehouse.query("select state from ledger.alert") == [("closed",)]


def _runs(api: AirflowApi, since: str) -> list[dict[str, Any]]:
    """Runs of features since a moment, in the order in which they start."""
    found = [run for run in api.runs("living_features") if (run["queued_at"] or "") >= since]
    return sorted(found, key=lambda run: str(run["run_after"]))
