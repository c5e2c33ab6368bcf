"""Extract, validate and publish as a DAG would run them, on a real PostgreSQL."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcycle.adapters.warehouse import raw_tables
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.demo.world import World
from mlcycle.demo.world_data import day_file
from mlcycle.demo.world_faults import Fault
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import Superseded
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.steps import publish
from mlcycle.steps.context import StepContext
from tests.conftest import ROOT, Platform
from tests.contract.ingest import FLIGHTS, Ingest, days, edit

FIRST, LAST = "2013-01-01", "2013-01-10"
WEATHER = load(ROOT / "projects" / "weather" / "project.yaml")


@pytest.fixture
def ingest(platform: Platform) -> Ingest:
    """Ten days of flights, delivered."""
    found = Ingest(platform)
    for day in days(FIRST, LAST):
        found.deliver(day)
    return found


@pytest.fixture
def world(platform: Platform) -> Iterator[World]:
    """The demo's source system over HTTP."""
    with World(0, platform.folder / "world") as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def url(world: World) -> str:
    return f"http://127.0.0.1:{world.server_port}"


def data(ingest: Ingest, day: str) -> bytes:
    found = day_file(ingest.project.name, ingest.table, day)
    assert found is not None
    return found


# extract


def test_a_range_is_published_as_partitions_of_their_own(ingest: Ingest) -> None:
    results = ingest.run(FIRST, LAST)
    assert [result.status for result in results.values()] == [Status.OK] * 3
    expected = {day: len(data(ingest, day).splitlines()) - 1 for day in days(FIRST, LAST)}
    assert dict(ingest.rows("to_char(sched_dep, 'YYYY-MM-DD'), count(*)", "true group by 1")) == expected
    assert sorted(ingest.batches("partition, rows, current")) == [
        (*item, True) for item in sorted(expected.items())
    ]
    assert ingest.rows("count(distinct _batch_id)") == [(10,)]


def test_the_ledger_keeps_which_hours_a_delivery_has_and_how_many_rows_repeat_others(ingest: Ingest) -> None:
    header, *rows = data(ingest, FIRST).decode().splitlines()
    kept = [row for row in rows if " 22:" not in row and "T22:" not in row]
    carrier, flight, rest = kept[0].split(",", 2)
    other = rest.rsplit(",", 1)[0]
    rows = [*kept, kept[1], f"{carrier},{int(flight) + 7000},{rest}", f"{carrier},{flight},{other},1234"]
    ingest.deliver(FIRST, "\n".join([header, *rows, ""]).encode())
    ingest.run(FIRST, FIRST)
    ((slots, *counted),) = ingest.batches("slots, duplicates, clashing, repeated")
    assert counted == [1, 1, 1]
    hours = {int(row.split(",")[5][11:13]) for row in kept}
    assert 22 not in hours
    assert slots == sum(1 << hour for hour in hours)


def test_the_accepted_object_is_the_delivery_itself_where_nothing_had_to_change(ingest: Ingest) -> None:
    results = ingest.run(FIRST, LAST)
    for entry in ingest.manifest(results["validate"]):
        assert entry["accepted"] == entry["delivery"]
        staged = Path(entry["accepted"]["uri"].removeprefix("file://")).read_bytes()
        assert staged == data(ingest, entry["partition"])


def test_over_http_the_same_rows_arrive(platform: Platform, world: World) -> None:
    ingest = Ingest(platform)
    result = ingest.step("extract", FIRST, LAST, source_url=url(world))
    assert result.status == Status.OK, result.message
    for entry in ingest.manifest(result):
        staged = Path(entry["object"]["uri"].removeprefix("file://")).read_bytes()
        assert staged == data(ingest, entry["partition"])


