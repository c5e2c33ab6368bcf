"""The point-in-time join on real flights: equal to pandas merge_asof, in chunks, with labels as of a moment."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from mlcycle.adapters.datasets import point_in_time
from mlcycle.adapters.datasets.point_in_time import counts, equivalent_sql, joined_rows
from mlcycle.adapters.warehouse import arrow
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import ConfigError, InputError
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, request

FIRST, LAST = "2013-01-01", "2013-02-14"
START, END = (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 15, tzinfo=UTC))


@pytest.fixture
def warehouse(platform: Platform) -> Warehouse:
    """45 days of flights with their features."""
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, FIRST, LAST)
    done = run_step(request("features", FLIGHTS, FIRST, LAST), platform.settings())
    assert done.exit_code == 0, done.message
    return Warehouse(platform.settings())


def merge_asof(platform: Platform, project: Project) -> pd.DataFrame:
    """The peer: every table read whole, joined by pandas in memory."""

    def read(table: str) -> pd.DataFrame:
        columns = [
            name
            for (name,) in platform.owner().query(
                "select column_name from information_schema.columns where table_schema = %s "
                "and table_name = %s order by ordinal_position",
                table.split("."),
            )
        ]
        schema, name = table.split(".")
        frame = pd.DataFrame(platform.owner().query(f'select * from {schema}."{name}"'), columns=columns)
        for column, values in frame.items():
            if isinstance(values.dtype, pd.DatetimeTZDtype):
                frame[column] = values.dt.as_unit("us")
        return frame

    left = read("raw.flights__flights").sort_values("sched_dep", kind="stable")
    for name, view in project.features.items():
        right = read(f"features.flights__{name}").sort_values("event_timestamp")
        left = pd.merge_asof(
            left,
            right[[*view.entities, "event_timestamp", *view.columns]].rename(
                columns={"event_timestamp": name}
            ),
            left_on="sched_dep",
            right_on=name,
            by=view.entities,
            tolerance=view.ttl,
        )
    labels = read("raw.flights__arrivals")[["carrier", "flight", "origin", "sched_dep", "arr_delay"]]
    left = left.merge(labels, on=["carrier", "flight", "origin", "sched_dep"], how="left")
    left["label"] = (left["arr_delay"].astype(float) >= 15).astype(float).where(left["arr_delay"].notna())
    left["entity_key"] = left["carrier"] + "|" + left["flight"].astype(str) + "|" + left["origin"]
    left["partition"] = left["sched_dep"].dt.strftime("%Y-%m-%d")
    return left.rename(columns={"sched_dep": "event_time"})


@pytest.mark.parametrize("times", [10**9, 0], ids=["whole views", "looked up by entity"])
def test_a_share_is_the_same_rows_each_time_and_as_they_are_in_the_whole(
    warehouse: Warehouse, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_in_time, "LOOKUP", times)

    def rows(**how: float) -> pd.DataFrame:
        chunks = joined_rows(warehouse, FLIGHTS, START, END, labels=False, **how)  # type: ignore[arg-type]
        return pa.concat_tables(chunks).to_pandas()

    drawn, again, whole = rows(share=0.1), rows(share=0.1, chunk_rows=300), rows()
    pd.testing.assert_frame_equal(drawn, again)
    assert 0.09 < len(drawn) / len(whole) < 0.11
    assert drawn["partition"].nunique() == 45
    both = whole.merge(drawn[["entity_key", "event_time"]], on=["entity_key", "event_time"])
    pd.testing.assert_frame_equal(both, drawn)


def test_equals_merge_asof_on_45_days(platform: Platform, warehouse: Warehouse) -> None:
    chunks = list(joined_rows(warehouse, FLIGHTS, START, END, labels=True, chunk_rows=7_000))
    assert len(chunks) > 4
    ours = pa.concat_tables(chunks).to_pandas()
    peer = merge_asof(platform, FLIGHTS)
    peer = peer[peer["label"].notna()].sort_values(["event_time", "entity_key"], ignore_index=True)
    assert len(ours) == len(peer) > 35_000
    pd.testing.assert_frame_equal(ours, peer[ours.columns], check_dtype=False, check_exact=True)
    assert (
        ours[["carrier_late_7d", "dest_late_14d", "carrier_hour_late_28d", "wind_speed"]].notna().mean().min()
        > 0.8
    )
    assert sum(sum(counts(chunk)["unlabelled"].values()) for chunk in chunks) > 0


def test_the_sql_that_people_get_gives_the_same_rows(platform: Platform, warehouse: Warehouse) -> None:
    window = {"start": START + timedelta(days=30), "end": START + timedelta(days=33)}
    ours = pa.concat_tables(joined_rows(warehouse, FLIGHTS, window["start"], window["end"], labels=True))
    rows = platform.owner().query(equivalent_sql(FLIGHTS), window)
    own = [name for name in ours.column_names if name != "partition"]
    assert rows == list(zip(*(ours[name].to_pylist() for name in own), strict=True))


def test_chunks_do_not_change_the_rows(warehouse: Warehouse) -> None:
    whole = pa.concat_tables(joined_rows(warehouse, FLIGHTS, START, END, labels=False))
    parts = pa.concat_tables(joined_rows(warehouse, FLIGHTS, START, END, labels=False, chunk_rows=1))
    assert whole.replace_schema_metadata(None).equals(parts.replace_schema_metadata(None))
    assert "label" not in whole.column_names


def test_looking_entities_up_gives_the_same_rows_and_reads_these_entities_alone(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = START + timedelta(days=40, hours=22)
    read: list[int] = []
    real = arrow.Spool.copy

    def copy(self: arrow.Spool, *args: object) -> arrow.Segment:
        segment = real(self, *args)  # type: ignore[arg-type]
        read.append(segment.rows)
        return segment

    monkeypatch.setattr(arrow.Spool, "copy", copy)
    found = {}
    for way, factor in {"looked up": 0, "whole window": 10**9}.items():
        monkeypatch.setattr(point_in_time, "LOOKUP", factor)
        read.clear()
        found[way] = (
            pa.concat_tables(joined_rows(warehouse, FLIGHTS, hour, hour + timedelta(hours=1), labels=False)),
            list(read),
        )
    (looked_up, few), (whole, many) = found.values()
    assert looked_up.equals(whole)
    assert looked_up["carrier_late_7d"].null_count < looked_up.num_rows
    rows = looked_up.num_rows
    assert few[0] == many[0] == rows
    assert max(few[1:]) <= 2 * rows  # a value as the hour begins, and those that follow in it
    assert max(many[1:]) > 20 * rows


def test_as_of_knows_no_later_label(warehouse: Warehouse) -> None:
    as_of = datetime(2013, 2, 10, tzinfo=UTC)
    seen = pa.concat_tables(joined_rows(warehouse, FLIGHTS, START, END, labels=True, as_of=as_of))
    # Known a day after the partition's end: on the 10th, those of the 8th.
    assert max(seen["partition"].to_pylist()) == "2013-02-08"


def test_a_value_is_used_from_the_moment_it_was_known_and_never_before(
    platform: Platform, warehouse: Warehouse
) -> None:
    platform.owner().query(
        "update features.flights__carrier_recent set carrier_late_7d = 7 where event_timestamp = '2013-02-01'"
    )
    joined = pa.concat_tables(joined_rows(warehouse, FLIGHTS, START, END, labels=False)).to_pandas()
    moments = joined.loc[joined["carrier_late_7d"] == 7, "event_time"]
    assert moments.min() == pd.Timestamp("2013-02-01", tz="UTC")
    assert moments.max() < pd.Timestamp("2013-02-02", tz="UTC")


def test_the_caller_may_publish_between_chunks_and_sees_one_snapshot(
    platform: Platform, warehouse: Warehouse
) -> None:
    found = 0
    for chunk in joined_rows(warehouse, FLIGHTS, START, END, labels=False, chunk_rows=5_000):
        found += chunk.num_rows
        warehouse.query("select 1")
        platform.owner().query("delete from raw.flights__flights where sched_dep >= '2013-02-01'")
    assert found > 35_000


def test_text_with_quotes_newlines_and_emptiness_comes_through(
    platform: Platform, warehouse: Warehouse
) -> None:
    values = ['a"b', "a,b", "a\nb", "", "naïve ✈", "NULL", "\\N"]
    owner = platform.owner()
    owner.query("delete from raw.flights__flights where sched_dep >= '2013-01-02'")
    for number, value in enumerate(values):
        owner.query(
            "insert into raw.flights__flights (carrier, flight, origin, dest, sched_dep, _batch_id) "
            "values ('XX', %s, 'JFK', %s, '2013-01-02', 0)",
            (number, value),
        )
    owner.query(
        "insert into raw.flights__flights (carrier, flight, origin, sched_dep, _batch_id) "
        "values ('XX', 99, 'JFK', '2013-01-02', 0)"
    )
    (table,) = joined_rows(
        warehouse, FLIGHTS, START + timedelta(days=1), START + timedelta(days=2), labels=False
    )
    assert sorted(table["dest"].to_pylist(), key=str) == sorted([*values, None], key=str)


def test_nothing_published_is_one_clear_line(platform: Platform) -> None:
    with pytest.raises(InputError, match="holds no partition yet: run ingest first"):
        next(joined_rows(Warehouse(platform.settings()), FLIGHTS, START, END, labels=False))


def test_an_input_with_a_name_of_our_own_is_refused(platform: Platform) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["columns"]["label"] = "integer"
    document["inputs"]["numeric"].append("label")
    project = Project.model_validate(document)
    with pytest.raises(ConfigError, match="'label' bears a name of mlcycle's own"):
        next(joined_rows(Warehouse(platform.settings()), project, START, END, labels=False))
