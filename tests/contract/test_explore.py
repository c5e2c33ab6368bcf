"""A share of decisions that is drawn: from scoring to what the owner reads, where labels follow decisions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.training_data import (
    label_columns,
    read_manifest,
    read_split,
    weights_of,
)
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.decided import row_weights
from mlcycle.contract import Status
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.test_brought import DOCUMENT
from tests.raw_data import deliver, request
from tests.reign import crown

FIRST, LAST = "2013-02-06", "2013-02-20"
LABELLED = "2013-02-13", "2013-02-19"  # the last window with labels
PAYOFF = {"true_positive": 60.0, "false_positive": -45.0, "true_negative": 0.0, "false_negative": -80.0}


def project(**value: object) -> Project:
    held = {**DOCUMENT["value"], **PAYOFF, **value}
    return Project.model_validate({**DOCUMENT, "value": held})


EXPLORING = project(explore={"share": 0.4})
LOANS = project(explore={"share": 0.4}, label_needs="positive")
BLIND = project(label_needs="positive")

Serve = Callable[[Project], Platform]


@pytest.fixture
def serve(platform: Platform) -> Serve:
    """Two weeks of February, served; a flight that was not acted on never tells when it arrived."""
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, LOANS, "2013-01-01", LAST)
    ingest.close()
    built = run_step(request("features", LOANS, "2013-01-01", LAST), platform.settings())
    assert built.status is Status.OK, built.message
    crown(platform, LOANS, "2013-01-12", "2013-02-05")

    def run(one: Project) -> Platform:
        assert run_step(request("score", one, FIRST, LAST), platform.settings()).status is Status.OK
        platform.owner().query("create table public.truth as select * from raw.flights__arrivals")
        if one.value.label_needs:
            platform.owner().query(
                """delete from raw.flights__arrivals a using serving.prediction p
                   where a.sched_dep = p.event_time
                     and a.carrier || '|' || a.flight || '|' || a.origin = p.entity_key
                     and not coalesce(p.acted, p.prediction >= %s)""",
                (one.value.threshold,),
            )
        assert run_step(request("labels", one, LAST), platform.settings()).status is Status.OK
        return platform

    return run


def served(platform: Platform, first: str = FIRST, last: str = LAST) -> np.ndarray[Any, Any]:
    """Of each row that arrived: prediction, acted, propensity, late in truth, whether the label is known."""
    rows = platform.owner().query(
        """select p.prediction, p.acted, p.propensity, t.arr_delay >= 15, l.label is not null
           from serving.prediction p
           join public.truth t on t.sched_dep = p.event_time
             and t.carrier || '|' || t.flight || '|' || t.origin = p.entity_key
           left join serving.label l using (project, entity_key, event_time)
           where p.partition between %s and %s and t.arr_delay is not null order by p.event_time, p.entity_key""",
        (first, last),
    )
    return np.array(rows, dtype=float)


def watch(platform: Platform, one: Project, monitor: str) -> list[tuple[str, float | None, dict[str, Any]]]:
    result = run_step(request("monitor", one, LAST, work=f"monitor-{LAST}"), platform.settings())
    assert result.status is Status.OK, result.message
    return platform.owner().query(
        "select message, value, details from ledger.monitor_result where monitor = %s", (monitor,)
    )


def page(platform: Platform, details: dict[str, Any]) -> str:
    return ArtifactStore(platform.settings().artifacts_url).read(details["link"]).decode()


def test_decisions_are_drawn_once_and_stand_beside_their_predictions(serve: Serve) -> None:
    platform = serve(EXPLORING)
    prediction, acted, propensity, *_ = served(platform).T
    other = acted != (prediction >= EXPLORING.value.threshold)
    assert other.mean() == pytest.approx(0.2, abs=0.02)
    assert np.array_equal(propensity, np.where(other, 0.2, 0.8))
    again = run_step(request("score", EXPLORING, FIRST, LAST, work="again"), platform.settings())
    assert "15 unchanged" in again.message
    off = run_step(request("score", project(), LAST, work="off"), platform.settings())
    assert "1 corrected" in off.message  # the threshold decides again, and says so
    counted = "select count(acted), count(propensity) from serving.prediction where partition = %s"
    assert platform.owner().query(counted, (LAST,)) == [(0, 0)]


def test_what_was_served_is_worth_what_was_decided_not_what_the_threshold_says(serve: Serve) -> None:
    platform = serve(EXPLORING)
    ((_, _, details),) = watch(platform, EXPLORING, "value")
    prediction, acted, _, late, known = served(platform, *LABELLED).T
    assert known.all()
    each = np.where(late == 1, 140, -45)  # acting over not acting
    assert details["value_over_never"] == pytest.approx((each * acted).sum())
    alone = (each * (prediction >= EXPLORING.value.threshold)).sum()
    assert details["value_over_threshold"] == pytest.approx((each * acted).sum() - alone)
    ((_, _, details),) = watch(platform, EXPLORING, "earnings")
    assert "over the threshold alone, without the share that is drawn" in page(platform, details)


def test_where_labels_follow_decisions_the_owner_reads_what_all_labels_would_have_said(serve: Serve) -> None:
    platform = serve(LOANS)
    ((words, value, details),) = watch(platform, LOANS, "value")
    _, acted, propensity, late, known = served(platform, *LABELLED).T
    assert np.array_equal(acted, known)
    chance = np.where(acted == 1, propensity, 1 - propensity)  # with which the row is acted on
    lost = -np.where(late == 1, 140, -45)  # not acting over acting
    truth = float(((1 - chance) * lost).sum())  # over always acting
    seen = acted == 1
    naive = float(((1 - chance) * lost)[seen].mean() * len(late))
    estimate = details["value_over_always"]
    assert abs(estimate - truth) < 0.15 * abs(truth) < abs(naive - truth), (estimate, truth, naive)
    assert details["rows"] == seen.sum()
    assert value == details["value_over_never"]
    assert "each by the inverse of its probability" in words
    ((_, _, earned),) = watch(platform, LOANS, "earnings")
    assert sum(day[0] for day in earned["days"].values()) == seen.sum()
    text = page(platform, earned)
    assert "Estimated: a label is known only of rows decided positive" in text
    assert "over acting on every row" in text


def test_without_a_draw_the_owner_reads_that_it_cannot_be_known(serve: Serve) -> None:
    platform = serve(BLIND)
    assert watch(platform, BLIND, "value") == []
    ((words, value, details),) = watch(platform, BLIND, "earnings")
    assert words.endswith("cannot be known (value.explore)")
    assert value is None
    text = page(platform, details)
    assert "cannot be known" in text
    assert "EUR a week" not in text


def test_a_row_of_today_stands_for_as_many_as_its_draw_says(serve: Serve) -> None:
    platform = serve(LOANS)
    rows = platform.owner().query(
        """select event_time, entity_key, acted, propensity from serving.prediction
           where partition = '2013-02-10' order by event_time, entity_key"""
    )
    moments = pa.array([row[0] for row in rows], pa.timestamp("us", tz="UTC"))
    table = pa.table({"event_time": moments, "entity_key": pa.array([row[1] for row in rows])})
    with Warehouse(platform.settings()).transaction() as cursor:
        found = row_weights(cursor, LOANS, table, undrawn=0.0)
        assert row_weights(cursor, EXPLORING, table, undrawn=0.0) is None
    assert found is not None
    assert found == pytest.approx([1 / row[3] if row[2] else 0.0 for row in rows])


def test_a_dataset_says_for_how_many_rows_each_stands(serve: Serve) -> None:
    platform = serve(EXPLORING)  # it draws the same, and its labels are all there
    result = run_step(request("dataset", LOANS, LAST), platform.settings())
    assert result.status is Status.OK, result.message
    store = ArtifactStore(platform.settings().artifacts_url)
    manifest = read_manifest(store, result.outputs["manifest"])
    columns = ["event_time", "entity_key", *label_columns(LOANS)]
    held = read_split(store, manifest, "holdout", columns, platform.folder / "read")
    known = platform.owner().query(
        """select event_time, entity_key, case when acted then 1 / propensity else 1 end
           from serving.prediction"""
    )
    by_row = {(moment, key): weight for moment, key, weight in known}
    keys = zip(held["event_time"].dt.to_pydatetime(), held["entity_key"], strict=True)
    assert held["_weight"].tolist() == pytest.approx([by_row[key] for key in keys])
    assert set(held["_weight"]) == {1.0, 1.25, 5.0}
    even = weights_of(held)
    assert even is not None
    assert even.mean() == pytest.approx(1)
    assert "_weight" not in label_columns(EXPLORING)
