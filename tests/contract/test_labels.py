"""The labels step on real flights and weather: what is known when, corrections, kills."""

from collections.abc import Callable
from typing import Any

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.ledger import attempts
from mlcycle.local.world_data import day_file
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, replace, request

Step = Callable[..., Result]


@pytest.fixture
def labels(platform: Platform) -> Step:
    """Run the step as a work of its own."""
    runs = iter(range(1000))

    def run(first: str, last: str = "", project: Project = FLIGHTS, **fields: object) -> Result:
        work = {"work": f"labels-{next(runs)}", **fields}
        return run_step(request("labels", project, first, last, **work), platform.settings("train"))

    return run


@pytest.fixture
def ingest(platform: Platform) -> Warehouse:
    """A warehouse connection of the ingest role."""
    return Warehouse(platform.settings("ingest"))


def held(platform: Platform) -> list[tuple[Any, ...]]:
    """Partitions with labels, rows and late ones."""
    return platform.owner().query(
        "select partition, count(*), sum(label) from serving.label group by 1 order by 1"
    )


def test_a_day_is_labelled_when_its_delay_is_over_and_not_before(
    platform: Platform, ingest: Warehouse, labels: Step
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-03")  # arrivals of 1 and 2 January among them
    assert labels("2013-01-01").status is Status.SKIPPED
    second = labels("2013-01-02")
    assert second.status is Status.OK
    assert [row[0] for row in held(platform)] == ["2013-01-01"]
    third = labels("2013-01-03")
    assert third.values["partitions"] == ["2013-01-02"]
    assert labels("2013-01-03").status is Status.SKIPPED


def test_labels_are_what_the_files_say(platform: Platform, ingest: Warehouse, labels: Step) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-02")
    result = labels("2013-01-02")
    lines = (day_file("flights", "arrivals", "2013-01-01") or b"").decode().splitlines()[1:]
    delays = [line.rsplit(",", 1)[1] for line in lines]
    known = [float(delay) for delay in delays if delay]
    assert held(platform) == [("2013-01-01", len(known), sum(delay >= 15 for delay in known))]
    assert result.metrics["unlabelled"] == len(delays) - len(known) > 0


def test_a_corrected_label_batch_is_taken_up_by_a_later_run(
    platform: Platform, ingest: Warehouse, labels: Step
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-04")
    labels("2013-01-03")
    header, first, *rest = (day_file("flights", "arrivals", "2013-01-01") or b"").decode().splitlines()
    early = first.rsplit(",", 1)[0] + ",-9"
    late = first.rsplit(",", 1)[0] + ",999"
    before = held(platform)[0]
    for line in (late, early):
        corrected = "\n".join([header, line, *rest]) + "\n"
        replace(ingest, FLIGHTS, "arrivals", [("2013-01-01", corrected.encode())])
        assert labels("2013-01-04").values["partitions"] in (["2013-01-01", "2013-01-03"], ["2013-01-01"])
    assert held(platform)[0] == (before[0], before[1], before[2] - (float(first.rsplit(",", 1)[1]) >= 15))
    assert labels("2013-01-04").status is Status.SKIPPED


def test_nan_is_no_label(platform: Platform, ingest: Warehouse, labels: Step) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["arrivals"]["columns"]["arr_delay"] = "double"
    project = Project.model_validate(document)
    deliver(ingest, project, "2013-01-01", "2013-01-02")
    count = held_rows(platform, labels, project)
    header, first, *rest = (day_file("flights", "arrivals", "2013-01-01") or b"").decode().splitlines()
    spoiled = "\n".join([header, first.rsplit(",", 1)[0] + ",NaN", *rest]) + "\n"
    replace(ingest, project, "arrivals", [("2013-01-01", spoiled.encode())])
    assert held_rows(platform, labels, project) == count - 1


def held_rows(platform: Platform, labels: Step, project: Project) -> int:
    """Rows with a label after a run."""
    assert labels("2013-01-02", project=project).status is Status.OK
    return int(held(platform)[0][1])


def test_a_kill_after_the_commit_replays(
    platform: Platform, ingest: Warehouse, labels: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-02")
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", lambda *_: None)  # the attempt dies before it is closed
        first = labels("2013-01-02", work="same")
    again = labels("2013-01-02", work="same")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.status is Status.OK
    assert platform.owner().query("select count(*) from ledger.publication where work = 'same'") == [(1,)]
