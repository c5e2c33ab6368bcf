"""Windows of a draft's monitors: whole seasons, and so short that the training data have enough of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlcycle.project.file import load
from mlcycle.proposal.draft import draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write
from tests import shapes
from tests.series import SERIES


def drafted(frame: pd.DataFrame, tmp_path: Path, **told: str) -> tuple[dict[str, object], str]:
    frame.to_csv(tmp_path / "rows.csv", index=False)
    found = draft(look("mine", tmp_path / "rows.csv", **told))  # type: ignore[arg-type]
    (said,) = [one.why for one in found.said if one.what == "monitors"]
    load(write(found, tmp_path / "projects") / "project.yaml")
    return found.document["monitors"], said


def visits(days: int, week: bool, year: bool = False, rows: int = 50) -> pd.DataFrame:
    """Visits by chance; fewer at weekends, or more in one half of the year."""
    random = np.random.default_rng(days + week)
    times = pd.date_range("2019-01-07", periods=days, freq="D")
    often = rows * np.where(week & (times.dayofweek >= 5), 0.5, 1.0)
    often = often * (1 + 0.6 * np.sin(2 * np.pi * np.arange(days) / 364)) if year else often
    counts = random.poisson(often)
    at = np.repeat(times.to_numpy(), counts) + random.integers(0, 86400, counts.sum()).astype(
        "timedelta64[s]"
    )
    spent = random.gamma(2, 30, len(at)).round(2)
    back = random.random(len(at)) < spent / 200
    stamps = pd.Series(at).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = {
        "visit_id": range(len(at)),
        "at": stamps,
        "spent": spent,
        "returned": np.where(back, "yes", "no"),
    }
    return pd.DataFrame(frame)


def test_windows_are_whole_weeks_where_weeks_are_seen(tmp_path: Path) -> None:
    document, said = drafted(visits(120, week=True), tmp_path, label="returned")
    assert document == {"window": "7 days"}
    assert "rows or label follow the week" in said
    assert "drift is quiet until training holds 24 windows of 7 days" in said  # 78 days are learnt from


def test_without_a_season_windows_are_as_short_as_it_takes(tmp_path: Path) -> None:
    document, said = drafted(visits(200, week=False), tmp_path, label="returned")
    assert document == {"window": "5 days"}  # 24 of them in 130 days
    assert said == "no season was found"


def test_a_window_has_days_to_compare_its_volume_by(tmp_path: Path) -> None:
    document, said = drafted(visits(90, week=False), tmp_path, label="returned")
    assert document == {"window": "7 days"}  # one of 2 days would be measured, and volume would not
    assert "quiet until training holds 24 windows of 7 days" in said


def test_few_rows_a_day_are_no_window(tmp_path: Path) -> None:
    document, said = drafted(visits(120, week=False, rows=9), tmp_path, label="returned")
    assert document == {"window": "7 days"}
    assert "quiet until" in said


@pytest.mark.parametrize(
    ("days", "reference"), [(700, None), (1300, "season"), (1820, "calendar")], ids=["2", "3.5", "5 years"]
)
def test_a_year_is_compared_with_its_own_time_where_training_has_it(
    days: int, reference: str | None, tmp_path: Path
) -> None:
    frame = visits(days, week=False, year=True, rows=8)
    document, said = drafted(frame, tmp_path, label="returned")
    assert document.get("reference") == reference
    assert ("year" in said) is (days > 1000)


def test_rows_without_a_time_are_compared_with_all_others(tmp_path: Path) -> None:
    wanted = shapes.no_time()
    (tmp_path / wanted.file).write_bytes(wanted.data)
    document = draft(look("mine", tmp_path / wanted.file, **wanted.told)).document["monitors"]
    assert document == {"window": "1 day", "reference": "training"}


def test_series_are_watched_by_their_own_seasons(tmp_path: Path) -> None:
    found = {}
    for made in SERIES:
        seen = look("mine", made().write(tmp_path / f"{made.__name__}.csv"))
        found[made.__name__] = draft(seen).document["monitors"]
    assert found["trend_and_week"] == {"window": "7 days"}
    assert found["day_of_hours"] == {"window": "7 days"}
    assert found["months"] == {"window": "3 months", "reference": "calendar"}
