"""Rows that were served, scored again from today's warehouse: on real flights, by the monitor step."""

import json
from collections.abc import Callable

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import replace, request, short_flights
from tests.reign import crown, featured

DOCUMENT = short_flights()
DOCUMENT["candidates"]["carrier_hour_rate"]["params"]["by"] = ["carrier_late_7d", "sched_hour"]
PROJECT = Project.model_validate(DOCUMENT)
DAY = "2013-01-20"
Watch = Callable[..., tuple[str, str, dict[str, object]]]


@pytest.fixture
def watch(platform: Platform) -> Watch:
    """Three weeks of life, the last days scored; then the monitor's word on a day."""
    featured(platform, PROJECT, DAY)
    settings = platform.settings()
    crown(platform, PROJECT, "2013-01-10", "2013-01-16")
    assert run_step(request("score", PROJECT, "2013-01-17", DAY), settings).status is Status.OK
    runs = iter(range(100))

    def run(project: Project = PROJECT) -> tuple[str, str, dict[str, object]]:
        done: Result = run_step(request("monitor", project, DAY, work=f"monitor-{next(runs)}"), settings)
        assert done.status is Status.OK, done.message
        ((status, message, details),) = platform.owner().query(
            "select status, message, details from ledger.monitor_result where monitor = 'served_again'"
        )
        return status, message, details

    return run


def test_served_rows_give_the_served_answer_also_after_a_promotion(platform: Platform, watch: Watch) -> None:
    assert watch()[:2] == (
        "ok",
        "600 served rows of 2013-01-17, 2013-01-18, 2013-01-20 scored again: all give the served answer",
    )
    crown(platform, PROJECT, "2013-01-05", "2013-01-12", version=2)
    scored = run_step(request("score", PROJECT, "2013-01-17", DAY, work="again"), platform.settings())
    assert "champion" in scored.message
    assert watch()[0] == "ok"


def test_a_past_that_was_written_to_is_a_page_and_the_input_is_named(
    platform: Platform, watch: Watch
) -> None:
    platform.owner().query("update features.flights__carrier_recent set carrier_late_7d = 0.987")
    status, message, details = watch()
    assert status == "page"
    assert "differ, in carrier_late_7d (600 rows); a value is dated before it is known" in message
    assert details["inputs"] == {"carrier_late_7d": 600}


def test_a_correction_that_was_delivered_is_told_apart(platform: Platform, watch: Watch) -> None:
    data = day_file("flights", "arrivals", "2013-01-15")
    assert data is not None
    head, *rows = data.strip().split(b"\n")
    late = [row.rpartition(b",")[0] + b",500" for row in rows]
    replace(
        Warehouse(platform.settings("ingest")),
        PROJECT,
        "arrivals",
        [("2013-01-15", b"\n".join([head, *late]))],
    )
    done = run_step(request("features", PROJECT, "2013-01-15", DAY, work="again"), platform.settings())
    assert done.status is Status.OK
    status, message, details = watch()
    assert status == "ok"
    assert "differ after arrivals 2013-01-15 changed" in message
    assert json.dumps(details["corrected"]) == '["arrivals 2013-01-15"]'


def test_without_kept_rows_nothing_is_claimed(platform: Platform, watch: Watch) -> None:
    for path in (platform.folder / "artifacts" / "served").rglob("*.parquet"):
        path.unlink()
    done = run_step(request("monitor", PROJECT, DAY, work="bare"), platform.settings())
    assert "served_again (no served rows with their inputs in the window)" in done.message