def test_a_lagged_table_is_fetched_for_the_day_before(platform: Platform, world: World) -> None:
    ingest = Ingest(platform, table="arrivals")
    result = ingest.step("extract", "2013-01-02", source_url=url(world))
    assert [entry["partition"] for entry in ingest.manifest(result)] == ["2013-01-01"]
    assert ingest.step("extract", "2013-01-01", source_url=url(world)).status == Status.SKIPPED


def test_a_source_that_does_not_answer_for_an_old_day_is_asked_again(
    platform: Platform, world: World
) -> None:
    fault = {"project": "flights", "table": "flights", "partition": "2013-01-05", "kind": "unavailable"}
    world.plant([Fault.model_validate(fault)])
    result = Ingest(platform).step("extract", FIRST, LAST, source_url=url(world))
    assert (result.status, result.exit_code) == (Status.FAILED, 10)
    assert "does not answer" in result.message
    assert "2013-01-05" in result.message


def test_a_source_that_is_down_is_tried_again(platform: Platform) -> None:
    clock = time.monotonic()
    result = Ingest(platform).step("extract", FIRST, "2013-03-01", source_url="http://127.0.0.1:1")
    assert result.exit_code == 10
    assert "does not answer" in result.message
    assert time.monotonic() - clock < 60


def test_a_source_that_says_nothing_runs_into_the_time_out(platform: Platform) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clock = time.monotonic()
        source = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = Ingest(platform).step("extract", FIRST, source_url=source, timeout=1)
        assert result.exit_code == 10
        assert time.monotonic() - clock < 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"source_url": ""}, "MLCYCLE_SOURCE_URL is not set", id="no-source"),
        pytest.param({"source_url": "nonsense://x"}, "source.url", id="no-such-protocol"),
    ],
)
def test_a_wrong_source_is_a_person_s_matter(
    platform: Platform, changes: dict[str, str], message: str
) -> None:
    result = Ingest(platform).step("extract", FIRST, **changes)
    assert result.exit_code == 20
    assert message in result.message


def test_an_unknown_table_lists_those_there_are(platform: Platform) -> None:
    result = Ingest(platform, table="nothing").step("extract", FIRST)
    assert result.exit_code == 20
    assert "there are flights, arrivals, weather" in result.message


# validate


def test_a_range_with_a_bad_day_publishes_the_others_and_says_so(ingest: Ingest) -> None:
    ingest.deliver("2013-01-05", b"")
    results = ingest.run(FIRST, LAST)
    assert results["validate"].status == Status.OK
    assert "2013-01-05 stopped: the file is empty" in results["validate"].message
    assert results["publish"].status == Status.REJECTED
    assert "1 stopped, the first 2013-01-05: the file is empty" in results["publish"].message
    assert results["publish"].links == results["validate"].links
    assert ingest.rows("count(distinct sched_dep::date)") == [(9,)]


def test_a_stopped_batch_is_recorded_once_for_one_work(ingest: Ingest) -> None:
    ingest.deliver(FIRST, b"")
    extract = ingest.step("extract", FIRST)
    for _ in range(3):
        result = ingest.step("validate", FIRST, before={"extract": extract}, work="the same")
        assert result.status == Status.REJECTED
        assert "/reports/flights/validation/" in result.links["validation"]  # where people look first
    assert ingest.batches() == [(FIRST, "stopped", False)]


def test_a_warning_is_counted_and_stops_nothing(ingest: Ingest) -> None:
    ingest.deliver(FIRST, edit(data(ingest, FIRST), 3, "tailnum", ""))
    results = ingest.run(FIRST)
    assert results["validate"].values["warnings"] >= 1  # type: ignore[operator]
    assert ingest.quarantine() == []


def test_checks_of_a_range_are_those_of_each_day(ingest: Ingest) -> None:
    """One run of the expectations over ten days finds what ten runs find."""
    for number, day in enumerate(days(FIRST, LAST)):
        ingest.deliver(day, edit(data(ingest, day), 5 + number, "origin", "BOS"))
    extract = ingest.step("extract", FIRST, LAST)
    together = ingest.manifest(ingest.step("validate", FIRST, LAST, before={"extract": extract}))
    for entry in together:
        alone = ingest.step("extract", entry["partition"])
        (single,) = ingest.manifest(ingest.step("validate", entry["partition"], before={"extract": alone}))
        assert {**entry, "fetched": 0} == {**single, "fetched": 0}
        assert entry["quarantined"] == 1


