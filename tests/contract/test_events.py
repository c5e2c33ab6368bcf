"""A project whose rows are put as events: each landed once, late ones after the fact, whatever is killed."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mlcycle.adapters.delivery.putting import EventsRefused, Taken, put
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.cli import app
from mlcycle.contract import Result, Status
from mlcycle.errors import InputError, Unavailable
from mlcycle.housekeeping.keep import Keep
from mlcycle.ledger import events, removal
from mlcycle.project import Project
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest

COLUMNS = {"station": "integer", "at": "timestamp", "pm25": "double", "wind": "text"}


def project(**more: Any) -> Project:
    table = {"events": {"id": "id"}, "columns": COLUMNS, "key": ["station"], "event_time": "at", **more}
    return Project.model_validate(
        {
            "version": 1,
            "name": "air",
            "scope": {**FLIGHTS.scope.model_dump()},
            "value": {"currency": "EUR", "per_unit_error": -1},
            "monitors": {"window": "7 days"},
            "retrain": {"cooldown": "14 days", "budget": 2, "per": "30 days"},
            "source": {
                "kind": "events",
                "partition": "day",
                "start": "2013-01-01",
                "catch_up": "7 days",
                "tables": {"pm": table},
            },
            "entity": {"table": "pm"},
            "label": {
                **{"name": "later", "task": "regression", "table": "pm", "column": "pm25"},
                **{"ahead": "6 hours", "delay": "0 hours"},
            },
            "inputs": {"categorical": ["wind"]},
            "split": {"holdout": "1 day", "validation": "1 day", "history": "10 days"},
            "candidates": {"mean": {"family": "rate_table", "params": {"by": ["wind"]}}},
            "evaluation": {"metric": "rmse", "heuristic": "mean"},
        }
    )


def event(day: int, hour: int, station: int = 1, **more: Any) -> dict[str, Any]:
    at = datetime(2013, 1, day, hour, tzinfo=UTC)
    return {
        "id": f"{day}-{hour}-{station}",
        "station": station,
        "at": at.isoformat(),
        "pm25": hour + station / 4,
        "wind": "N" if hour % 2 else 'Sü"d,',
        **more,
    }


def days(first: int, last: int) -> list[dict[str, Any]]:
    return [event(day, hour, s) for day in range(first, last + 1) for hour in range(24) for s in (1, 2)]


class Queue(Ingest):
    """Ingest of what is put here."""

    def put(self, rows: list[dict[str, Any]], *, lines: bool = True) -> Taken:
        body = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
        with closing(Warehouse(self.platform.settings("serve"))) as warehouse:
            return put(warehouse, self.project, "pm", body.encode())

    def offsets(self) -> dict[str, tuple[bool, bool]]:
        """Of each partition, whether all of its events were seen, and have landed."""
        return {
            key: (seen, landed)
            for key, seen, landed in self.platform.owner().query(
                "select partition, seen = newest, landed = newest from ledger.event_partition order by 1"
            )
        }


@pytest.fixture
def queue(platform: Platform) -> Queue:
    return Queue(platform, project(), "pm")


def test_events_land_in_their_partitions_with_their_offsets(queue: Queue) -> None:
    assert queue.put(days(1, 2)) == Taken(96, 96)
    assert queue.put(days(2, 3), lines=False) == Taken(96, 48), "a repeat is one event"
    results = queue.run("2013-01-01", "2013-01-03")
    assert results["publish"].metrics["rows"] == 144
    assert results["validate"].metrics["quarantined"] == results["validate"].metrics["duplicates"] == 0
    assert queue.rows("pm25, wind", "station = 1 and at = '2013-01-01T03:00:00Z'") == [(3.25, "N")]
    assert set(queue.offsets().values()) == {(True, True)}
    assert queue.run("2013-01-01", "2013-01-03")["publish"].status is Status.SKIPPED, "the same events"


def test_late_events_make_a_new_version_of_their_partition(queue: Queue) -> None:
    queue.put(days(1, 3))
    queue.run("2013-01-01", "2013-01-03")
    queue.put([*days(4, 5), event(2, 5, 3)])
    assert queue.offsets()["2013-01-02"] == (False, False)
    results = queue.run("2013-01-04")
    assert results["publish"].values["caught_up"] == ["2013-01-02"]
    assert queue.rows("count(*)", "station = 3") == [(1,)]
    assert queue.run("2013-01-05")["publish"].values["caught_up"] == [], "it has landed"


def test_what_was_read_and_not_published_is_looked_for_again(queue: Queue) -> None:
    queue.put(days(1, 2))
    queue.run("2013-01-01")
    queue.put([event(1, 5, 3), *days(3, 3)])
    assert queue.step("extract", "2013-01-02").values["caught_up"] == ["2013-01-01"]  # and then it is killed
    assert queue.run("2013-01-03")["publish"].values["caught_up"] == ["2013-01-01", "2013-01-02"]


def test_a_partition_that_was_stopped_waits_for_a_person_until_more_events_come(platform: Platform) -> None:
    queue = Queue(platform, project(min_rows=3), "pm")
    queue.put([*days(1, 1), event(2, 1), event(2, 2), *days(3, 6)])
    queue.run("2013-01-01")
    assert queue.step("validate", "2013-01-02", before={"extract": queue.step("extract", "2013-01-02")}).error
    assert queue.offsets()["2013-01-02"] == (True, False)
    assert queue.run("2013-01-03")["publish"].values["caught_up"] == []
    queue.put([event(2, 3)])
    assert queue.run("2013-01-04")["publish"].values["caught_up"] == ["2013-01-02"]
    assert queue.offsets()["2013-01-02"] == (True, True)


def test_events_put_while_a_partition_is_read_are_never_lost(queue: Queue) -> None:
    """Every gap between two steps is a place where a producer may come, or a step may die."""
    rows, chance = days(1, 1), random.Random(2013)
    chance.shuffle(rows)
    sent = 0
    for _ in range(8):
        before: dict[str, Result] = {}
        for name in ("extract", "validate", "publish"):
            queue.put(rows[max(0, sent - 3) : sent + 2])  # with repeats of a producer that heard no answer
            sent += 2
            before[name] = queue.step(name, "2013-01-01", before=before)
            if chance.random() < 0.25:
                break
    queue.put(rows)
    queue.run("2013-01-01")
    assert queue.rows("count(*), count(distinct (station, at))") == [(48, 48)]
    assert queue.offsets() == {"2013-01-01": (True, True)}
    assert queue.run("2013-01-01")["publish"].status is Status.SKIPPED


def test_producers_side_by_side_put_each_event_once(queue: Queue) -> None:
    rows = days(1, 3)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(queue.put, [rows[n : n + 60] for n in range(0, 120, 20)] * 2))
    assert sum(each.new for each in taken) == 144
    ordered = queue.platform.owner().query(
        """select bool_and(newest = last) from ledger.event_partition join (
               select partition, max(event_offset) as last from raw.event group by 1) e using (partition)"""
    )
    assert ordered == [(True,)]


def test_offsets_become_visible_in_their_order(queue: Queue) -> None:
    """A producer that has not committed keeps the next one waiting: no offset appears behind a higher one."""
    queue.put([event(1, 0)])
    owner = queue.platform.owner()
    with owner.transaction() as cursor:
        events.put(cursor, "air", "pm", [])
        with pytest.raises(Unavailable, match="lock"):
            impatient(queue)


def impatient(queue: Queue) -> None:
    """A producer that does not wait for another one."""
    with closing(Warehouse(queue.platform.settings("serve"))) as warehouse, warehouse.transaction() as cursor:
        cursor.execute("set local lock_timeout = '50ms'")
        events.put(cursor, "air", "pm", [])


def test_a_batch_with_a_bad_event_is_refused_whole_with_a_line_each(queue: Queue) -> None:
    bad = [
        event(1, 1),
        event(1, 2, pm26=1),
        event(1, 3, at=None),
        event(1, 4, pm25="much"),
        event(1, 5, at="yesterday"),
        event(1, 6, id=None),
        {**event(1, 7), "station": None},
    ]
    with pytest.raises(EventsRefused) as refused:
        queue.put(bad)
    assert [(each.row, each.why) for each in refused.value.rows] == [
        (2, "unknown column 'pm26': did you mean 'pm25'?"),
        (3, "column at: empty, but it identifies the row"),
        (4, "column pm25: 'much' is not a finite number"),
        (5, "column at: 'yesterday' is not a time like 2013-06-01T12:00:00Z"),
        (6, "id is missing: the field by which a repeat is known"),
        (7, "column station: empty, but it identifies the row"),
    ]
    assert queue.platform.owner().query("select count(*) from raw.event") == [(0,)]


def test_landed_events_go_with_time_and_their_partition_takes_no_more(queue: Queue) -> None:
    queue.put(days(1, 2))
    queue.run("2013-01-01")
    with closing(Warehouse(queue.platform.settings("keep"))) as keeper:
        soon = datetime.now(UTC) + timedelta(days=1)

        def removed(before: datetime) -> int:
            with keeper.transaction() as cursor:
                counted = events.count_landed(cursor, before)
                assert events.delete_landed(cursor, before) == counted
            return counted

        assert removed(soon - timedelta(days=2)) == 0, "put lately"
        assert removed(soon) == 48, "what has not landed stays"
        assert removed(soon) == 0
    with pytest.raises(EventsRefused) as refused:
        queue.put([event(2, 1, 3), event(1, 1, 3)])
    assert [each.row for each in refused.value.rows] == [2]
    assert "takes no more events" in refused.value.rows[0].why
    again = queue.step("extract", "2013-01-01")
    assert (again.status, again.values["missing"]) == (Status.SKIPPED, []), again.message
    assert queue.rows("count(*)") == [(48,)], "what was published stays"
    with queue.platform.owner().transaction() as cursor:
        removal.forget_tables(cursor, "air", ["pm"])
    assert queue.offsets() == {"2013-01-02": (False, False)}


def test_events_are_kept_for_a_while() -> None:
    assert Keep.from_env({"MLCYCLE_KEEP_EVENTS": "9 days"}).events == timedelta(days=9)


def test_a_person_puts_events_from_a_file(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "projects" / "air"
    folder.mkdir(parents=True)
    (folder / "project.yaml").write_text(yaml.safe_dump(queue.project.document(), sort_keys=False))
    serve = queue.platform.settings("serve").warehouse_dsn.get_secret_value()
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", serve)
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", f"file://{tmp_path}")
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in days(1, 1)) + "\n\n")
    nowhere = ["--state", str(tmp_path / "nowhere")]
    named = ["events", "put", "air", "pm", str(file), "--projects", str(tmp_path / "projects"), *nowhere]
    for said in ("48 new events, 0 had been", "0 new events, 48 had been"):
        result = CliRunner().invoke(app, named)
        assert (result.exit_code, said in result.stdout) == (0, True), result.exception or result.output
    result = CliRunner().invoke(app, ["events", "status", "air", *nowhere])
    assert "pm: 48 events; 1 partitions, 1 not published" in result.stdout
    file.write_text('{"id": "x", "station": 1, "at": "never"}\n')
    result = CliRunner().invoke(app, named)
    assert isinstance(result.exception, InputError)
    assert "event 1: column at: 'never' is not" in result.stderr
