"""A series alone, from ``mlcycle new`` to a forecast that is better than that of a season before."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlcycle.contract import Status
from mlcycle.project.file import load
from mlcycle.proposal.draft import draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.raw_data import request
from tests.series import Series, months, trend_and_week
from tests.snapshots import Trained


@pytest.mark.parametrize("made", [trend_and_week, months], ids=lambda made: made.__name__)
def test_a_series_is_forecast_better_than_by_the_season_before(
    made: Callable[[], Series], platform: Platform, mlflow_url: str, tmp_path: Path
) -> None:
    file = made().write(tmp_path / "series.csv")
    drafted = draft(look(f"new_{made.__name__}", file))
    project = load(write(drafted, tmp_path / "projects") / "project.yaml")
    done = Ingest(platform, project, "rows").run(
        drafted.first, drafted.last, allowed_sources=f"file://{tmp_path}"
    )
    assert done["publish"].status is Status.OK, done["publish"].message
    trained = Trained(platform, project, mlflow_url)
    views = run_step(request("features", project, drafted.first, drafted.last), platform.settings("train"))
    assert views.status is Status.OK, views.message
    dataset = trained.ok(
        run_step(request("dataset", project, drafted.last), trained.settings("train"))
    ).handover
    entries = [trained.ok(trained.train(dataset, name)).handover for name in project.candidates]
    found = trained.ok(trained.step("evaluate", inputs={"dataset": [dataset], "train": entries}))
    best, naive = found.values["best"]["candidate"], found.metrics["naive_rmse"]
    assert naive < found.metrics["zero_rule_rmse"]
    assert found.metrics[f"{best}_rmse"] < 0.9 * naive
