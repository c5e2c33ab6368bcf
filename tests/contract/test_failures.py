"""Deliveries that were stopped, schemas that changed, steps that failed for good: told once, closed when mended."""

import itertools
from typing import Any

import pytest

from mlcycle.contract import Origin, PartitionRange, Request, Result, Status
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import attempts, partitioning
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.hourly import Hourly, now_hour, rows

numbers = itertools.count()


@pytest.fixture
def hourly(platform: Platform) -> Hourly:
    """A living source of which two hours were published."""
    found = Hourly(platform)
    for hour in hours(-4, -3):
        found.come(hour)
        assert found.tick(hour)["publish"].status is Status.OK
    return found


def hours(first: int, last: int) -> list[Partition]:
    return list(now_hour().shift(first).to(now_hour().shift(last)))


def bad(hour: Partition) -> bytes:
    """A delivery whose one column is empty in every row."""
    return rows(hour).replace(b"41.0", b"")


def without(hour: Partition, column: str) -> bytes:
    lines = [line.split(",") for line in rows(hour).decode().split()]
    at = lines[0].index(column)
    return ("\n".join(",".join(c for i, c in enumerate(line) if i != at) for line in lines) + "\n").encode()


def tell(
    platform: Platform,
    project: Project,
    failed: dict[str, str],
    hour: Partition,
    run: str = "r",
    **params: Any,
) -> Result:
    """What the task at the end of a run makes of its failures."""
    request = Request(
        step="alert",
        work=f"tell-{next(numbers)}",
        project=project.document(),
        partitions=PartitionRange(first=hour.key, last=hour.key),
        params={"failed": failed, "stage": "ingest", "link": "http://127.0.0.1/run", **params},
        origin=Origin(dag_id=f"{project.name}_ingest", run_id=run, task_id="alert-failed"),
    )
    return run_step(request, platform.settings())


def open_alerts(platform: Platform, columns: str = "key") -> list[Any]:
    query = f"select {columns} from ledger.alert where state = 'open' order by key"
    found = platform.owner().query(query)
    return [row[0] if len(row) == 1 else row for row in found]


