"""Partitions that are weeks, months, or days of a zone whose clocks are moved, from delivery to what is served."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.ledger import monitoring
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import calendars, raw_data
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.snapshots import Trained

COUNT = 30
CASES = [
    pytest.param("month", "Europe/Berlin", "2011-01", id="local months"),
    pytest.param("week", "UTC", "2009-W40", id="weeks of a year of 53"),
    pytest.param("day", "Europe/Berlin", "2013-03-10", id="a day of 23 hours"),
    pytest.param("day", "America/Havana", "2013-10-15", id="a day of 25 hours that has midnight twice"),
]


def deliver(platform: Platform, project: Project, count: int) -> Partition:
    """Lay the file in the source, ingest it, and compute the view; the last partition."""
    first = Partition.parse(project.source.start, project.unit)
    last = first.shift(count - 1)
    path: Path = platform.folder / "source" / project.name / "sales.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(calendars.delivery(project.unit, first.key, count))
    done = Ingest(platform, project, "sales").run(first.key, last.key)
    assert done["publish"].status is Status.OK, done["publish"].message
    assert done["publish"].values["published"] == count
    return last


def ok(platform: Platform, step: str, project: Project, first: str, last: str = "") -> Result:
    done = run_step(raw_data.request(step, project, first, last), platform.settings())
    assert done.status is Status.OK, done.message
    return done


@pytest.mark.parametrize(("unit", "zone", "start"), CASES)
def test_a_data_set_is_what_a_hand_calculation_says(
    platform: Platform, unit: str, zone: str, start: str
) -> None:
    project = calendars.project(unit, zone, start)
    last = deliver(platform, project, COUNT)
    keys = [key for (key,) in platform.owner().query("select partition from ledger.batch order by 1")]
    assert keys == [each.key for each in Partition.parse(start, project.unit).to(last)]
    ok(platform, "features", project, start, last.key)
    made = ok(platform, "dataset", project, last.key)
    splits = calendars.rows_of(ArtifactStore(platform.settings().artifacts_url), made)
    assert set(splits) == {"train", "validation", "holdout"}
    numbers: dict[str, set[int]] = {}
    for split, rows in splits.items():
        for row in rows:
            moment = row["event_time"].astimezone(UTC)
            partition = Partition.parse(row["partition"], project.unit)
            assert partition.start <= moment < partition.end
            local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            assert local == calendars.at(partition)
            shop, number = int(row["shop"][1:]), project.unit.number(moment)
            assert row["sold_before"] == (
                calendars.sold(shop, number - 1) if partition.key != start else None
            )
            assert row["label"] == calendars.sold(shop, number + 1)
            numbers.setdefault(split, set()).add(number)
    end = project.unit.number(last.start)
    # The last one's label is not there; between two splits lies what the label is ahead.
    assert numbers["holdout"] == {end - 3, end - 2, end - 1}
    assert numbers["validation"] == {end - 7, end - 6, end - 5}
    assert numbers["train"] == set(range(end - COUNT + 1, end - 8))


def test_what_was_served_of_local_months_is_labelled_and_watched(platform: Platform, mlflow_url: str) -> None:
    split = {"holdout": "8 months", "validation": "3 months", "history": "60 months", "min_rows": 200}
    project = calendars.project("month", "Europe/Berlin", "2010-01", split=split)
    trained = Trained(platform, project, mlflow_url)
    first = Partition.parse(project.source.start, project.unit)
    last = deliver(platform, project, 40)
    ok(platform, "features", project, first.key, last.key)

    def run(step: str, begin: str, end: str = "") -> Result:
        asked = raw_data.request(step, project, begin, end)
        return trained.ok(run_step(asked, trained.settings("train")))

    dataset = run("dataset", last.shift(-4).key).handover
    trained.register(dataset, "by_shop")
    assert "is champion number 1" in trained.ok(trained.promote()).message
    since = last.shift(-3).key
    run("score", since, last.key)
    run("labels", since, last.key)
    served = trained.rows(
        """select p.partition, p.event_time, count(*), count(l.label) from serving.prediction p
           left join serving.label l using (project, entity_key, event_time) where project = %s
           group by 1, 2 order by 1"""
    )
    midnights = [
        Partition.parse(key, project.unit).start for key in ("2013-01", "2013-02", "2013-03", "2013-04")
    ]
    labelled = [calendars.SHOPS] * 3 + [0]  # what is sold in May is not known
    keys = ["2013-01", "2013-02", "2013-03", "2013-04"]
    assert served == list(zip(keys, midnights, [calendars.SHOPS] * 4, labelled, strict=True))
    watched = run("monitor", last.key)
    assert watched.metrics["rmse"] < 10  # of labels that differ by 69
    noted = trained.rows(
        """select details->'days' from ledger.monitor_result where project = %s and monitor = 'prediction_drift'
           and subject = '' and details ? 'days'"""
    )
    assert {int(number) for (days,) in noted for number in days} >= {
        project.unit.number(moment) for moment in midnights[1:]
    }


@pytest.mark.parametrize(
    ("unit", "first"),
    [("week", "2009-W49"), ("month", "2009-10"), ("day", "2009-12-29")],
)
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_what_was_measured_is_kept_by_months_whatever_partitions_are(
    platform: Platform, unit: str, first: str, zone: str
) -> None:
    begin = Partition.parse(first, Unit.of(unit, zone))
    several = list(begin.to(begin.shift(7)))
    with Warehouse(platform.settings("train")).transaction() as cursor:
        for number, partition in enumerate(several):
            found = Measurement("volume", "ok", "as ever", details={"number": number})
            monitoring.replace(cursor, "shops", partition, [found])
        keys = [partition.key for partition in several]
        noted = monitoring.details_before(cursor, "shops", "volume", keys)
    assert [each["number"] for each in noted[""]] == list(range(7, -1, -1))  # newest first
