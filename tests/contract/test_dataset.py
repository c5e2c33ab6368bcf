"""The dataset step on real flights: reproducible, immutable, and refused where it leaks."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.features import replay
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Output, Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.steps import dataset
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, replace, request

FIRST, LAST = "2013-01-01", "2013-01-16"


def changed(**features: dict[str, Any]) -> Project:
    """Flights with short splits, and with views added or changed."""
    document = FLIGHTS.document()
    document["split"] = {"holdout": "3 days", "validation": "3 days", "history": "30 days", "min_rows": 2000}
    for name, view in features.items():
        document["features"][name] = {**document["features"].get(name, {}), **view}
        document["inputs"]["numeric"] += [
            column for column in view.get("columns", {}) if column not in document["inputs"]["numeric"]
        ]
    return Project.model_validate(document)


PROJECT = changed()
Snapshot = Callable[..., Result]


@pytest.fixture
def ingest(platform: Platform) -> Warehouse:
    """16 days of raw data."""
    warehouse = Warehouse(platform.settings("ingest"))
    deliver(warehouse, FLIGHTS, FIRST, LAST)
    return warehouse


@pytest.fixture
def snapshot(platform: Platform, ingest: Warehouse) -> Snapshot:
    """Compute features, then take a snapshot, each as a work of its own."""
    runs = iter(range(1000))

    def take(project: Project = PROJECT, last: str = LAST, work: str = "", **fields: Any) -> Result:
        number = next(runs)
        done = run_step(
            request("features", project, FIRST, last, work=f"features-{number}"), platform.settings()
        )
        assert done.exit_code == 0, done.message
        asked = request("dataset", project, last, work=work or f"dataset-{number}", **fields)
        return run_step(asked, platform.settings())

    return take


def manifest(platform: Platform, result: Result) -> DatasetManifest:
    assert result.status is Status.OK, result.message
    store = ArtifactStore(platform.settings().artifacts_url)
    return DatasetManifest.model_validate_json(store.get(result.outputs["manifest"]))


def test_a_snapshot_holds_what_its_manifest_says(platform: Platform, snapshot: Snapshot) -> None:
    result = snapshot()
    found = manifest(platform, result)
    store = ArtifactStore(platform.settings().artifacts_url)
    assert found.digest == result.values["digest"]
    assert [found.splits[name].end for name in ("train", "validation", "holdout")] == [
        datetime(2013, 1, day, tzinfo=UTC) for day in (8, 12, 16)
    ]
    rows = dict.fromkeys(found.splits, 0)
    for part in found.parts:
        path = f"datasets/flights/{found.digest}/{part.path}"
        table = parquet.read_table(io.BytesIO(store.get(Output(uri=store.uri(path), digest=part.digest))))
        assert table.column_names[:3] == ["entity_key", "event_time", "partition"]
        assert table.column_names[-1] == "label"
        assert set(PROJECT.inputs.all) <= set(table.column_names)
        assert set(pc.unique(table["label"]).to_pylist()) == {0.0, 1.0}
        bounds = found.splits[part.split]
        assert bounds.start <= pc.min(table["event_time"]).as_py() <= pc.max(table["event_time"]).as_py()
        assert pc.max(table["event_time"]).as_py() < bounds.end
        rows[part.split] += table.num_rows
    assert rows == {name: bounds.rows for name, bounds in found.splits.items()}
    unlabelled = sum(bounds.unlabelled for bounds in found.splits.values())
    assert platform.owner().query(
        """select count(*) from raw.flights__flights where sched_dep < '2013-01-08'
           or sched_dep >= '2013-01-09' and sched_dep < '2013-01-12'
           or sched_dep >= '2013-01-13' and sched_dep < '2013-01-16'"""  # between them an embargo of a day
    ) == [(sum(rows.values()) + unlabelled,)]
    assert "left join lateral" in found.query
    assert found.features["carrier_recent"]["stale"] == 0


def test_the_same_data_is_the_same_snapshot_and_is_not_stored_again(
    platform: Platform, snapshot: Snapshot
) -> None:
    first = snapshot()
    folder = platform.folder / "artifacts"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    second = snapshot()
    assert second.values["digest"] == first.values["digest"]
    assert second.outputs == first.outputs
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert platform.owner().query("select count(*) from ledger.dataset") == [(1,)]
    # Features computed again from the start change nothing either.
    platform.owner().query("truncate ledger.feature_partition")
    assert snapshot().values["digest"] == first.values["digest"]


def test_a_manifest_that_was_handed_on_is_not_written_over(
    platform: Platform, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of the same data side by side, of two versions of the code: neither saw the other's record."""
    first = snapshot()
    platform.owner().query("delete from ledger.dataset")
    monkeypatch.setattr(dataset, "code_version", lambda: "0.2.0")
    assert snapshot().outputs == first.outputs
    assert manifest(platform, first).digest == first.values["digest"]


