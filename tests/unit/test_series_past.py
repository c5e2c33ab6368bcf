"""What ``mlcycle new`` makes of a series' own past: the horizon, the season, the values that are looked back to."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlcycle.domain.durations import parse_duration
from mlcycle.project.file import load
from mlcycle.proposal.draft import Draft, draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write
from tests import shapes
from tests.series import SERIES, Series, trend_and_week


def drafted(path: Path, **told: str) -> Draft:
    return draft(look("mine", path, **told))  # type: ignore[arg-type]


def said(of: Draft) -> dict[str, tuple[str, bool]]:
    return {one.what: (one.why, one.sure) for one in of.said}


@pytest.mark.parametrize("made", SERIES, ids=lambda made: made.__name__)
def test_a_series_alone_is_forecast(made: Callable[[], Series], tmp_path: Path) -> None:
    series = made()
    found = drafted(series.write(tmp_path / "series.csv"))
    conclusions = said(found)
    assert conclusions[f"season: {series.season or 'none'}"][1]
    unit = found.document["source"]["partition"]
    assert found.document["label"]["ahead"] == f"1 {unit}"
    assert "nothing but their own past" in conclusions[f"forecast: 1 {unit} ahead"][0]
    if series.season is None:
        assert not conclusions["own past tells nothing more"][1]
    else:
        assert conclusions["own past tells"][1]
    project = load(write(found, tmp_path / "projects") / "project.yaml")
    assert set(project.features["past"].columns) <= set(project.inputs.numeric) & set(project.inputs.known)
    assert project.candidates[project.evaluation.heuristic].family == "naive"


def test_several_series_have_their_own_past_each(tmp_path: Path) -> None:
    parts = []
    for at in range(3):
        series = trend_and_week()
        values = np.roll(series.values, at)
        parts.append(
            pd.DataFrame({"date": series.times.strftime("%Y-%m-%d"), "shop": f"s{at}", "sold": values})
        )
    pd.concat(parts).to_csv(tmp_path / "shops.csv", index=False)
    found = drafted(tmp_path / "shops.csv", label="sold")
    view = found.document["features"]["past"]
    assert view["entities"] == ["shop"]
    assert view["known"] == "0 days"
    assert view["make"] == {
        "newest": {"last": "sold"},
        "week_before": {"lag": "sold", "by": "6 days"},
        "week_before_2": {"lag": "sold", "by": "13 days"},
        "week_before_3": {"lag": "sold", "by": "20 days"},
        "mean_week": {"mean": "sold", "over": "6 days"},
        "change_week": {"difference": "sold", "by": "7 days"},
    }
    assert found.document["candidates"]["naive"]["params"] == {"column": "week_before"}


def test_what_has_more_to_tell_by_has_a_past_that_was_known_and_no_horizon(tmp_path: Path) -> None:
    shape = shapes.german()
    (tmp_path / shape.file).write_bytes(shape.data)
    found = drafted(tmp_path / shape.file, **shape.told)
    assert "ahead" not in found.document["label"]
    view = found.document["features"]["past"]
    assert view["known"] == "1 day"  # a day's rows are predicted when it has ended
    assert view["make"]["newest"] == {"last": "netzlast"}  # of the same hour, a day before
    assert not [what for what in said(found) if what.startswith("forecast")]


@pytest.mark.parametrize(
    "shape", [shapes.plain, shapes.no_time, shapes.question_marks], ids=lambda one: one.__name__
)
def test_what_is_no_series_has_no_past(shape: Callable[[], shapes.Shape], tmp_path: Path) -> None:
    wanted = shape()
    (tmp_path / wanted.file).write_bytes(wanted.data)
    found = drafted(tmp_path / wanted.file, **wanted.told)
    assert "past" not in found.document.get("features", {})
    assert "naive" not in found.document["candidates"]


@pytest.mark.parametrize(
    ("days", "forecast"), [([0, 1, 2, 3, 4], True), ([0, 2, 3], False)], ids=["business days", "no rhythm"]
)
def test_a_rhythm_may_have_gaps_but_must_be_one(days: list[int], forecast: bool, tmp_path: Path) -> None:
    times = pd.date_range("2021-01-01", periods=600, freq="D")
    times = times[times.dayofweek.isin(days)]
    values = 100 + np.random.default_rng(1).normal(0, 1, len(times)).cumsum()
    frame = pd.DataFrame({"date": times.strftime("%Y-%m-%d"), "price": values.round(3)})
    frame.to_csv(tmp_path / "prices.csv", index=False)
    assert (look("mine", tmp_path / "prices.csv").past is not None) is forecast


@pytest.mark.parametrize("freq", ["MS", "ME"], ids=["first days", "last days"])
def test_months_look_back_to_the_month_that_is_meant(freq: str, tmp_path: Path) -> None:
    """Months are of 28 to 31 days: the newest value so long before is that of the same month a year before."""
    times = pd.date_range("2001-01-01", periods=240, freq=freq)
    values = 20 * np.sin(times.month / 12 * 2 * np.pi) + np.random.default_rng(3).normal(0, 1, len(times))
    frame = pd.DataFrame({"month": times.strftime("%Y-%m-%d"), "value": values.round(2)})
    frame.to_csv(tmp_path / "months.csv", index=False)
    seen = look("mine", tmp_path / "months.csv")
    assert seen.past is not None
    assert seen.past.said[0].sure is (freq == "MS")  # from the last of April a month leads to 30 May
    make = {name: one.get("by") or one.get("over") for name, one in seen.past.make.items()}
    for at in range(13, len(times)):
        ages = times[at] - times
        year_before = ages >= parse_duration(make["year_before"])
        assert np.flatnonzero(year_before).max() == at - 11  # a year before the next month
        same = ages >= parse_duration(make["change_year"])
        assert np.flatnonzero(same).max() == at - 12
        within = (ages >= timedelta(0)) & (ages <= parse_duration(make["mean_year"]))
        assert within.sum() == 12
