"""Training: what is logged, what a retry does, what is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlcycle.adapters.datasets import training_data
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Handover, Status
from mlcycle.ledger import attempts
from mlcycle.steps import fit_run
from mlcycle.steps.fit_run import FitRun
from tests.conftest import Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project

CANDIDATES = ["table", "boosting", "network"]


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, flights_project(), mlflow_url)


@pytest.fixture
def dataset(trained: Trained) -> Handover:
    return trained.snapshot(flights(), JANUARY)


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_a_run_tells_all_that_is_needed_to_repeat_it(
    trained: Trained, dataset: Handover, candidate: str
) -> None:
    result = trained.ok(trained.train(dataset, candidate))
    tracking = Tracking(trained.settings(), trained.project.name)
    run = tracking.client.get_run(result.values["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["family"] == trained.project.candidates[candidate].family
    assert run.data.params["seed"] == "17"
    assert run.data.tags["mlcycle.code_version"]
    assert "scikit-learn" in run.data.tags["mlcycle.libraries"]
    curve = tracking.client.get_metric_history(run.info.run_id, "validation_loss")
    assert len(curve) == {"table": 1, "boosting": 20, "network": 2}[candidate]
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.digest == dataset.values["digest"][:36]
    assert json.loads(used.dataset.source)["uri"] == dataset.outputs["manifest"].uri
    plots = {file.path for file in tracking.client.list_artifacts(run.info.run_id, "plots")}
    assert plots == {"plots/learning_curve.png", "plots/validation.png"}
    assert result.values["manifest"]["data/model/model.json"]
    assert 0.3 < result.metrics["log_loss"] < 0.6


def test_mlflow_loads_the_model_by_itself_without_pickle(trained: Trained, dataset: Handover) -> None:
    import mlflow

    for candidate in CANDIDATES:
        result = trained.ok(trained.train(dataset, candidate))
        client = Tracking(trained.settings(), trained.project.name).client
        assert client is not None
        rows = flights().head(200)[trained.project.inputs.all]
        model = mlflow.pyfunc.load_model(str(result.values["model_uri"]))
        predictions = np.asarray(model.predict(rows))
        assert predictions.shape == (200,)
        assert ((predictions > 0) & (predictions < 1)).all()
        assert [column.name for column in model.metadata.signature.inputs] == trained.project.inputs.all


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_training_again_gives_the_very_same_model(
    trained: Trained, dataset: Handover, candidate: str
) -> None:
    first, second = (trained.ok(trained.train(dataset, candidate)) for _ in range(2))
    assert first.metrics["log_loss"] == second.metrics["log_loss"]
    assert first.metrics["roc_auc"] == second.metrics["roc_auc"]
    assert first.values["run_id"] != second.values["run_id"]


def test_a_retry_of_finished_work_trains_nothing(trained: Trained, dataset: Handover) -> None:
    first = trained.ok(trained.train(dataset, "table", work="once"))
    again = trained.ok(trained.train(dataset, "table", work="once"))
    assert again.replayed
    assert again.values == first.values
    # Also where the first attempt died between its commit and its result.
    trained.platform.owner().query("update ledger.attempt set state = 'running', result = null")
    third = trained.ok(trained.train(dataset, "table", work="once"))
    assert third.replayed
    assert third.values == first.values
    assert len(_runs(trained)) == 1


def test_the_run_of_a_dead_attempt_is_marked_killed(trained: Trained, dataset: Handover) -> None:
    request = trained.request("train", "dies", inputs={"dataset": [dataset]}, params={"candidate": "table"})
    with Warehouse(trained.settings()).transaction() as cursor:
        token = attempts.open_attempt(cursor, request, trained.project.name)
    tracking = Tracking(trained.settings(), trained.project.name)
    import hashlib

    work_id = hashlib.sha256(b"dies").hexdigest()[:32]
    dead = tracking.start_run("table", {"mlcycle.work_id": work_id, "mlcycle.token": str(token)})
    result = trained.ok(trained.train(dataset, "table", work="dies"))
    states = {run.info.run_id: run.info.status for run in _runs(trained)}
    assert states == {dead: "KILLED", result.values["run_id"]: "FINISHED"}
    assert trained.rows("select count(*) from ledger.publication where work = 'dies' and %s <> ''") == [(1,)]


def test_a_superseded_attempt_publishes_nothing(
    trained: Trained, dataset: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older of two attempts wakes up after the newer one began: its token refuses it."""
    from mlcycle.models.rate_table import RateTable

    fit = RateTable.fit.__func__  # type: ignore[attr-defined]
    request = trained.request("train", "slow", inputs={"dataset": [dataset]}, params={"candidate": "table"})

    def stopped(cls, *args):  # type: ignore[no-untyped-def]
        with Warehouse(trained.settings()).transaction() as cursor:
            attempts.open_attempt(cursor, request, trained.project.name)
        return fit(cls, *args)

    monkeypatch.setattr(RateTable, "fit", classmethod(stopped))
    result = trained.train(dataset, "table", work="slow")
    assert result.error is not None
    assert result.error.kind == "superseded"
    assert [run.info.status for run in _runs(trained)] == ["KILLED"]
    assert trained.rows("select count(*) from ledger.publication where work = 'slow' and %s <> ''") == [(0,)]


def _runs(trained: Trained):  # type: ignore[no-untyped-def]
    tracking = Tracking(trained.settings(), trained.project.name)
    return tracking.client.search_runs([tracking.experiment])


