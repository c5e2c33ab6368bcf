"""Folds of the training rows in the train step, and ensembles through training, refit and loading."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Handover
from mlcycle.domain.metrics import log_loss
from mlcycle.models.boosting import Boosting
from tests.conftest import Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project

STACK = {
    "family": "stacking",
    "params": {
        "members": {
            "line": {"family": "linear"},
            "trees": {
                "family": "hist_gradient_boosting",
                "params": {"max_iter": 60, "learning_rate": 0.3, "early_stopping": True, "patience": 3},
            },
        }
    },
}


TREES = {"max_iter": 60, "max_leaf_nodes": 15, "min_samples_leaf": 100, "early_stopping": True, "patience": 3}
BAGS = {
    "family": "bagging",
    "params": {"member": {"family": "hist_gradient_boosting", "params": TREES}, "bags": 2},
}


def changed(platform: Platform, mlflow_url: str, **folds: Any) -> Trained:
    document = flights_project().document()
    document["gate"] |= {"min_rows": 1000, "confidence": 0.51}
    document["candidates"] |= {"stack": STACK, "bags": BAGS}
    if folds:
        document["split"]["cross_validation"] = folds
    return Trained(platform, type(flights_project()).model_validate(document), mlflow_url)


def test_the_spread_over_folds_stands_beside_the_figure_of_validation(
    platform: Platform, mlflow_url: str, tmp_path: Path
) -> None:
    trained = changed(platform, mlflow_url, policy="purged", folds=3, embargo="1 day")
    result = trained.ok(trained.train(trained.snapshot(flights(), JANUARY), "boosting"))
    tracking = Tracking(trained.settings(), trained.project.name)
    run_id = str(result.values["run_id"])
    by_fold = [entry.value for entry in tracking.client.get_metric_history(run_id, "cv_log_loss")]
    assert len(by_fold) == 3
    assert result.metrics["cv_log_loss_mean"] == pytest.approx(np.mean(by_fold))
    assert result.metrics["cv_log_loss_sd"] == pytest.approx(np.std(by_fold, ddof=1))
    assert tracking.client.get_run(run_id).data.metrics["cv_roc_auc_mean"] == pytest.approx(
        result.metrics["cv_roc_auc_mean"]
    )
    assert f"{result.metrics['cv_log_loss_mean']:.4f} over folds" in result.message

    folder = tracking.client.download_artifacts(run_id, "cross_validation", str(tmp_path))
    said = pd.read_parquet(Path(folder) / "out_of_fold.parquet")
    rows = flights()[flights().event_time.between("2013-01-01T00Z", "2013-01-15T00Z", inclusive="left")]
    assert said["row"].tolist() == list(range(len(rows)))
    assert said["label"].tolist() == rows["label"].tolist()
    document = json.loads((Path(folder) / "folds.json").read_text())
    assert document == result.values["cross_validation"]
    assert [fold["rows"] for fold in document["folds"]] == said.groupby("fold").size().tolist()
    for fold, rows_of in zip(document["folds"], said.groupby("fold"), strict=True):
        found = log_loss(rows_of[1]["label"].to_numpy(), rows_of[1]["prediction"].to_numpy())
        assert found == pytest.approx(fold["metrics"]["log_loss"])
    # The label of a flight is known a day after its own day has ended; a day more by the embargo.
    gaps = [len(rows) - fold["train_rows"] - fold["rows"] for fold in document["folds"]]
    assert all(gap > 1400 for gap in gaps)


def test_a_retry_goes_on_with_the_folds_that_are_left(
    platform: Platform, mlflow_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = changed(platform, mlflow_url, policy="group", group="dest", folds=4)
    dataset = trained.snapshot(flights(), JANUARY)
    counts: list[int] = []
    told = Boosting.fit.__func__  # type: ignore[attr-defined]

    def failing(cls: Any, job: Any, *args: Any) -> Any:
        counts.append(job.train.count)
        if len(counts) == 4:
            raise OSError("the disk went away")
        return told(cls, job, *args)

    monkeypatch.setattr(Boosting, "fit", classmethod(failing))
    assert trained.train(dataset, "boosting", work="folds").exit_code != 0
    done = trained.ok(trained.train(dataset, "boosting", work="folds"))
    first, again = counts[:4], counts[4:]
    assert len(first) == 4  # the fit, and three folds of which the last failed
    assert len(again) == 3  # the fit, the fold that failed, and the last one
    assert again[1] == first[3]
    assert len(done.values["cross_validation"]["folds"]) == 4  # type: ignore[index,call-overload,arg-type]


def test_rows_that_cannot_be_dealt_out_are_refused_in_one_line(platform: Platform, mlflow_url: str) -> None:
    trained = changed(platform, mlflow_url, policy="leave_one_group_out", group="dest")
    frame = flights().assign(dest=[f"D{i % 150}" for i in range(len(flights()))])
    result = trained.train(trained.snapshot(frame, JANUARY), "table")
    assert result.error is not None
    assert result.error.kind == "input"
    assert "would train 150 times" in result.error.message
    assert "\n" not in result.error.message


def test_an_ensemble_is_logged_and_mlflow_loads_it(platform: Platform, mlflow_url: str) -> None:
    import mlflow

    trained = changed(platform, mlflow_url)
    dataset: Handover = trained.snapshot(flights(), JANUARY)
    result = trained.ok(trained.train(dataset, "stack"))
    assert {path.split("/")[3] for path in result.values["manifest"] if "members/" in path} == {  # type: ignore[union-attr]
        "line",
        "trees",
        "final",
    }
    Tracking(trained.settings(), trained.project.name).client  # noqa: B018 - points mlflow at the server
    model = mlflow.pyfunc.load_model(str(result.values["model_uri"]))
    said = np.asarray(model.predict(flights().head(50)[trained.project.inputs.all]))
    assert ((said > 0) & (said < 1)).all()


def test_a_refit_trains_every_member_as_long_as_it_was(platform: Platform, mlflow_url: str) -> None:
    import mlflow

    trained = changed(platform, mlflow_url)
    dataset = trained.snapshot(flights(), JANUARY)
    trained.register(dataset, "bags")
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.message
    inputs = {"compare": [compared.handover]}
    done = trained.ok(trained.step("refit", inputs=inputs, params={"candidate": "bags"}))
    assert done.values["judged"] == 1, done.message
    promoted = trained.ok(trained.step("promote", "promote", inputs={**inputs, "refit": [done.handover]}))
    assert promoted.values == {"seq": 1, "version": 2}
    client = Tracking(trained.settings(), trained.project.name).client
    rounds = []
    for version in (1, 2):
        uri = client.get_model_version(trained.project.name, str(version)).source
        card = _card(mlflow.artifacts.download_artifacts(uri))
        rounds.append(card["member_rounds"])
    assert set(rounds[0]) == {"bag_0", "bag_1"}
    assert 0 < min(rounds[0].values()) < 60
    assert rounds[1] == rounds[0]


def _card(folder: str) -> dict[str, Any]:
    (found,) = [path for path in Path(folder).rglob("model.json") if "members" not in path.parts]
    return dict(json.load(io.StringIO(found.read_text())))
