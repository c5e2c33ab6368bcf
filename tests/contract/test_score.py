"""The score step: real rows, a real model, MLflow away, kills, corrections, a spoiled cache."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from mlcycle import models
from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.predictions import scored
from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError
from mlcycle.ledger import attempts, monitoring
from mlcycle.ledger.models import learnt_until
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, replace, request
from tests.reign import crown

Step = Callable[..., Result]


@pytest.fixture
def score(platform: Platform) -> Step:
    """Run the step as a work of its own; no MLflow is there."""
    runs = iter(range(1000))

    def run(first: str, last: str = "", **fields: object) -> Result:
        work = {"work": f"score-{next(runs)}", **fields}
        settings = platform.settings(mlflow_url="http://127.0.0.1:1", timeout=2.0)
        return run_step(request("score", FLIGHTS, first, last, **work), settings)

    return run


@pytest.fixture
def ingest(platform: Platform) -> Warehouse:
    """Ten days of flights, delivered by the ingest role."""
    warehouse = Warehouse(platform.settings("ingest"))
    deliver(warehouse, FLIGHTS, "2013-01-01", "2013-01-10")
    return warehouse


def predictions(platform: Platform) -> list[tuple[Any, ...]]:
    """Everything predicted."""
    return platform.owner().query(
        "select partition, entity_key, event_time, version, prediction from serving.prediction order by 3, 2"
    )


def test_without_a_champion_nothing_is_predicted(ingest: Warehouse, score: Step) -> None:
    result = score("2013-01-09")
    assert (result.status, "no champion yet" in result.message) == (Status.SKIPPED, True)


def test_predictions_are_the_champions_with_mlflow_away(
    platform: Platform, ingest: Warehouse, score: Step
) -> None:
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-08")
    result = score("2013-01-09", "2013-01-10")
    assert result.status is Status.OK, result.message
    (chunk,) = joined_rows(
        Warehouse(platform.settings()),
        FLIGHTS,
        *(datetime(2013, 1, 9, tzinfo=UTC), datetime(2013, 1, 11, tzinfo=UTC)),
        labels=False,
    )
    wanted = models.load(platform.folder / "model-1").predict(chunk.select(FLIGHTS.inputs.all).to_pandas())
    found = predictions(platform)
    assert [row[1] for row in found] == chunk["entity_key"].to_pylist()
    assert np.array_equal([row[4] for row in found], wanted)  # to the last bit
    assert {row[0] for row in found} == {"2013-01-09", "2013-01-10"}
    assert result.metrics["missing_origin_weather"] == len(found)  # features were never computed


def scorings(platform: Platform) -> list[tuple[Any, ...]]:
    """Each time a partition was scored with another result: partition, rows, reason, version, number."""
    return platform.owner().query(
        "select partition, rows, reason, version, champion_seq from serving.scoring order by scoring_id"
    )


def test_what_was_served_stays_and_scoring_again_adds_only_what_changed(
    platform: Platform, ingest: Warehouse, score: Step
) -> None:
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-06")
    first = score("2013-01-09", "2013-01-10")
    served = predictions(platform)
    again = score("2013-01-09", "2013-01-10")
    assert "2 unchanged" in again.message
    assert predictions(platform) == served
    rows = [row[1] for row in scorings(platform)]
    assert scorings(platform) == [
        ("2013-01-09", rows[0], "live", 1, 1),
        ("2013-01-10", rows[1], "live", 1, 1),
    ]
    score("2013-01-08")  # an older day
    platform.owner().query(
        "update raw.flights__flights set sched_hour = (sched_hour + 7) % 24 where sched_dep >= '2013-01-10'"
    )
    score("2013-01-09", "2013-01-10")
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-05", version=2)
    score("2013-01-10")
    assert [row[2:] for row in scorings(platform)[2:]] == [
        ("backfill", 1, 1),
        ("corrected", 1, 1),
        ("champion", 2, 2),
    ]
    assert {row[3] for row in predictions(platform) if row[0] == "2013-01-10"} == {2}
    kept = platform.owner().query(
        """select s.partition, p.entity_key, p.event_time, s.version, p.prediction
           from serving.prediction_log p join serving.scoring s using (project, scoring_id)
           where scoring_id <= 2 order by 3, 2"""
    )
    assert kept == served  # every one of them, as it was
    assert first.values["rows"] == len(served)
    with pytest.raises(ConfigError, match="permission denied"):
        Warehouse(platform.settings()).query("delete from serving.prediction_log")


def test_the_window_shows_what_was_first_served(platform: Platform, ingest: Warehouse, score: Step) -> None:
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-06")
    score("2013-01-09")
    day = Partition.parse("2013-01-09", FLIGHTS.unit)
    warehouse = Warehouse(platform.settings())
    with warehouse.transaction() as cursor:
        first = scored(cursor, FLIGHTS.name, day, day, as_of=day.end)
        moment = monitoring.moment(cursor, FLIGHTS.name, day.key)
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-05", version=2)
    score("2013-01-09", "2013-01-10")
    with warehouse.transaction() as cursor:
        again = scored(cursor, FLIGHTS.name, day, day.shift(1), as_of=day.end)
        then = scored(cursor, FLIGHTS.name, day, day.shift(1), as_of=day.end, made_until=moment)
        learnt = learnt_until(cursor, FLIGHTS.name, [1, 2])
    assert np.array_equal(again.predictions[: len(first)], first.predictions)
    assert set(again.versions[: len(first)]) == {1}
    assert set(again.versions[len(first) :]) == {2}
    assert np.array_equal(then.predictions, first.predictions)
    assert again.unlearnt(learnt).all()
    late = {**learnt, 2: datetime(2013, 1, 10, 12, tzinfo=UTC)}
    assert 0 < (~again.unlearnt(late)).sum() < (again.versions == 2).sum()


def test_scoring_again_replaces_and_a_smaller_delivery_leaves_nothing_behind(
    platform: Platform, ingest: Warehouse, score: Step
) -> None:
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-08")
    score("2013-01-09", "2013-01-10")
    lines = (day_file("flights", "flights", "2013-01-09") or b"").decode().splitlines(keepends=True)
    replace(ingest, FLIGHTS, "flights", [("2013-01-09", "".join(lines[:51]).encode())])
    replace(ingest, FLIGHTS, "flights", [("2013-01-10", lines[0].encode())])
    assert score("2013-01-09", "2013-01-10").values["rows"] == 50
    assert [row[0] for row in predictions(platform)] == ["2013-01-09"] * 50
    assert [row[2] for row in scorings(platform)] == ["live", "live", "corrected", "emptied"]
    assert score("2013-01-09", "2013-01-10").values["rows"] == 50
    assert len(scorings(platform)) == 4


def test_a_kill_after_the_commit_replays(
    platform: Platform, ingest: Warehouse, score: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-08")
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", lambda *_: None)
        first = score("2013-01-09", work="same")
    before = predictions(platform)
    again = score("2013-01-09", work="same")
    assert (again.status, again.replayed, first.replayed) == (Status.OK, True, False)
    assert predictions(platform) == before
    assert again.values == first.values


def test_a_spoiled_model_is_refused_and_an_intact_copy_is_taken(
    platform: Platform, ingest: Warehouse, score: Step
) -> None:
    champion = crown(platform, FLIGHTS, "2013-01-01", "2013-01-08")
    assert score("2013-01-09").status is Status.OK
    cache = platform.folder / "scratch" / "models" / champion.manifest_digest
    name = sorted(champion.manifest)[0]
    (cache / name).write_text("spoiled")
    assert score("2013-01-09").status is Status.OK
    assert model_cache.intact(cache, champion.manifest)
    (cache / "extra.py").write_text("planted")
    store = ArtifactStore(platform.settings().artifacts_url)
    store.put(f"models/{champion.manifest_digest}/{name}", b"spoiled too")
    refused = score("2013-01-09")
    assert refused.status is Status.FAILED
    assert refused.error is not None
    assert refused.error.retryable  # MLflow, the last place to ask, is away


def test_a_partition_without_rows_is_one_clear_line(
    platform: Platform, ingest: Warehouse, score: Step
) -> None:
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-08")
    result = score("2013-02-09")
    assert result.status is Status.SKIPPED
    assert result.message == "no row of 'flights' in 2013-02-09: nothing to predict"