def test_a_corrected_day_is_another_snapshot(
    platform: Platform, ingest: Warehouse, snapshot: Snapshot
) -> None:
    first = snapshot()
    data = day_file("flights", "arrivals", "2013-01-08")
    assert data is not None
    head, row, *rest = data.split(b"\n")
    replace(
        ingest,
        FLIGHTS,
        "arrivals",
        [("2013-01-08", b"\n".join([head, row.rpartition(b",")[0] + b",500", *rest]))],
    )
    second = snapshot()
    assert second.values["digest"] != first.values["digest"]
    assert manifest(platform, first).digest == first.values["digest"]


def test_stale_features_are_known_and_counted(
    platform: Platform, ingest: Warehouse, snapshot: Snapshot
) -> None:
    snapshot()
    data = day_file("flights", "weather", "2013-01-08")
    assert data is not None
    replace(ingest, FLIGHTS, "weather", [("2013-01-08", data)])
    result = run_step(request("dataset", PROJECT, LAST, work="stale"), platform.settings())
    assert result.values["stale"] == 2  # the weather of its own day, and of the next by the look-back
    assert "2 feature partitions were stale" in result.message


def test_killed_between_commit_and_result_publishes_once(
    platform: Platform, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", lambda *_: None)
        first = snapshot(work="killed")
    again = snapshot(work="killed")
    assert again.replayed
    assert (again.values, again.outputs) == (first.values, first.outputs)
    assert platform.owner().query("select count(*) from ledger.publication where work = 'killed'") == [(1,)]


@pytest.mark.parametrize("until", ["2013-01-14", "2013-01-15T00:00:00+00:00"])
def test_until_says_what_was_known(platform: Platform, snapshot: Snapshot, until: str) -> None:
    found = manifest(platform, snapshot(params={"until": until}))
    assert found.as_of == datetime(2013, 1, 15, tzinfo=UTC)
    assert found.splits["holdout"].end == datetime(2013, 1, 14, tzinfo=UTC)


def test_labels_that_were_not_delivered_move_the_holdout_back(
    platform: Platform, ingest: Warehouse, snapshot: Snapshot
) -> None:
    with ingest.transaction() as cursor:
        cursor.execute(
            "update ledger.batch set current = false where table_name = 'arrivals' and partition > '2013-01-12'"
        )
    assert manifest(platform, snapshot()).splits["holdout"].end == datetime(2013, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("2013-01-05", "leaves nothing to train on before validation and holdout"),
        ("2013-01-11", "has 1616 labelled rows and 23 without a label; it needs 2000: ingest more"),
    ],
)
def test_too_few_rows_say_how_many_and_what_to_do(snapshot: Snapshot, last: str, message: str) -> None:
    result = snapshot(last=last)
    assert (result.status, result.error and result.error.kind) == (Status.FAILED, "input")
    assert message in result.message


VIEW = {"reads": ["arrivals"], "ttl": "2 days", "lookback": "2 days"}
LEAKS = {
    "a copy of the target": (
        {
            **VIEW,
            "entities": ["carrier", "flight", "origin"],
            "columns": {"delay_copy": "double"},
            # Dated so that it lies before every flight it is joined to: no date gives it away.
            "sql": "select carrier, flight, origin, sched_dep - interval '1 second' as event_timestamp,"
            " arr_delay as delay_copy from {arrivals}"
            " where sched_dep - interval '1 second' > %(start)s",
        },
        "delay_copy",
    ),
    "a future row: an arrival dated at its departure": (
        {
            **VIEW,
            "entities": ["carrier", "origin"],
            "columns": {"last_delay": "double"},
            "sql": "select carrier, origin, sched_dep as event_timestamp, avg(arr_delay) as last_delay"
            " from {arrivals} group by 1, 2, 3",
        },
        "last_delay",
    ),
    "a future row: a day's mean dated at its morning": (
        {
            **VIEW,
            "reads": ["flights"],
            "entities": ["origin"],
            "columns": {"day_flights": "integer"},
            "sql": "select origin, date_trunc('day', sched_dep) + interval '1 hour' as event_timestamp,"
            " count(*) as day_flights from {flights} group by 1, 2",
        },
        "day_flights",
    ),
    "a future row: the next hour's weather": (
        {
            **VIEW,
            "reads": ["weather"],
            "entities": ["origin"],
            "columns": {"next_wind": "double"},
            "sql": "select origin, observed - interval '1 hour' as event_timestamp, wind_speed as next_wind"
            " from {weather}",
        },
        "next_wind",
    ),
}


