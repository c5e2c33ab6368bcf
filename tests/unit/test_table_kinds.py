"""Events, snapshots, static lists: what a table's part of the file says, and where its deliveries lie."""

from typing import Any

import pytest
from pydantic import ValidationError

from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project, Table
from mlcycle.project.source import Source
from tests.raw_data import FLIGHTS

DAY = Partition.parse("2013-03-31", Unit.of("day", "Europe/Berlin"))
PLAIN: dict[str, Any] = {"columns": {"shop": "text", "price": "double"}, "key": ["shop"]}
TIMED = {**PLAIN, "columns": {**PLAIN["columns"], "at": "timestamp"}, "event_time": "at"}


def table(**more: Any) -> Table:
    return Table.model_validate({**PLAIN, **more})


def source(unit: str, **more: Any) -> Source:
    return Source.model_validate({"url": "{source}/a", "partition": unit, "tables": {"a": TIMED}, **more})


@pytest.mark.parametrize("kind", ["snapshot", "static"])
def test_a_table_without_a_time_has_a_column_that_the_platform_writes_and_reads_back(kind: str) -> None:
    found = table(kind=kind)
    assert found.stamped
    assert (found.event_time, list(found.columns)) == ("valid_from", ["shop", "price", "valid_from"])
    assert Table.model_validate(found.model_dump(mode="json")) == found


def test_a_state_is_of_its_partitions_last_moment_and_changes_have_their_own() -> None:
    state, changes = table(kind="snapshot"), Table.model_validate({**TIMED, "kind": "snapshot"})
    assert (state.delivers, changes.delivers) == ("state", "changes")
    assert state.stamp(DAY).isoformat() == "2013-03-31T21:59:59.999999+00:00"
    assert not changes.stamped
    assert table(kind="snapshot", delivers="changes").stamped


def test_rows_without_a_time_are_of_their_deliverys_last_moment() -> None:
    found = table(delivers="rows")
    assert found.stamped
    assert (found.event_time, list(found.columns)) == ("delivered", ["shop", "price", "delivered"])
    assert found.stamp(DAY).isoformat() == "2013-03-31T21:59:59.999999+00:00"
    assert Table.model_validate(found.model_dump(mode="json")) == found


def test_a_static_table_is_one_file_and_one_delivery() -> None:
    found = table(kind="static")
    assert found.place("shops", DAY, "csv") == "shops.csv"
    assert (
        table(kind="static", path="lists/shops_2013.csv").place("shops", DAY, "csv") == "lists/shops_2013.csv"
    )
    own = source("day", start="2013-03-01", tables={"a": TIMED, "b": {**PLAIN, "kind": "static"}})
    days = [Partition.parse(key, own.unit) for key in ("2013-03-01", "2013-03-09")]
    assert own.deliveries(own.tables["b"], days) == days[:1]
    assert own.deliveries(own.tables["a"], days) == days


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "snapshot", "columns": {"shop": "text", "valid_from": "double"}}, "is the platform's"),
        ({**TIMED, "kind": "snapshot", "delivers": "state"}, "a time of their own delivers changes"),
        ({**TIMED, "kind": "static"}, "a static table has no time"),
        ({"kind": "static", "lag": 1}, "a static table has no time"),
        ({"kind": "snapshot", "file": "all.csv"}, "are of rows with a time"),
        ({**TIMED, "delivers": "state"}, "delivers: state is of a snapshot"),
        ({**TIMED, "delivers": "rows"}, "of rows without a time, this table has 'at'"),
        ({"kind": "snapshot", "delivers": "rows"}, "delivers: rows is of events"),
        ({"delivers": "rows", "file": "all.csv"}, "are of rows with a time"),
        ({"delivers": "rows", "columns": {"shop": "text", "delivered": "text"}}, "is the platform's"),
        (
            {**TIMED, "kind": "snapshot", "columns": {**TIMED["columns"], "valid_to": "double"}},
            "valid_from and valid_to are the platform's",
        ),
        ({}, "event_time"),
    ],
)
def test_what_does_not_fit_a_kind_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        table(**given)


@pytest.mark.parametrize("part", ["entity", "label"])
def test_what_is_predicted_and_its_labels_are_events(part: str) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["states"] = {**PLAIN, "kind": "snapshot"}
    document[part]["table"] = "states"
    with pytest.raises(ValidationError, match=f"{part}.table 'states' is snapshot: rows that are predicted"):
        Project.model_validate(document)


@pytest.mark.parametrize(
    ("unit", "start", "path", "place"),
    [
        ("week", "2009-W53", "{isoyear}/W{week}.csv", "2009/W53.csv"),
        ("month", "2013-05", "{year}/{month}.csv", "2013/05.csv"),
        ("day", "2013-05-01", "{table}/{partition}.csv", "a/2013-05-01.csv"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_a_path_is_that_of_the_local_day(unit: str, start: str, path: str, place: str, zone: str) -> None:
    own = source(unit, start=start, zone=zone, tables={"a": {**TIMED, "path": path}})
    assert own.tables["a"].place("a", Partition.parse(start, own.unit), "csv") == place


@pytest.mark.parametrize(
    ("unit", "start", "path"),
    [("day", "2013-05-01", "{year}{month}.csv"), ("week", "2013-W05", "{year}{month}.csv")],
)
def test_a_path_that_several_partitions_share_is_refused(unit: str, start: str, path: str) -> None:
    with pytest.raises(ValidationError, match="names the same file for several partitions"):
        source(unit, start=start, tables={"a": {**TIMED, "path": path}})


@pytest.mark.parametrize(
    ("unit", "start", "lateness", "catch_up"),
    [("hour", "2013-05-01T00", 1, 336), ("week", "2013-W05", 24, 1344), ("month", "2013-05", 24, 4383)],
)
def test_patience_follows_the_length_of_partitions(
    unit: str, start: str, lateness: int, catch_up: int
) -> None:
    found = source(unit, start=start)
    assert found.lateness.total_seconds() == lateness * 3600
    assert found.catch_up.total_seconds() == catch_up * 3600
    assert source(unit, start=start, catch_up="30 days").catch_up.days == 30


@pytest.mark.parametrize("zone", ["Berlin", "../etc/passwd", "Europe/Berlin'; drop", ""])
def test_a_zone_is_one_of_the_database(zone: str) -> None:
    with pytest.raises(ValidationError, match="zone"):
        source("day", start="2013-05-01", zone=zone)
