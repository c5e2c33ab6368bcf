"""The whole cycle through the real scheduler: a project from its file alone, from source to champion.

The weather project, hourly and a regression: what it is told nobody's code knows. Two weeks of hours
arrive as one range, a champion is trained and promoted, the next hour is scored and watched, one
hour comes twice, and a backfill of old hours leaves the champion alone.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.airflow_api import AirflowApi
from mlcycle.local.config import airflow_login, load
from mlcycle.local.environment import airflow_env
from mlcycle.settings import Settings
from tests.conftest import ROOT
from tests.services import running_platform

pytestmark = pytest.mark.platform
FIRST, LAST, NEXT = "2013-01-01T06", "2013-01-14T23", "2013-01-15T00"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running platform with this repository's projects."""
    with running_platform(tmp_path_factory.mktemp("cycle") / "state", ROOT) as folder:
        yield folder


@pytest.fixture(scope="module")
def api(state: Path) -> Iterator[AirflowApi]:
    with AirflowApi.from_env(airflow_login(state)) as api:
        api.wait_for_dag("weather_ingest", seconds=90)
        yield api


@pytest.fixture(scope="module")
def warehouse(state: Path) -> Warehouse:
    """What the checker reads with: the database's owner."""
    return Warehouse(Settings(warehouse_dsn=load(state).dsn("mlcycle"), artifacts_url="file:///"))


def ended(api: AirflowApi, stage: str, partition: str) -> dict[str, Any]:
    """Wait for the newest run of the stage for the partition, and for its end."""
    run_id = api.wait_for_run(f"weather_{stage}", partition, seconds=240)
    api.wait(f"weather_{stage}", run_id, seconds=240)
    return api.run(f"weather_{stage}", run_id)


def test_from_the_source_to_a_champion(api: AirflowApi, warehouse: Warehouse) -> None:
    run = api.trigger("weather_ingest", partition=LAST, conf={"first": FIRST})
    assert api.wait("weather_ingest", run) == "success"
    assert ended(api, "features", LAST)["state"] == "success"
    hours = 13 * 24 + 18
    assert warehouse.query("select count(*) from ledger.batch where current") == [(hours,)]

    run = api.trigger("weather_retrain", conf={"reason": "a first model", "partition": LAST})
    assert api.wait("weather_retrain", run) == "success"
    assert ended(api, "train", LAST)["state"] == "success"
    assert ended(api, "promote", LAST)["state"] == "success"
    assert warehouse.query("select seq, version, action from ledger.champion") == [(1, 1, "promote")]


def test_the_next_hour_is_scored_and_watched(api: AirflowApi, warehouse: Warehouse) -> None:
    run = api.trigger("weather_ingest", partition=NEXT)
    assert api.wait("weather_ingest", run) == "success"
    for stage in ("features", "score", "monitor"):
        assert ended(api, stage, NEXT)["state"] == "success", stage
    assert warehouse.query("select count(*) from serving.prediction where partition = %s", (NEXT,)) == [(3,)]
    assert warehouse.query(
        "select count(*) > 0 from ledger.monitor_result where partition = %s", (NEXT,)
    ) == [(True,)]


def test_an_unchanged_hour_is_left_alone_and_starts_nothing(api: AirflowApi, warehouse: Warehouse) -> None:
    before = warehouse.query("select max(batch_id) from ledger.batch")
    run = api.trigger("weather_ingest", partition=NEXT)
    assert api.wait("weather_ingest", run) == "success"
    assert warehouse.query("select max(batch_id) from ledger.batch") == before
    time.sleep(3)
    assert len([r for r in api.runs("weather_features") if r["partition_key"] == NEXT]) == 1


def test_a_backfill_from_the_command_line_leaves_the_champion_alone(
    api: AirflowApi, warehouse: Warehouse, state: Path
) -> None:
    before = (
        warehouse.query("select * from ledger.champion"),
        warehouse.query("select * from ledger.watermark"),
    )
    command = [
        str(Path(sys.executable).parent / "airflow"),
        "backfill",
        "create",
        "--dag-id",
        "weather_ingest",
    ]
    command += [
        "--from-date",
        "2013-01-02T00:00:00Z",
        "--to-date",
        "2013-01-02T02:00:00Z",
        "--max-active-runs",
        "2",
    ]
    env = {**os.environ, **airflow_env(load(state))}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    for hour in ("2013-01-02T00", "2013-01-02T01", "2013-01-02T02"):
        assert ended(api, "ingest", hour)["state"] == "success"
    assert (
        warehouse.query("select * from ledger.champion"),
        warehouse.query("select * from ledger.watermark"),
    ) == before


def test_every_run_stays_visible(api: AirflowApi) -> None:
    assert {run["dag_id"] for run in api.runs("~")} >= {
        f"weather_{stage}"
        for stage in ("ingest", "features", "retrain", "train", "promote", "score", "monitor")
    }


def test_no_secret_is_in_a_log_or_an_xcom(api: AirflowApi, state: Path) -> None:
    platform = load(state)
    secrets = [value.encode() for name, value in platform.secrets.items() if len(value) > 12]
    files = [path for path in (state / "logs").rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret in data], f"{path} holds a secret"