@pytest.mark.parametrize("case", LEAKS)
def test_a_planted_leak_blocks_training_and_names_the_column(
    platform: Platform, snapshot: Snapshot, case: str
) -> None:
    view, column = LEAKS[case]
    result = snapshot(changed(planted=view))
    assert result.status is Status.FAILED
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("leakage", False)
    assert f"'{column}'" in result.message
    assert platform.owner().query("select count(*) from ledger.dataset") == [(0,)]
    assert not (platform.folder / "artifacts" / "datasets").exists()


def test_a_group_in_two_splits_blocks_training_and_is_named(platform: Platform, snapshot: Snapshot) -> None:
    document = PROJECT.document()
    document["split"]["groups"] = ["tailnum"]
    result = snapshot(Project.model_validate(document))
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("leakage", False)
    assert result.message.startswith("group tailnum = 'N")
    assert platform.owner().query("select count(*) from ledger.dataset") == [(0,)]


def test_a_group_column_whose_groups_keep_apart_is_fine(platform: Platform, snapshot: Snapshot) -> None:
    """The day is a group that no split shares with another."""
    with platform.owner().transaction() as cursor:
        cursor.execute("update raw.flights__flights set tailnum = to_char(sched_dep, 'YYYY-MM-DD')")
    document = PROJECT.document()
    document["split"]["groups"] = ["tailnum"]
    result = snapshot(Project.model_validate(document))
    assert result.status is Status.OK, result.message


def test_what_is_known_on_the_way_is_refused_unless_it_is_declared(
    platform: Platform, snapshot: Snapshot
) -> None:
    """No view dates a plain column: how much more than the others it tells gives it away."""
    platform.owner().query(
        """update raw.flights__flights f set distance = .7 * a.dep_delay + .3 * a.arr_delay from raw.flights__arrivals a
           where (a.carrier, a.flight, a.origin, a.sched_dep) = (f.carrier, f.flight, f.origin, f.sched_dep)"""
    )
    result = snapshot()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("leakage", False)
    assert result.message.startswith("input 'distance' tells far more than all the others: ")
    document = PROJECT.document()
    document["inputs"]["known"] = ["distance"]
    assert snapshot(Project.model_validate(document)).status is Status.OK


def test_a_day_s_own_late_share_in_a_plain_column_is_refused(platform: Platform, snapshot: Snapshot) -> None:
    platform.owner().query(
        """update raw.flights__flights f set distance = s.late from (
               select origin, date_trunc('day', sched_dep) as day, avg((arr_delay >= 15)::int) as late
               from raw.flights__arrivals where arr_delay is not null group by 1, 2) s
           where s.origin = f.origin and s.day = date_trunc('day', f.sched_dep)"""
    )
    result = snapshot()
    assert result.error is not None
    assert result.message.startswith("input 'distance' holds label means of the very rows it stands in: ")


def test_a_copy_of_the_target_is_seen_even_where_its_dates_are_not(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two guards see this leak; here the first is off."""
    monkeypatch.setattr(replay, "check_views", lambda *_: 0)
    view, column = LEAKS["a copy of the target"]
    result = snapshot(changed(planted=view))
    assert f"input '{column}' is a copy of the label" in result.message


def test_without_the_replay_a_future_row_passes(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard off: the planted leak tests can fail."""
    monkeypatch.setattr(replay, "check_views", lambda *_: 0)
    view, _ = LEAKS["a future row: the next hour's weather"]
    assert snapshot(changed(planted=view)).status is Status.OK


def test_a_row_twice_in_the_entity_table_is_named(platform: Platform, snapshot: Snapshot) -> None:
    platform.owner().query(
        "insert into raw.flights__flights select * from raw.flights__flights where sched_dep = "
        "(select min(sched_dep) from raw.flights__flights where sched_dep > '2013-01-13')"
    )
    result = snapshot()
    assert result.error is not None
    assert result.error.kind == "leakage"
    assert "stands twice in the dataset" in result.message


def test_the_digest_is_over_the_content(platform: Platform, snapshot: Snapshot) -> None:
    found = manifest(platform, snapshot())
    facts = [
        "mlcycle.dataset/1",
        str(
            parquet.read_schema(
                platform.folder / f"artifacts/datasets/flights/{found.digest}/train-000.parquet"
            )
        ),
        {name: [bounds.start.isoformat(), bounds.end.isoformat()] for name, bounds in found.splits.items()},
        [[part.split, part.digest, part.rows] for part in found.parts],
    ]
    assert hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest() == found.digest
