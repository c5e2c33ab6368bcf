"""A stranger's file from ``mlcycle new`` to a model that is better than the zero rule, no line edited."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.contract import Status
from mlcycle.project.file import load
from mlcycle.proposal.draft import draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write
from mlcycle.steps.runtime import run_step
from tests import shapes
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.raw_data import request
from tests.series import random_walk
from tests.shapes import Shape
from tests.snapshots import Trained, weather_project

# Each of another kind; benchmarks/strangers.py does the same with all twenty.
KINDS = (shapes.plain, shapes.parts, shapes.stations, shapes.no_header, shapes.question_marks, shapes.zipped)


@pytest.mark.parametrize("shape", KINDS, ids=lambda shape: shape.__name__)
def test_it_learns(shape: Callable[[], Shape], platform: Platform, mlflow_url: str, tmp_path: Path) -> None:
    wanted = shape()
    file = tmp_path / "files" / wanted.file
    file.parent.mkdir()
    file.write_bytes(wanted.data)
    drafted = draft(look(f"new_{shape.__name__}", file, **wanted.told))
    project = load(write(drafted, tmp_path / "projects") / "project.yaml")
    ingest = Ingest(platform, project, "rows")
    settings = {"allowed_sources": f"file://{file.parent}"}
    results = {}
    for name in ("extract", "validate", "publish"):
        results[name] = ingest.step(name, drafted.first, drafted.last, before=results, **settings)
        assert results[name].status is Status.OK, results[name].message
    assert results["publish"].values["rows"] == len(ingest.rows())
    assert len(ingest.rows()) >= 0.99 * 1600, results["validate"].message
    trained = Trained(platform, project, mlflow_url)
    if project.features:
        made = run_step(request("features", project, drafted.first, drafted.last), platform.settings("train"))
        assert made.status is Status.OK, made.message
    dataset = trained.ok(
        run_step(request("dataset", project, drafted.last), trained.settings("train"))
    ).handover
    entries = [trained.ok(trained.train(dataset, name)).handover for name in project.candidates]
    found = trained.ok(trained.step("evaluate", inputs={"dataset": [dataset], "train": entries}))
    best, metric = found.values["best"]["candidate"], project.evaluation.metric
    assert found.metrics[f"{best}_{metric}"] < found.metrics[f"zero_rule_{metric}"]


@pytest.fixture
def run(
    platform: Platform, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """``mlcycle new NAME --from FILE --yes --run`` in this process; its output."""
    settings = Trained(platform, weather_project(), mlflow_url).settings("train")
    for role in platform.passwords:
        dsn = platform.settings(role).warehouse_dsn.get_secret_value()
        monkeypatch.setenv(f"MLCYCLE_DSN_{role.upper()}", dsn)
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", settings.artifacts_url)
    monkeypatch.setenv("MLCYCLE_MLFLOW_URL", mlflow_url)
    monkeypatch.setenv("MLCYCLE_ALLOWED_SOURCES", "*")
    places = ["--projects", str(tmp_path / "projects"), "--state", str(tmp_path / "none")]

    def new(name: str, file: Path, *told: str) -> str:
        done = CliRunner().invoke(app, ["new", name, "--from", str(file), *told, "--yes", "--run", *places])
        assert done.exit_code == 0, done.output[-3000:]
        return done.output

    return new


def test_run_goes_on_to_a_champion_and_scores_the_newest_rows(
    platform: Platform, run: Callable[..., str], tmp_path: Path
) -> None:
    wanted = shapes.parts()
    (tmp_path / wanted.file).write_bytes(wanted.data)
    said = run("air", tmp_path / wanted.file, "--label", "pm2.5", "--zone", "Asia/Shanghai")
    ((version, rows),) = platform.owner().query(
        "select version, count(*) from serving.prediction where project = 'air' group by 1"
    )
    assert rows >= 6 * 24
    assert ("air", version) in platform.owner().query("select project, version from ledger.champion")
    assert "monitor" in said
    assert "nothing was gained" not in said


def test_of_a_random_walk_it_says_that_nothing_is_gained(run: Callable[..., str], tmp_path: Path) -> None:
    said = run("walk", random_walk().write(tmp_path / "walk.csv"))
    assert "? own past tells nothing more" in said
    assert (
        said.splitlines()[-1] == "nothing was gained: the best on validation is the heuristic itself, naive"
    )