def _bad(what: str, frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame.copy()
    if what == "nan label":
        changed.loc[5, "label"] = np.nan
    if what == "one class":
        changed["label"] = 0.0
    if what == "not a class":
        changed["label"] = 7.0
    if what == "text for a number":
        changed["distance"] = "far"
    if what == "column gone":
        changed = changed.drop(columns="distance")
    return changed


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("nan label", "1 of 11.* labels in the train split are missing"),
        ("one class", "one class only .* nothing to learn"),
        ("not a class", "are not 0 and 1"),
        ("text for a number", "'distance' holds values that are not numbers"),
        ("column gone", "lacks distance"),
    ],
)
def test_data_that_cannot_be_learnt_is_refused_in_one_line(trained: Trained, what: str, says: str) -> None:
    result = trained.train(trained.snapshot(_bad(what, flights()), JANUARY), "boosting")
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "input"
    import re

    assert re.search(says, result.error.message), result.error.message
    assert "\n" not in result.error.message


def test_an_empty_split_is_refused_by_name(trained: Trained) -> None:
    bounds = {**JANUARY, "validation": ("2013-01-15", "2013-01-15")}
    result = trained.train(trained.snapshot(flights(), bounds), "table")
    assert result.error is not None
    assert "the validation split" in result.error.message
    assert "has no rows" in result.error.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"family": "astrology"}, "no model family 'astrology': there are rate_table"),
        ({"params": {"depth": 3}}, "no parameter 'depth': there are seed, learning_rate"),
        ({"params": {"max_iter": 0}}, "max_iter: 0 is below 1, the least there may be"),
    ],
    ids=["family", "unknown parameter", "value out of range"],
)
def test_a_wrong_candidate_is_refused_in_one_line(
    trained: Trained, dataset: Handover, change: dict[str, object], says: str
) -> None:
    document = trained.project.document()
    document["candidates"]["boosting"].update(change)
    wrong = dataclasses.replace(trained, project=type(trained.project).model_validate(document))
    result = wrong.train(dataset, "boosting")
    assert result.error is not None
    assert result.error.kind == "config"
    assert says in result.error.message
    assert "\n" not in result.error.message


def test_a_changed_dataset_part_is_refused(trained: Trained, dataset: Handover) -> None:
    folder = f"datasets/{trained.project.name}/{dataset.values['digest']}"
    trained.artifacts.put(f"{folder}/train-000.parquet", b"PAR1 not what it was PAR1")
    result = trained.train(dataset, "table")
    assert result.error is not None
    assert result.error.kind == "integrity"


def test_mlflow_away_is_worth_a_retry(trained: Trained, dataset: Handover) -> None:
    away = dataclasses.replace(trained, mlflow_url="http://127.0.0.1:9")
    result = away.train(dataset, "table")
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("unavailable", True)


def test_a_handle_reads_the_same_rows_whole_and_in_parts(
    trained: Trained, dataset: Handover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "PART_ROWS", 1000)
    manifest = training_data.read_manifest(trained.artifacts, dataset.outputs["manifest"])
    columns = [*trained.project.inputs.all, "label"]
    examples = training_data.SplitExamples(
        trained.artifacts, manifest, ("train",), columns, "classification", tmp_path
    )
    whole, parts = examples.whole(), list(examples.parts())
    assert len(parts) > 3
    assert all(part.count <= 1000 for part in parts)
    assert examples.count == whole.count == sum(part.count for part in parts)
    joined = pd.concat([part.frame.astype(object) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(joined, whole.frame.astype(object))
    assert np.array_equal(np.concatenate([part.labels for part in parts]), whole.labels)


def test_a_row_weighs_the_same_in_its_part_as_among_all(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "PART_ROWS", 1000)
    frame = flights()
    later = frame["event_time"] > pd.Timestamp("2013-01-08", tz="UTC")
    dataset = trained.snapshot(frame.assign(_weight=np.where(later, 5.0, 1.0)), JANUARY)
    manifest = training_data.read_manifest(trained.artifacts, dataset.outputs["manifest"])
    examples = training_data.SplitExamples(
        trained.artifacts, manifest, ("train",), ["label", "_weight"], "classification", tmp_path
    )
    whole = examples.whole().weights
    assert whole is not None
    parts = [part.weights for part in examples.parts()]
    assert len(parts) > 3
    np.testing.assert_allclose(np.concatenate(parts), whole)  # type: ignore[arg-type]
    assert whole.mean() == pytest.approx(1.0)


def test_an_attempt_that_was_replaced_stops_training(
    trained: Trained, dataset: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_run, "LOOK_SECONDS", 0.0)
    document = trained.project.document()
    document["candidates"]["network"]["params"]["epochs"] = 200
    trained.project = type(trained.project).model_validate(document)
    rounds: list[int] = []
    told = FitRun.__call__

    def and_then_replaced(log: FitRun, done: int, of: int, losses: dict[str, float]) -> bool:
        rounds.append(done)
        if done == 2:  # as a retry does while this one was taken for dead
            with Warehouse(trained.settings()).transaction() as cursor:
                attempts.open_attempt(cursor, trained.request("train", "replaced"), trained.project.name)
        return told(log, done, of, losses)

    monkeypatch.setattr(FitRun, "__call__", and_then_replaced)
    result = trained.train(dataset, "network", work="replaced")
    assert result.error is not None
    assert result.error.kind == "superseded"
    assert rounds == [1, 2]