def test_an_expectation_that_does_not_exist_is_named(ingest: Ingest) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["expectations"] = [{"expect": "expect_the_unexpected"}]
    ingest.project = Project.model_validate(document)
    result = ingest.run(FIRST)["validate"]
    assert result.exit_code == 20
    assert "there is no expectation 'expect_the_unexpected'" in result.message


# publish


def test_a_row_that_was_set_aside_is_kept_with_its_delivery(ingest: Ingest) -> None:
    ingest.deliver(FIRST, edit(data(ingest, FIRST), 3, "distance", "n/a"))
    results = ingest.run(FIRST)
    (entry,) = ingest.manifest(results["validate"])
    ((number, reasons, row),) = ingest.quarantine()
    assert (number, row["distance"]) == (3, "n/a")
    assert reasons == ["column distance: 'n/a' is not a finite number"]
    assert ingest.platform.owner().query("select digest from raw.quarantine") == [
        (entry["delivery"]["digest"],)
    ]


def test_a_backfill_of_old_days_never_moves_the_watermark_back(ingest: Ingest) -> None:
    ingest.run("2013-01-09", LAST)
    watermark = "select stream, position from ledger.watermark"
    before = ingest.platform.owner().query(watermark)
    assert before[0][0] == "raw/flights"
    assert before[0][1].isoformat() == "2013-01-11T00:00:00+00:00"
    ingest.run(FIRST, "2013-01-05")
    assert ingest.platform.owner().query(watermark) == before