def left(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.owner().query("select key, last_partition from ledger.failure order by 1, 2")


# deliveries


def test_a_stopped_delivery_is_an_alert_until_the_corrected_one_goes_through(
    platform: Platform, hourly: Hourly
) -> None:
    first, second = hours(-2, -1)
    for hour in (first, second):
        hourly.deliver(hour.key, bad(hour))
        assert hourly.tick(hour)["validate"].status is Status.REJECTED
    ((key, severity, count, link, partitions),) = open_alerts(
        platform, "key, severity, count, link, array[first_partition, last_partition]"
    )
    assert (key, severity, count, partitions) == ("stopped:weather", "page", 2, [first.key, second.key])
    assert "/reports/" in link
    hourly.come(first)
    assert hourly.tick(first)["publish"].status is Status.OK
    assert open_alerts(platform) == ["stopped:weather"]  # the other hour is still missing
    hourly.come(second)
    assert hourly.tick(second)["publish"].status is Status.OK
    assert (open_alerts(platform), left(platform)) == ([], [])


def test_a_stopped_delivery_is_noted_once_however_often_its_work_is_tried(
    platform: Platform, hourly: Hourly
) -> None:
    (hour,) = hours(-2, -2)
    hourly.deliver(hour.key, bad(hour))
    for _ in range(2):
        assert hourly.tick(hour, work="again")["validate"].status is Status.REJECTED
    assert open_alerts(platform, "count") == [1]
    assert hourly.tick(hour, work="cleared")["validate"].status is Status.REJECTED
    assert open_alerts(platform, "count") == [2]


def test_the_earlier_delivery_come_back_and_a_declared_absence_close_it_too(
    platform: Platform, hourly: Hourly
) -> None:
    (before,) = hours(-3, -3)
    hourly.deliver(before.key, bad(before))
    hourly.tick(before)
    assert open_alerts(platform) == ["stopped:weather"]
    hourly.come(before)
    assert hourly.tick(before)["publish"].status is Status.SKIPPED  # unchanged: it is what is published
    assert open_alerts(platform) == []
    (hour,) = hours(-2, -2)
    hourly.deliver(hour.key, bad(hour))
    hourly.tick(hour)
    assert open_alerts(platform) == ["stopped:weather"]
    request = hourly.request("absent", hour.key)
    run_step(request.model_copy(update={"params": {"reason": "no more"}}), platform.settings("ingest"))
    assert open_alerts(platform) == []


@pytest.mark.parametrize("change", ["gone", "new", "type"])
def test_a_changed_schema_is_an_alert_a_column_and_closes_with_the_next_delivery_as_declared(
    platform: Platform, hourly: Hourly, change: str
) -> None:
    hour, after = hours(-2, -1)
    data = {
        "gone": without(hour, "temp"),
        "new": rows(hour).replace(b"observed", b"observed,colour", 1).replace(b"Z,", b"Z,red,"),
        "type": rows(hour).replace(b"41.0", b"warm"),
    }[change]
    hourly.deliver(hour.key, data)
    hourly.tick(hour)
    said = {"gone": "is gone", "new": "is new", "type": "has another type: 3 of 3"}[change]
    column = "colour" if change == "new" else "temp"
    (alert, stopped) = open_alerts(platform, "key, severity, body, subject")
    assert (alert[0], alert[1], alert[3]) == (f"schema:weather:{column}", "warn", column)
    assert said in alert[2]
    assert stopped[0] == "stopped:weather"
    hourly.come(after)
    hourly.tick(after)
    assert open_alerts(platform) == ["stopped:weather"]


# steps


def begin(platform: Platform, hourly: Hourly, step: str, hour: Partition, task: str) -> Request:
    """An attempt that nobody closed: its process was killed."""
    request = hourly.request(step, hour.key, work=f"weather_ingest/r/{task}/-1/2")
    with platform.owner().transaction() as cursor:
        attempts.open_attempt(cursor, request, "weather")
    return request


def test_a_step_that_died_and_one_that_failed_are_one_message_and_close_one_by_one(
    platform: Platform, hourly: Hourly
) -> None:
    (hour,) = hours(-2, -2)
    begin(platform, hourly, "publish", hour, "weather.publish")
    request = hourly.request("validate", hour.key, work="weather_ingest/r/weather.validate/-1/2")
    run_step(request, platform.settings("ingest"))  # without a handover: a wrong input
    failed = {"publish.weather": "weather.publish", "validate.weather": "weather.validate"}
    assert tell(platform, hourly.project, failed, hour).metrics == {
        "opened": 2, "closed": 0, "delivered": 1, "waiting": 0,
    }  # fmt: skip
    (died, refused) = open_alerts(platform, "key, severity, body, link")
    assert died[:2] == ("failed:publish.weather", "page")
    assert "without a result" in died[2]
    assert died[3] == "http://127.0.0.1/run"
    assert "expects one result of 'extract'" in refused[2]
    assert tell(platform, hourly.project, failed, hour).status is Status.OK  # noted before: counted no more
    assert open_alerts(platform, "count") == [1, 1]
    hourly.come(hour)
    hourly.tick(hour)
    assert (open_alerts(platform), left(platform)) == ([], [])


def test_a_success_of_another_partition_mends_nothing(platform: Platform, hourly: Hourly) -> None:
    hour, after = hours(-2, -1)
    begin(platform, hourly, "extract", hour, "weather.extract")
    tell(platform, hourly.project, {"extract.weather": "weather.extract"}, hour)
    hourly.come(after)
    hourly.tick(after)
    assert left(platform) == [("failed:extract.weather", hour.key)]
    assert open_alerts(platform) == ["failed:extract.weather", "late:weather"]


def test_a_task_that_failed_before_its_step_began_is_told_and_a_refused_delivery_is_not_told_twice(
    platform: Platform, hourly: Hourly
) -> None:
    (hour,) = hours(-2, -2)
    hourly.deliver(hour.key, bad(hour))
    hourly.tick(hour, work="weather_ingest/r/x")
    with platform.owner().transaction() as cursor:
        cursor.execute("update ledger.attempt set work = 'weather_ingest/r/weather.validate/-1/2' "
                       "where work = 'weather_ingest/r/x/validate'")  # fmt: skip
    tell(platform, hourly.project, {"validate.weather": "weather.validate"}, hour)
    assert open_alerts(platform) == ["stopped:weather"]
    tell(platform, hourly.project, {"score": "score"}, hour, stage="score")
    assert open_alerts(platform) == ["failed:score", "stopped:weather"]


def test_a_run_for_the_past_tells_nobody_and_training_is_never_the_past(
    platform: Platform, hourly: Hourly
) -> None:
    (hour,) = hours(-3, -3)
    with platform.owner().transaction() as cursor:
        partitioning.ensure(cursor, "ledger.monitor_result", now_hour().start, now_hour().end)
        cursor.execute(
            """insert into ledger.monitor_result (project, partition, monitor, status, message)
               values ('weather', %s, 'volume', 'ok', '')""",
            (now_hour().key,),
        )
    tell(platform, hourly.project, {"score": "score"}, hour, stage="score")
    assert open_alerts(platform) == []
    tell(platform, hourly.project, {"train.boosting": "train.boosting"}, hour, stage="train")
    assert open_alerts(platform, "key, severity") == [("failed:train.boosting", "warn")]


def test_an_overdue_run_is_an_alert_until_its_stage_has_done_its_work_for_that_partition(
    platform: Platform, hourly: Hourly
) -> None:
    hour, after = hours(-2, -1)
    late = {"overdue": "ingest", "within": 86400.0}
    for _ in range(2):
        tell(platform, hourly.project, {}, hour, **late)
    ((key, severity, body),) = open_alerts(platform, "key, severity, body")
    assert (key, severity) == ("overdue:ingest", "page")
    assert "r did not end within 1 day" in body
    hourly.come(hour, after)
    hourly.tick(after)
    hourly.tick(hour)
    assert open_alerts(platform) == []


@pytest.mark.parametrize("role", ["ingest", "promote"])
def test_whoever_runs_a_step_may_say_that_it_is_mended(platform: Platform, hourly: Hourly, role: str) -> None:
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.ledger import failures

    (hour,) = hours(-1, -1)
    tell(platform, hourly.project, {"promote": "promote"}, hour, stage="promote")
    with Warehouse(platform.settings(role), "t").transaction() as cursor:
        assert failures.mend(cursor, "weather", "failed:promote", [failures.ALL]) == ["failed:promote"]
    assert open_alerts(platform) == []
