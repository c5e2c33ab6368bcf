"""Airflow's own rows and logs on the local platform: what goes, and what is said of a tool that fails."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlcycle.housekeeping.freed import Freed
from mlcycle.housekeeping.keep import Keep
from mlcycle.local import own_rows
from mlcycle.local.config import configure
from mlcycle.settings import Settings
from tests.conftest import ROOT

SETTINGS = Settings.model_validate({"warehouse_dsn": "", "artifacts_url": "file:///a"})


@pytest.mark.parametrize("dry_run", [False, True], ids=["for good", "dry run"])
def test_old_logs_go_with_the_folders_that_they_leave_empty(
    dry_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = configure(tmp_path / "state", home=ROOT)
    monkeypatch.setattr(own_rows, "_airflow", lambda *_, **__: None)
    monkeypatch.setattr(own_rows, "_mlflow", lambda *_: None)
    logs = platform.logs / "airflow"
    files = [
        logs / "dag_id=flights_ingest" / f"run_id={run}" / f"task_id={task}" / "attempt=1.log"
        for run, task in [("old", "extract"), ("half", "extract"), ("half", "publish")]
    ]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("said")
    long_ago = (datetime.now(UTC) - timedelta(days=91)).timestamp()
    for file in files[:2]:
        os.utime(file, (long_ago, long_ago))
    freed = Freed()
    own_rows.prune(platform.state, SETTINGS, Keep(), freed, dry_run=dry_run)
    assert (freed.files["airflow"], freed.bytes["airflow"]) == (2, 8)
    left = sorted(str(path.relative_to(logs)) for path in logs.rglob("*") if path.is_dir())
    half = "dag_id=flights_ingest/run_id=half"
    assert files[2].exists()
    if dry_run:
        assert all(file.exists() for file in files)
    else:
        assert left == ["dag_id=flights_ingest", half, f"{half}/task_id=publish"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import time; time.sleep(60)", "the tool took more than 0.2 s: the next run goes on with it"),
        ("raise SystemExit('no room')", "the tool ended with 1: no room"),
    ],
    ids=["slow", "failed"],
)
def test_a_tool_that_does_not_end_well_is_a_problem_that_is_told(
    code: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_rows, "SECONDS", 0.2 if "sleep" in code else 60)
    freed, begin = Freed(), time.monotonic()
    assert own_rows._run(["-c", code], os.environ, freed, "the tool") == ""
    assert freed.problems == [expected]
    assert time.monotonic() - begin < 30
