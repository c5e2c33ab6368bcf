"""A stage and its single steps here and now: what a step reads, what it is refused."""

import os
from collections.abc import Callable, Mapping

import pytest

from mlcycle.contract import Origin, PartitionRange, Request, Result, Status
from mlcycle.cycle import ROLES
from mlcycle.errors import InputError
from mlcycle.ledger import attempts
from mlcycle.ledger.attempts import Left
from mlcycle.orchestration.runners.here import through_runner
from mlcycle.stage_run import LastLeft, run_stage
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest

DAY = "2013-01-02"


@pytest.fixture
def source(platform: Platform) -> Ingest:
    for table in FLIGHTS.source.tables:
        lagging = Ingest(platform, table=table)
        lagging.deliver("2013-01-01")
        lagging.deliver(DAY)
    return Ingest(platform)


@pytest.fixture
def execute(platform: Platform) -> Callable[[Request], Result]:
    return lambda request: run_step(request, platform.settings(ROLES[request.step]))


@pytest.fixture
def last_left(platform: Platform) -> LastLeft:
    def find(step: str, variant: str, partitions: PartitionRange | None) -> Left | None:
        with platform.owner().transaction() as cursor:
            return attempts.left_by(cursor, FLIGHTS.name, step, variant, partitions)

    return find


def one(
    execute: Callable[[Request], Result], stage: str, only: str, last_left: LastLeft, **kwargs: object
) -> tuple[dict[str, Result], list[str]]:
    said: list[str] = []
    found = run_stage(
        FLIGHTS, stage, execute, only=only, last_left=last_left, say=said.append, **{"last": DAY, **kwargs}  # type: ignore[arg-type]
    )  # fmt: skip
    return dict(found), said


def test_a_step_alone_takes_what_its_upstream_last_left_and_says_which(
    source: Ingest, execute: Callable[[Request], Result], last_left: LastLeft
) -> None:
    extracted, said = one(execute, "ingest", "extract.flights", last_left)
    assert {name: result.status for name, result in extracted.items()} == {"extract.flights": Status.OK}
    assert not said
    validated, said = one(execute, "ingest", "validate.flights", last_left)
    assert validated["validate.flights"].status is Status.OK, validated["validate.flights"].message
    (line,) = said
    assert line.startswith(f"takes extract.flights of {DAY} as here/")
    assert "/extract/flights left it at" in line
    with pytest.raises(
        InputError, match=r"reads what extract.arrivals leaves, and that has not ended ok for"
    ):
        one(execute, "ingest", "validate", last_left)
    with pytest.raises(InputError, match="has not ended ok for 2013-01-01 yet: run it first"):
        one(execute, "ingest", "publish.flights", last_left, last="2013-01-01")


@pytest.mark.parametrize("task", ["flights.extract", "arrivals.extract"])
def test_what_a_dags_run_left_is_found_by_its_table(
    source: Ingest, platform: Platform, last_left: LastLeft, task: str
) -> None:
    table = task.split(".")[0]
    work = f"flights_ingest/manual__2026-01-01T00:00:00+00:00/{task}/-1/2"
    left = Ingest(platform, table=table).step("extract", DAY, work=work)
    assert left.status is Status.OK, left.message
    found = last_left("extract", table, PartitionRange(first=DAY, last=DAY))
    assert found is not None
    assert (found.work, found.partitions, found.handover) == (work, DAY, left.handover)
    other = ({"flights", "arrivals"} - {table}).pop()
    assert last_left("extract", other, PartitionRange(first=DAY, last=DAY)) is None
    assert last_left("extract", table, PartitionRange(first="2013-01-01", last=DAY)) is None
    assert last_left("extract", table, None) == found


@pytest.mark.parametrize(
    ("stage", "only", "params", "message"),
    [
        ("train", "boosting", {}, "there are dataset, train, train.carrier_hour_rate, train.boosting,"),
        ("ingest", None, {"frist": DAY}, "no parameter 'frist': it takes first"),
        ("promote", None, {"decision": "approve"}, "no parameter 'decision': it takes version"),
        ("score", None, {"first": DAY}, "no parameter 'first': it takes none"),
    ],
    ids=["step", "typing mistake", "a decision", "none"],
)
def test_what_is_not_there_is_refused_with_what_is(
    stage: str, only: str | None, params: Mapping[str, str], message: str
) -> None:
    def never(request: Request) -> Result:
        raise AssertionError("a step was started")

    with pytest.raises(InputError, match=message):
        list(run_stage(FLIGHTS, stage, never, only=only, params=params))


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2013-01-05", "2013-01-02", r"ends \(2013-01-02\) before it begins \(2013-01-05\)"),
        ("2013-01-05", None, "begins with 2013-01-05 and has no end"),
    ],
    ids=["backwards", "no end"],
)
@pytest.mark.parametrize("stage", ["ingest", "train"])
def test_a_range_that_is_none_is_refused_before_a_step_starts(
    stage: str, first: str, last: str | None, message: str
) -> None:
    def never(request: Request) -> Result:
        raise AssertionError("a step was started")

    with pytest.raises(InputError, match=message):
        list(run_stage(FLIGHTS, stage, never, first=first, last=last))


def test_a_range_begins_where_the_form_says() -> None:
    class Asked(Exception):
        pass

    def told(request: Request) -> Result:
        raise Asked(request.partitions)

    with pytest.raises(Asked) as caught:
        list(run_stage(FLIGHTS, "ingest", told, last="2013-01-05", params={"first": "2013-01-02"}))
    assert caught.value.args == (PartitionRange(first="2013-01-02", last="2013-01-05"),)


def test_a_user_without_a_name_runs_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def told(request: Request) -> Result:
        raise Asked(request.origin.user)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    with pytest.raises(Asked, match="uid-987654"):
        list(run_stage(FLIGHTS, "rollback", told))


def test_an_alert_without_a_monitor_is_written_by_a_dags_run_alone(
    platform: Platform, execute: Callable[[Request], Result], last_left: LastLeft
) -> None:
    """In a DAG's run the monitor died; here nobody ran it."""
    alerts = "select count(*) from ledger.alert"
    by_hand, _ = one(execute, "monitor", "alert", last_left)
    assert by_hand["alert"].error is not None
    assert "run monitor first, then alert" in by_hand["alert"].message
    assert platform.owner().query(alerts) == [(0,)]
    in_a_run = execute(
        Request(
            step="alert",
            work="w",
            project=FLIGHTS.document(),
            partitions=PartitionRange(first=DAY, last=DAY),
            inputs={"monitor": []},
            origin=Origin(dag_id="flights_monitor", run_id="r", task_id="alert"),
        )
    )
    assert in_a_run.status is Status.OK, in_a_run.message
    assert platform.owner().query(alerts) == [(1,)]


def test_a_stage_here_runs_through_the_runner_as_a_task_does(source: Ingest, platform: Platform) -> None:
    """What ``mlcycle run`` does while the platform is up; without its step servers it is slower only."""
    settings = platform.settings("ingest").as_env()
    env = {**os.environ, **settings, "MLCYCLE_DSN_INGEST": settings["MLCYCLE_WAREHOUSE_DSN"]}
    lines: list[str] = []
    execute = through_runner(env, lines.append)
    ((name, result),) = run_stage(FLIGHTS, "ingest", execute, last=DAY, only="extract.flights")
    assert (name, result.status) == ("extract.flights", Status.OK)
    assert any(line.startswith("extract: ok") for line in lines)
