"""What Airflow's processes on the local platform get of the environment of whoever starts it."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlcycle.housekeeping.keep import Keep
from mlcycle.local.config import configure
from mlcycle.local.environment import airflow_env, step_server_env
from tests.conftest import ROOT


def test_a_person_s_secrets_and_places_arrive_and_all_is_open_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = configure(tmp_path / "state", home=ROOT)
    for name in ("MLCYCLE_ALLOWED_SOURCES", "MLCYCLE_ALLOWED_RECEIVERS"):
        monkeypatch.delenv(name, raising=False)
    env = airflow_env(platform)
    assert (env["MLCYCLE_ALLOWED_SOURCES"], env["MLCYCLE_ALLOWED_RECEIVERS"]) == ("*", "*")
    monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__HOOK", "planted")
    monkeypatch.setenv("MLCYCLE_ALLOWED_RECEIVERS", "https://hooks.example")
    env = airflow_env(platform)
    assert env["MLCYCLE_SECRET_FLIGHTS__HOOK"] == "planted"
    assert env["MLCYCLE_ALLOWED_RECEIVERS"] == "https://hooks.example"
    assert "planted" not in step_server_env(platform).values()


def test_how_long_things_are_kept_arrives_where_housekeeping_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_KEEP_REPORTS", "30 days")
    env = airflow_env(configure(tmp_path / "state", home=ROOT))
    assert Keep.from_env(env).reports == timedelta(days=30)
