"""What freshness is worth: measured on validation, told on a page and as JSON, refused in one line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.errors import InputError
from mlcycle.steps.freshness_report import here
from tests.conftest import Platform
from tests.snapshots import Trained, flights, flights_project

BOUNDS = {
    "train": ("2013-01-01", "2013-03-05"),
    "validation": ("2013-03-05", "2013-03-15"),
    "holdout": ("2013-03-15", "2013-03-25"),
}


@pytest.fixture
def trained(platform: Platform) -> Trained:
    return Trained(platform, flights_project(), "http://nowhere")  # nothing is asked of MLflow


def test_windows_of_every_age_are_measured_on_the_same_later_rows_and_never_on_the_holdout(
    trained: Trained,
) -> None:
    dataset = trained.snapshot(flights(), BOUNDS)
    folder = f"datasets/{trained.project.name}/{dataset.values['digest']}"
    trained.artifacts.put(f"{folder}/holdout-000.parquet", b"nobody reads this")
    document, outputs = here(trained.project, trained.settings(), "table")
    assert [each["days"] for each in document["ages"]] == [0, 7, 14, 28]
    rows = flights().event_time.between("2013-03-05T00:00Z", "2013-03-15T00:00Z", inclusive="left").sum()
    assert document["rows"] == rows
    assert document["blocks"] >= MIN_BLOCKS
    first, *others = document["ages"]
    assert first["fresh_better_by"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    for each in others:
        gain = each["fresh_better_by"]
        assert gain["low"] < gain["value"] < gain["high"]
        assert gain["value"] == pytest.approx(each["value"] - first["value"], abs=1e-12)
    assert [each["days"] for each in document["every"]] == [7, 14]
    # By hand, from the losses by age: means of straight lines.
    losses = {each["days"]: each["fresh_better_by"]["value"] for each in document["ages"]}
    always = (losses[7] * 7 / 2 + (losses[7] + losses[14]) * 7 / 2 + (losses[14] + losses[28]) * 14 / 2) / 28
    assert document["every"][0]["worth"]["value"] == pytest.approx(always - losses[7] / 2)
    assert document["lengths"][-1]["rows"] > document["lengths"][0]["rows"]
    assert json.loads(trained.artifacts.get(outputs["json"])) == document
    page = trained.artifacts.get(outputs["page"]).decode()
    assert "over every 28 days" in page
    assert page.count("data:image/png") == 1
    again, _ = here(trained.project, trained.settings(), "table")
    assert again == document


def test_what_cannot_be_measured_is_refused_in_one_line(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no candidate 'tables': there are table, boosting, network"):
        here(trained.project, trained.settings(), "tables")
    with pytest.raises(InputError, match="has no dataset: start"):
        here(trained.project, trained.settings(), "table")
    trained.snapshot(flights(), {**BOUNDS, "train": ("2013-02-20", "2013-03-05")})
    with pytest.raises(InputError, match="four weeks are needed"):
        here(trained.project, trained.settings(), "table")
    done = CliRunner().invoke(app, ["freshness", "nothing", "--candidate", "x", "--projects", str(tmp_path)])
    assert done.exit_code != 0
