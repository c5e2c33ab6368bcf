"""What people are told of deliveries, schemas and steps: keys, severity, words."""

from datetime import timedelta

import pytest

from mlcycle.domain import failure_alerts as told


@pytest.mark.parametrize(
    ("misfits", "rows", "changed"),
    [
        pytest.param({"a": 50}, 100, {"a"}, id="half of the values"),
        pytest.param({"a": 49}, 100, set(), id="bad rows, and no other type"),
        pytest.param({"a": 0, "b": 100}, 100, {"b"}, id="one of two columns"),
        pytest.param({"a": 0}, 0, set(), id="no rows"),
    ],
)
def test_a_column_has_another_type_where_half_of_its_values_have(
    misfits: dict[str, int], rows: int, changed: set[str]
) -> None:
    assert set(told.changed_columns((), (), misfits, rows)) == changed


def test_a_renamed_column_is_one_that_is_gone_and_one_that_is_new() -> None:
    changes = told.changed_columns(["distance"], ["distance_km"], {}, 10)
    assert changes == {"distance": "is gone", "distance_km": "is new: nobody declared it"}
    alerts = told.schema("flights", "2013-03-01", "flights", changes, "link", stops=True)
    assert [alert["key"] for alert in alerts] == ["schema:flights:distance", "schema:flights:distance_km"]
    assert {alert["matter"] for alert in alerts} == {told.schema_matter("flights")}
    assert {alert["severity"] for alert in alerts} == {"warn"}
    (ignored,) = told.schema("flights", "p", "flights", {"x": "is new"}, "", stops=False)
    assert ignored["severity"] == "info"


def test_a_stopped_delivery_names_its_newest_partition_and_how_many_there_are() -> None:
    reasons = {"2013-03-01": "too few", "2013-03-02": "empty"}
    one = told.stopped("flights", "weather", {"2013-03-01": "too few"}, "link", whole=False)
    two = told.stopped("flights", "flights", reasons, "link", whole=True)
    assert (one["severity"], two["severity"]) == ("warn", "page")
    assert "more partitions" not in one["body"]
    assert "flights of 2013-03-02 is not published (and 1 more partitions): empty" in two["body"]


@pytest.mark.parametrize(
    ("step", "variant", "whole", "severity"),
    [
        ("score", "", False, "page"),
        ("extract", "flights", True, "page"),
        ("extract", "weather", False, "warn"),
        ("train", "boosting", False, "warn"),
    ],
)
def test_who_is_woken_by_a_step_that_failed(step: str, variant: str, whole: bool, severity: str) -> None:
    alert = told.failed("flights", "s", "2013-03-01", step, variant, "why", "link", whole=whole)
    assert alert["severity"] == severity
    assert alert["key"] == told.failed_key(step, variant)
    assert alert["title"].startswith("flights 2013-03-01: s failed (")
    assert told.failed("flights", "s", "", step, variant, "why", "", whole=whole)["title"].startswith(
        "flights: s"
    )


@pytest.mark.parametrize(("stage", "severity"), [("score", "page"), ("train", "warn")])
def test_an_overdue_run_says_how_long_it_had(stage: str, severity: str) -> None:
    alert = told.overdue("flights", stage, "2013-03-01", "manual__1", timedelta(hours=2), "link")
    assert (alert["key"], alert["severity"]) == (f"overdue:{stage}", severity)
    assert "manual__1 did not end within 2 hours" in alert["body"]
