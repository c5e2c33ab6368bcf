"""mlcycle from a notebook: what it says is what the platform's steps say, and nothing is registered by it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import mlcycle
from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.cli import app
from mlcycle.contract import Handover, Result
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger.champion import crown
from mlcycle.project.file import load
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform
from tests.own_code import FILES
from tests.raw_data import FLIGHTS, deliver, request
from tests.snapshots import JANUARY, Trained, flights, flights_project

COMMENT = "# the last of them\n"


@pytest.fixture
def named(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment that names the platform, and an empty folder of projects."""
    for role in ("train", "serve"):
        dsn = platform.settings(role).warehouse_dsn.get_secret_value()
        monkeypatch.setenv(f"MLCYCLE_DSN_{role.upper()}", dsn)
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", platform.settings().artifacts_url)
    monkeypatch.setenv("MLCYCLE_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("MLCYCLE_STATE", str(tmp_path / "no-platform-here"))
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(tmp_path / "projects"))
    (tmp_path / "scratch").mkdir()
    return tmp_path / "projects"


@pytest.fixture
def trained(platform: Platform, mlflow_url: str, named: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """A project with a snapshot, its file and its own code on disk."""
    monkeypatch.setenv("MLCYCLE_MLFLOW_URL", mlflow_url)
    project = flights_project()
    document = project.document() | {"features": {}}
    document["evaluation"]["parts"] = ["figures"]
    folder = named / project.name
    folder.mkdir(parents=True)
    text = yaml.safe_dump({key: value for key, value in document.items() if key != "candidates"})
    candidates = yaml.safe_dump({"candidates": document["candidates"]})
    written = text + candidates + COMMENT
    (folder / "project.yaml").write_text(written)
    for name, code in FILES.items():
        (folder / name).write_text(code)
    return Trained(platform, load(folder / "project.yaml"), mlflow_url)


@pytest.fixture
def dataset(trained: Trained) -> Handover:
    return trained.snapshot(flights(), JANUARY)


def counts(trained: Trained) -> list[Any]:
    return trained.rows(
        "select (select count(*) from ledger.attempt), (select count(*) from ledger.model_version where project = %s)"
    )


def test_a_trial_is_measured_beside_the_champion_and_becomes_a_candidate(
    trained: Trained, dataset: Handover, named: Path
) -> None:
    name = trained.project.name
    data = mlcycle.dataset(name)
    rows = data.frame("validation")
    assert len(rows) == data.manifest.splits["validation"].rows
    assert {*trained.project.inputs.all, "label", "event_time"} <= {*rows.columns}
    alone = data.train("table")
    assert alone.against is None
    assert alone.result.why_not == "there is no champion yet"

    trained.register(dataset, "table")
    with trained.platform.owner().transaction() as cursor:
        crown(cursor, name, 1, expected_seq=0, action="promote", actor="a test", reason="to have one")
    before = counts(trained)

    trial = data.train("models:Hours", smoothing=20.0, encode="frame")
    assert trial.against is not None
    assert trial.against.version == 1
    assert trial.against.trial == pytest.approx(trial.metrics["log_loss"])
    assert trial.against.champion == pytest.approx(alone.metrics["log_loss"])
    assert trial.against.low is None or trial.against.low <= trial.against.gain
    assert trial.predict(rows).shape == (len(rows),)
    better = data.train("boosting", max_iter=40)
    assert better.against is not None
    assert better.against.gain > 0
    trial.keep("by_hour")

    champion = mlcycle.model(f"{name}@champion")
    assert (champion.version, champion.candidate) == (1, "table")
    assert np.array_equal(champion.predict(rows), mlcycle.model(f"{name}@1").predict(rows))
    assert np.allclose(champion.predict(rows), alone.predict(rows))
    assert counts(trained) == before

    done = CliRunner().invoke(app, ["adopt", name, "by_hour", "--as", "hours"])
    assert done.exit_code == 0, done.output
    path = named / name / "project.yaml"
    adopted = load(path).candidates["hours"]
    assert (adopted.family, adopted.params) == ("models:Hours", {"smoothing": 20.0, "encode": "frame"})
    assert path.read_text().endswith(COMMENT)
    again = CliRunner().invoke(app, ["adopt", name, "by_hour", "--as", "hours"])
    assert isinstance(again.exception, ConfigError)
    assert "there is a candidate 'hours' already" in again.exception.message


def test_the_command_tries_a_candidate_and_registers_nothing(trained: Trained, dataset: Handover) -> None:
    before = counts(trained)
    done = CliRunner().invoke(
        app, ["run", trained.project.name, "train", "--trial", "--step", "train.boosting"]
    )
    assert done.exit_code == 0, done.output
    assert "boosting " in done.output
    assert "there is no champion yet" in done.output
    assert "table " not in done.output
    assert counts(trained) == before
    wrong = CliRunner().invoke(app, ["run", trained.project.name, "score", "--trial"])
    assert wrong.exit_code == 2


def test_features_are_those_that_training_sees(platform: Platform, named: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(ROOT / "projects"))
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-04")
    done: Result = run_step(request("features", FLIGHTS, "2013-01-01", "2013-01-04"), platform.settings())
    assert done.exit_code == 0, done.message
    window = datetime(2013, 1, 3, tzinfo=UTC), datetime(2013, 1, 5, tzinfo=UTC)
    chunks = joined_rows(Warehouse(platform.settings()), FLIGHTS, *window, labels=False)
    expected = pd.concat([chunk.to_pandas() for chunk in chunks], ignore_index=True)
    made = [name for view in FLIGHTS.features.values() for name in view.columns if name in expected]
    keys = [name for view in FLIGHTS.features.values() for name in view.entities]
    rows = expected[[*dict.fromkeys(keys), "event_time"]].sample(frac=1, random_state=1)
    found = mlcycle.features("flights", rows)
    assert found.index.equals(rows.index)
    assert expected[made].notna().any(axis=None)
    pd.testing.assert_frame_equal(found.sort_index()[made], expected[made], check_dtype=False)
    with pytest.raises(InputError, match="no time zone"):
        mlcycle.features("flights", rows.assign(event_time=rows["event_time"].dt.tz_localize(None)))
    with pytest.raises(InputError, match="rows lack carrier"):
        mlcycle.features("flights", rows.drop(columns="carrier"))
