"""Evaluation on the holdout and registration of the best candidate."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mlcycle.adapters import energy
from mlcycle.adapters.tracking.model_files import manifest_digest
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Handover
from mlcycle.domain.evaluation.document import parse
from mlcycle.domain.metrics import log_loss
from mlcycle.errors import IntegrityError
from mlcycle.ledger import champion as champions
from mlcycle.project import Project
from tests.conftest import Platform
from tests.snapshots import FEBRUARY, JANUARY, Trained, flights, flights_project

CANDIDATES = ("table", "boosting", "network")


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, flights_project(), mlflow_url)


@pytest.fixture
def dataset(trained: Trained) -> Handover:
    return trained.snapshot(flights(), JANUARY)


def test_the_best_on_validation_is_registered_with_its_numbers(trained: Trained, dataset: Handover) -> None:
    trains = [trained.ok(trained.train(dataset, name)).handover for name in CANDIDATES]
    evaluated = trained.ok(trained.evaluate(dataset, trains))
    losses = {name: evaluated.metrics[f"{name}_log_loss"] for name in CANDIDATES}
    chosen_by = {name: evaluated.metrics[f"{name}_validation_log_loss"] for name in CANDIDATES}
    best = min(chosen_by, key=chosen_by.__getitem__)
    assert evaluated.values["best"]["candidate"] == best

    # The zero rule is the training mean for every row: recomputed from the flights themselves.
    rows = flights()
    labels = {
        split: rows.loc[
            (rows.event_time >= f"{start}T00:00Z") & (rows.event_time < f"{end}T00:00Z"), "label"
        ].to_numpy()
        for split, (start, end) in JANUARY.items()
    }
    holdout = labels["holdout"]
    expected = log_loss(holdout, np.full(len(holdout), labels["train"].mean()))
    assert evaluated.metrics["zero_rule_log_loss"] == pytest.approx(expected)
    assert evaluated.metrics["zero_rule_roc_auc"] == 0.5
    assert evaluated.values["rows"] == len(holdout)
    assert losses["boosting"] < expected

    value = trained.project.value  # nothing reaches the threshold under the zero rule
    assert labels["train"].mean() < value.threshold
    always = value.true_positive * holdout.sum() + value.false_positive * (1 - holdout).sum()
    assert evaluated.metrics["zero_rule_value_over_never"] == 0
    assert evaluated.metrics["zero_rule_value_over_always"] == value.false_negative * holdout.sum() - always
    assert evaluated.metrics["table_value_over_heuristic"] == 0
    assert evaluated.metrics["boosting_value_over_never"] > 0
    assert not any("business_value" in name for name in evaluated.metrics)

    recorded = dict(
        trained.rows("select candidate, metrics from ledger.evaluation where project = %s")  # type: ignore[arg-type]
    )
    assert set(recorded) == set(CANDIDATES)
    assert {part["name"] for part in recorded["table"]["slices"]} == {
        "origin=EWR",
        "origin=JFK",
        "origin=LGA",
    }
    assert trained.rows("select candidate from ledger.evaluation where project = %s and best") == [(best,)]

    client = Tracking(trained.settings(), trained.project.name).client
    for entry in trains:
        run = client.get_run(str(entry.values["run_id"]))
        assert run.data.metrics["holdout_log_loss"] == losses[str(entry.values["candidate"])]
        assert {name for name in run.data.metrics if "value" in name} == {
            *("holdout_value_over_never", "holdout_value_over_always", "holdout_value_over_heuristic")
        }
        assert "plots/holdout_comparison.png" in {
            file.path for file in client.list_artifacts(run.info.run_id, "plots")
        }

    page = trained.artifacts.read(evaluated.links["evaluation"]).decode()
    assert evaluated.links["evaluation"].startswith("reports/")
    assert best in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched from anywhere

    document = parse(trained.artifacts.get(evaluated.outputs["evaluation"]))
    assert (document.candidate, document.rows) == (best, len(holdout))
    figures = document.found("figures")
    assert figures["log_loss"]["value"] == losses[best]
    assert figures["log_loss"]["low"] < losses[best] < figures["log_loss"]["high"]
    others = document.found("baselines")["others"]
    assert set(others) == {"random", "zero_rule", "heuristic"}  # the table is not the best
    assert others["zero_rule"]["metrics"]["log_loss"] == pytest.approx(expected)
    statuses = {part.status for name, part in document.parts.items()}
    assert statuses == {"done", "does not apply", "left out"}
    assert {name for name, part in document.parts.items() if part.status == "left out"} == {"learning_curve"}
    assert document.found("cost")["fit_seconds"] > 0

    for entry in trains:  # every candidate has its document, the best one its page and card
        kept = {f.path for f in client.list_artifacts(str(entry.values["run_id"]), "evaluation")}
        assert "evaluation/evaluation.json" in kept
        whole = {"evaluation/page.html", "evaluation/model_card.md"} <= kept
        assert whole == (entry.values["candidate"] == best)
    page = trained.artifacts.read(evaluated.links["model"]).decode()
    assert "Partial dependence" in page
    assert "http" not in page

    registered = trained.ok(trained.step("register", inputs={"evaluate": [evaluated.handover]}))
    version = client.get_model_version(trained.project.name, str(registered.values["version"]))
    assert version.run_id == evaluated.values["best"]["run_id"]
    ((metrics, manifest),) = trained.rows(
        "select metrics, manifest from ledger.model_version where project = %s"
    )
    assert metrics["log_loss"] == losses[best]
    assert manifest == evaluated.values["best"]["manifest"]


def test_a_gate_limits_any_figure_of_the_evaluation(trained: Trained, dataset: Handover) -> None:
    trained.register(dataset, "table", "boosting")
    limits = [
        {"path": "figures.roc_auc", "at_least": 0.5},
        {"path": "figures.recall", "at_least": 0.999},
        {"path": "slices.nowhere", "at_most": 1},
    ]
    document = trained.project.document()
    document["gate"] = {**document["gate"], "guardrails": {"figures": limits}}
    trained.project = Project.model_validate(document)
    compared = trained.ok(trained.step("compare"))
    ((statistics,),) = trained.rows("select statistics from ledger.comparison where project = %s")
    found = {name: each["passed"] for name, each in statistics["guardrails"].items()}
    assert found == {
        "figure figures.roc_auc": True,
        "figure figures.recall": False,
        "figure slices.nowhere": False,
    }
    assert compared.values["verdict"] == "refuse"
    assert any("figure figures.recall" in str(reason) for reason in compared.values["reasons"])  # type: ignore[union-attr]


def test_what_people_said_stands_beside_the_candidates(
    platform: Platform, mlflow_url: str, tmp_path: Path
) -> None:
    document = flights_project().document()
    entity = document["source"]["tables"][document["entity"]["table"]]
    entity["columns"]["desk"] = "double"
    document["evaluation"]["human"] = "desk"
    trained = Trained(platform, Project.model_validate(document), mlflow_url)
    rows = flights()
    # The desk knows two of three flights, and calls every one late that leaves after 17:00.
    rows["desk"] = np.where(np.arange(len(rows)) % 3 == 0, np.nan, (rows["sched_hour"] >= 17).astype(float))
    dataset = trained.snapshot(rows, JANUARY)
    trained.register(dataset, "table", "boosting")
    run_id = trained.rows("select run_id from ledger.model_version where project = %s")[0][0]
    tracking = Tracking(trained.settings(), trained.project.name)
    folder = Path(tracking.client.download_artifacts(str(run_id), "evaluation", str(tmp_path)))
    told = parse((folder / "evaluation.json").read_bytes()).found("baselines")["others"]["human"]

    start, end = JANUARY["holdout"]
    judged = rows[(rows.event_time >= f"{start}T00:00Z") & (rows.event_time < f"{end}T00:00Z")]
    answered = judged.dropna(subset="desk")
    assert told["rows"] == len(answered) < len(judged)
    expected = log_loss(answered["label"].to_numpy(), answered["desk"].to_numpy())
    assert told["metrics"]["log_loss"] == pytest.approx(expected)
    assert told["gain"]["value"] == pytest.approx(expected - told["model"]["log_loss"])
    page = (folder / "page.html").read_text()
    assert f"people (desk), on {len(answered):,} of {len(judged):,} rows" in page


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "no counter"])
def test_the_energy_of_a_fit_is_told_or_why_not(
    trained: Trained, dataset: Handover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    root = tmp_path / "powercap"
    monkeypatch.setattr(energy, "POWERCAP", root)
    if counted:  # a package that draws nothing
        (root / "intel-rapl:0").mkdir(parents=True)
        for name, text in (
            ("name", "package-0"),
            ("max_energy_range_uj", "262143328850"),
            ("energy_uj", "7"),
        ):
            (root / "intel-rapl:0" / name).write_text(text)
    trained.register(dataset, "table")
    run_id = str(trained.rows("select run_id from ledger.model_version where project = %s")[0][0])
    tracking = Tracking(trained.settings(), trained.project.name)
    folder = Path(tracking.client.download_artifacts(run_id, "evaluation", str(tmp_path)))
    found = parse((folder / "evaluation.json").read_bytes()).found("cost")["fit_joules"]
    logged = tracking.client.get_run(run_id).data
    if counted:
        assert found == logged.metrics["fit_joules"] == 0
        return
    why = f"not readable here: the system has no {root}"
    assert found == {"value": None, "low": None, "high": None, "why": why}
    assert logged.tags["mlcycle.energy"] == why
    assert why in (folder / "page.html").read_text()
    assert "fit joules: not readable here" in (folder / "model_card.md").read_text()


def test_the_champion_stands_beside_the_next_candidates(trained: Trained, dataset: Handover) -> None:
    trained.register(dataset, "table", "boosting")
    with Warehouse(trained.settings("promote")).transaction() as cursor:  # past the gate
        champions.crown(
            *(cursor, trained.project.name, 1),
            expected_seq=0,
            action="promote",
            actor="test",
            reason="test",
        )
    later = trained.snapshot(flights(), FEBRUARY)
    entry = trained.ok(trained.train(later, "boosting")).handover
    evaluated = trained.ok(trained.evaluate(later, [entry]))
    document = parse(trained.artifacts.get(evaluated.outputs["evaluation"]))
    champion = document.found("baselines")["others"]["champion"]
    assert champion["name"] == "champion version 1"
    assert champion["gain"]["value"] != 0
    # Again on the rows that the champion was judged on: that is said.
    again = trained.ok(trained.evaluate(dataset, [trained.ok(trained.train(dataset, "boosting")).handover]))
    document = parse(trained.artifacts.get(again.outputs["evaluation"]))
    others = document.found("baselines")["others"]
    assert others["champion"]["name"] == (
        "champion version 1, which was trained or chosen on some of these rows"
    )


def test_registering_the_same_run_again_is_the_same_version(trained: Trained, dataset: Handover) -> None:
    entry = trained.ok(trained.train(dataset, "table")).handover
    evaluated = trained.ok(trained.evaluate(dataset, [entry]))
    first, again = (
        trained.ok(trained.step("register", inputs={"evaluate": [evaluated.handover]})) for _ in range(2)
    )
    assert first.values == again.values
    assert trained.rows("select count(*) from ledger.model_version where project = %s") == [(1,)]
    client = Tracking(trained.settings(), trained.project.name).client
    assert len(client.search_model_versions(f"name = '{trained.project.name}'")) == 1


def test_the_same_model_trained_again_is_the_same_version(trained: Trained, dataset: Handover) -> None:
    candidate = "boosting"
    first = trained.register(dataset, candidate)
    again = trained.register(dataset, candidate)
    assert (first.values["version"], again.values) == (1, first.values)
    assert again.message.startswith("version 1 again: ")
    assert trained.rows("select count(*) from ledger.model_version where project = %s") == [(1,)]
    client = Tracking(trained.settings(), trained.project.name).client
    assert len(client.search_model_versions(f"name = '{trained.project.name}'")) == 1
    other = trained.register(trained.snapshot(flights(), JANUARY), candidate)  # another digest
    assert other.values["version"] == 2
    assert trained.register(dataset, candidate).values["version"] == 3  # the newest is another one's


def test_evaluating_again_answers_the_same(trained: Trained, dataset: Handover) -> None:
    entry = trained.ok(trained.train(dataset, "table")).handover
    first = trained.ok(trained.evaluate(dataset, [entry], "once"))
    trained.platform.owner().query("update ledger.attempt set state = 'running', result = null")
    again = trained.ok(trained.evaluate(dataset, [entry], "once"))
    assert again.replayed
    assert (again.values, again.metrics, again.links) == (first.values, first.metrics, first.links)


def test_a_holdout_of_one_class_is_refused(trained: Trained) -> None:
    rows = flights().copy()
    rows.loc[rows.event_time >= "2013-01-20T00:00Z", "label"] = 0.0
    trained.project = flights_project(
        trained.project.name,
    ).model_copy(update={"evaluation": trained.project.evaluation.model_copy(update={"metric": "roc_auc"})})
    dataset = trained.snapshot(rows, JANUARY)
    entry = trained.ok(trained.train(dataset, "table")).handover
    result = trained.evaluate(dataset, [entry])
    assert result.error is not None
    assert "hold one class only" in result.error.message


def test_a_candidate_that_was_not_trained_is_named(trained: Trained, dataset: Handover) -> None:
    entries = [trained.ok(trained.train(dataset, name)).handover for name in ("table", "boosting")]
    result = trained.step("evaluate", inputs={"dataset": [dataset], "train": entries})
    assert result.error is not None
    assert result.error.kind == "input"
    assert "candidate 'network' of the project was not trained in this run" in result.message
    assert trained.rows("select count(*) from ledger.evaluation where project = %s") == [(0,)]


@pytest.mark.parametrize("fault", ["truncated", "swapped", "missing", "traversal", "absolute", "more"])
def test_a_model_that_is_not_what_was_published_is_refused_before_it_is_opened(
    trained: Trained, dataset: Handover, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fault is in what MLflow answers: its own files are changed, or the manifest leads elsewhere."""
    entry = trained.ok(trained.train(dataset, "network")).handover
    manifest = dict(entry.values["manifest"])  # type: ignore[arg-type]
    uri = str(entry.values["model_uri"])
    name = "data/model/model.onnx"
    client = Tracking(trained.settings(), trained.project.name).client
    if fault in ("truncated", "swapped"):
        folder = fetch_model(trained.settings(), uri, manifest, tmp_path / "before")
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2] if fault == "truncated" else data[::-1])
        client.log_model_artifact(uri.removeprefix("models:/"), str(folder / name), "data/model")
    elif fault == "missing":
        manifest["data/model/never.bin"] = hashlib.sha256(b"").hexdigest()
    elif fault == "traversal":
        manifest["../../outside"] = hashlib.sha256(b"").hexdigest()
    elif fault == "absolute":
        manifest["/etc/passwd"] = hashlib.sha256(b"").hexdigest()
    elif fault == "more":
        manifest.clear()
    monkeypatch.setattr("mlcycle.models.load", lambda folder: pytest.fail("it was opened"))
    with pytest.raises(IntegrityError):
        fetch_model(trained.settings(), uri, manifest, tmp_path / "after")
    changed = entry.model_copy(
        update={
            "values": {
                **entry.values,
                "manifest": manifest,
                "manifest_digest": manifest_digest(manifest),
            }
        }
    )
    result = trained.evaluate(dataset, [changed])
    assert result.error is not None
    assert result.error.kind == "integrity"
    assert not list(tmp_path.glob("**/outside"))
