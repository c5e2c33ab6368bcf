"""The labels step on real flights and weather: what is known when, corrections, kills."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import attempts, label_sources
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform
from tests.raw_data import FLIGHTS, deliver, replace, request

Step = Callable[..., Result]
WEATHER = load(ROOT / "projects" / "weather" / "project.yaml")


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


def test_another_definition_of_the_label_makes_every_partitions_labels_anew(
    platform: Platform, ingest: Warehouse, labels: Step
) -> None:
    deliver(ingest, FLIGHTS, "2013-01-01", "2013-01-03")
    labels("2013-01-03")
    before = held(platform)
    label = FLIGHTS.label.model_copy(update={"at_least": 60})
    other = FLIGHTS.model_copy(update={"label": label})
    again = labels("2013-01-03", project=other)
    assert again.values["partitions"] == ["2013-01-01", "2013-01-02"]
    for (day, rows, late), (same_day, same_rows, later) in zip(before, held(platform), strict=True):
        assert (day, rows) == (same_day, same_rows)
        assert later < late
    assert labels("2013-01-03", project=other).status is Status.SKIPPED


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


def all_of_history(platform: Platform, project: Project, as_of: datetime) -> list[tuple[Partition, str]]:
    """The peer: what is due by every batch and every note there is."""
    owner, unit = platform.owner(), project.unit
    current: dict[str, dict[str, int]] = {project.entity.table: {}, project.label.table: {}}
    for table, key, batch in owner.query(
        "select table_name, partition, batch_id from ledger.batch where project = %s and current",
        (project.name,),
    ):
        current.setdefault(table, {})[key] = batch
    made = dict(
        owner.query("select partition, inputs from ledger.feature_partition where view = %s", ("@labels",))
    )
    found = []
    for key, batch in sorted(current[project.entity.table].items()):
        partition = Partition.parse(key, unit)
        if partition.end + project.label.delay + project.label.ahead > as_of:
            continue
        first = Partition.containing(partition.start + project.label.ahead, unit)
        last = Partition.containing(partition.end + project.label.ahead - timedelta(microseconds=1), unit)
        labels = current[project.label.table]
        sources = [labels[item.key] for item in first.to(last) if item.key in labels]
        note = f"{batch}<{','.join(map(str, sources))}"
        if sources and made.get(key) != note:
            found.append((partition, note))
    owner.close()
    return found


@pytest.mark.parametrize("project", [FLIGHTS, WEATHER], ids=["days", "hours"])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_due_is_what_all_of_history_says(platform: Platform, project: Project, seed: int) -> None:
    chance, owner = random.Random(seed), platform.owner()
    begin = Partition.parse(project.source.start, project.unit)
    for _ in range(30):
        with owner.transaction() as cursor:
            for _ in range(chance.choice([0, 1, 2, 6])):
                table, partition = (
                    chance.choice(list(project.source.tables)),
                    begin.shift(chance.randrange(50)),
                )
                cursor.execute(
                    "update ledger.batch set current = false where table_name = %s and partition = %s",
                    (table, partition.key),
                )
                cursor.execute(
                    """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
                       values (%s, %s, %s, 'published', true, '', 1, 0)""",
                    (project.name, table, partition.key),
                )
        as_of = begin.shift(chance.randrange(60)).end
        with owner.transaction() as cursor:
            known = label_sources.due(cursor, project, as_of)
            assert known.partitions == all_of_history(platform, project, as_of)
            made = len(known.partitions) if chance.random() < 0.7 else len(known.partitions) // 2
            for partition, sources in known.partitions[:made]:
                label_sources.note(cursor, project.name, partition.key, sources, 0)
            if made == len(known.partitions):
                label_sources.settle(cursor, known)
