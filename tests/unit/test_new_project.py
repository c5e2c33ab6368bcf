"""What ``mlcycle new`` concludes of twenty files as strangers write them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mlcycle.project.file import load
from mlcycle.proposal.draft import draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write
from tests.shapes import SHAPES, Shape


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_stranger_s_file_becomes_a_project(shape: Callable[[], Shape], tmp_path: Path) -> None:
    wanted = shape()
    (tmp_path / wanted.file).write_bytes(wanted.data)
    seen = look("mine", tmp_path / wanted.file, **wanted.told)
    assert (seen.goal.column.name, seen.goal.task) == (wanted.label, wanted.task)
    assert (seen.at.columns if seen.at else ()) == wanted.time
    if wanted.key is not None:
        assert (len(seen.told.columns), seen.told.numbered) == (wanted.key, False)
    project = load(write(draft(seen), tmp_path / "projects") / "project.yaml")
    assert project.inputs.all


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("freq", "unit", "first", "window", "holdout"),
    [
        ("W-SUN", "week", "2010-W52", "28 days", "56 days"),
        ("MS", "month", "2011-01", "3 months", "8 months"),
        ("ME", "month", "2011-01", "3 months", "8 months"),
        ("2D", "day", "2011-01-01", "7 days", None),
    ],
    ids=["Sundays", "first days", "last days", "every other day"],
)
def test_dates_that_come_weekly_or_monthly_make_such_partitions(
    tmp_path: Path, freq: str, unit: str, first: str, window: str, holdout: str | None, zone: str
) -> None:
    start = "2011-01-31" if freq == "ME" else "2011-01-01"
    dates = pd.date_range(start, periods=40, freq=freq)
    rows = [
        {"date": f"{date:%Y-%m-%d}", "shop": shop, "wind": (7 * at + shop) % 11, "sold": 100 * shop + at % 5}
        for at, date in enumerate(dates)
        for shop in range(4)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "sales.csv", index=False)
    seen = look("mine", tmp_path / "sales.csv", label="sold", zone=zone)
    made = draft(seen)
    project = load(write(made, tmp_path / "projects") / "project.yaml")
    assert str(project.unit) == unit
    if holdout is None:
        return
    assert (project.unit.zone, made.first) == (zone, first)
    assert (project.document()["monitors"]["window"], project.document()["split"]["holdout"]) == (
        window,
        holdout,
    )
    last = project.unit.key(project.unit.start(project.unit.number(seen.partitions[1].start)))
    assert made.last == last == {"W-SUN": "2011-W39", "MS": "2014-04", "ME": "2014-04"}[freq]