def test_killed_after_the_commit_a_retry_publishes_nothing_twice(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt dies once all is committed: no result, the attempt stays open in the ledger."""
    before = {"extract": ingest.step("extract", FIRST, LAST)}
    before["validate"] = ingest.step("validate", FIRST, LAST, before=before)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, "_outcome", die)
        with pytest.raises(KeyboardInterrupt):
            ingest.step("publish", FIRST, LAST, before=before, work="killed")
    committed = ingest.batches("*")
    assert len(committed) == 10
    retry = ingest.step("publish", FIRST, LAST, before=before, work="killed")
    assert (retry.status, retry.replayed) == (Status.OK, True), retry.message
    assert ingest.batches("*") == committed


def test_killed_in_the_middle_a_retry_publishes_the_rest(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"extract": ingest.step("extract", FIRST, LAST)}
    before["validate"] = ingest.step("validate", FIRST, LAST, before=before)
    fill, calls = raw_tables.fill, iter(range(100))

    def die_at_five(*args: object) -> int:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return fill(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(raw_tables, "fill", die_at_five)
        with pytest.raises(KeyboardInterrupt):
            ingest.step("publish", FIRST, LAST, before=before, work="killed")
    assert 0 < len(ingest.batches()) < 10
    assert ingest.platform.owner().query("select * from ledger.watermark") == []
    assert ingest.step("publish", FIRST, LAST, before=before, work="killed").status == Status.OK
    assert sorted(p for p, _, _ in ingest.batches()) == days(FIRST, LAST)
    total = sum(len(data(ingest, day).splitlines()) - 1 for day in days(FIRST, LAST))
    assert ingest.rows("count(*)") == [(total,)]


def test_a_superseded_attempt_publishes_nothing(ingest: Ingest) -> None:
    before = {"extract": ingest.step("extract", FIRST)}
    before["validate"] = ingest.step("validate", FIRST, before=before)
    request = ingest.request("publish", FIRST, before=before, work="stopped and continued")
    settings = ingest.platform.settings("ingest")
    warehouse = Warehouse(settings)
    with warehouse.transaction() as cursor:
        old = attempts.open_attempt(cursor, request, "flights")
        attempts.open_attempt(cursor, request, "flights")
    context = StepContext(request, FLIGHTS, settings, old, warehouse)
    with pytest.raises(Superseded):
        publish.run(context)
    warehouse.close()
    assert ingest.batches() == []
    assert ingest.rows("count(*)") == [(0,)]


def test_an_older_fetch_never_replaces_a_later_one(ingest: Ingest) -> None:
    """A slow backfill that fetched before a correction publishes after it."""
    old = {"extract": ingest.step("extract", FIRST)}
    old["validate"] = ingest.step("validate", FIRST, before=old)
    ingest.deliver(FIRST, edit(data(ingest, FIRST), 3, "distance", "123"))
    ingest.run(FIRST)
    late = ingest.step("publish", FIRST, before=old)
    assert late.status == Status.SKIPPED
    assert "already hold a later delivery" in late.message
    assert ingest.rows("count(*)", "distance = 123") == [(1,)]


def test_a_reader_never_sees_half_a_day(ingest: Ingest) -> None:
    ingest.run(FIRST)
    whole = len(data(ingest, FIRST).splitlines()) - 1
    fewer = b"".join(data(ingest, FIRST).splitlines(keepends=True)[:501])
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        owner = ingest.platform.owner()
        while not done.is_set():
            seen.add(owner.query("select count(*) from raw.flights__flights")[0][0])
        owner.close()

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(6):
        ingest.deliver(FIRST, fewer if turn % 2 == 0 else data(ingest, FIRST))
        assert ingest.run(FIRST)["publish"].status == Status.OK
    done.set()
    reader.join()
    assert seen == {whole, 500}


# the raw table


def changed(column: str, kind: str) -> Project:
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["columns"][column] = kind
    return Project.model_validate(document)


def test_a_column_the_project_gains_is_added(ingest: Ingest) -> None:
    ingest.run(FIRST)
    ingest.project = changed("gate", "text")
    lines = data(ingest, "2013-01-02").decode().splitlines()
    ingest.deliver(
        "2013-01-02", "\n".join([f"{lines[0]},gate", *(f"{line},A1" for line in lines[1:])]).encode()
    )
    assert ingest.run("2013-01-02")["publish"].status == Status.OK
    assert ingest.rows("distinct gate", "sched_dep >= '2013-01-02'") == [("A1",)]
    assert ingest.rows("distinct gate", "sched_dep < '2013-01-02'") == [(None,)]


def test_a_column_of_another_type_is_refused(ingest: Ingest) -> None:
    ingest.run(FIRST)
    ingest.project = changed("distance", "integer")
    result = ingest.run("2013-01-02")["publish"]
    assert result.exit_code == 20
    assert (
        "column 'distance' is double precision in the warehouse and integer in the project" in result.message
    )


def test_another_key_is_refused(ingest: Ingest) -> None:
    ingest.run(FIRST)
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["key"] = ["carrier", "flight"]
    ingest.project = Project.model_validate(document)
    assert "has another key in the warehouse" in ingest.run("2013-01-02")["publish"].message


def test_the_other_project_s_hours_are_partitions_too(platform: Platform, world: World) -> None:
    ingest = Ingest(platform, WEATHER, "weather")
    before: dict[str, Result] = {}
    for name in ("extract", "validate", "publish"):
        before[name] = ingest.step(
            name, "2013-01-01T06", "2013-01-02T05", before=before, source_url=url(world)
        )
        assert before[name].status == Status.OK, before[name].message
    hours = [
        p.key
        for p in Partition.parse("2013-01-01T06", Unit.HOUR).to(Partition.parse("2013-01-02T05", Unit.HOUR))
    ]
    assert ingest.rows("count(*)") == [(sum(len(data(ingest, hour).splitlines()) - 1 for hour in hours),)]
    assert len(ingest.batches()) == 24
