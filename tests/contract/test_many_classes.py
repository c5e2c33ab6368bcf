"""Many classes from delivery to what was served: a label of text, learnt, compared, crowned, scored, watched."""

import numpy as np
import pytest

from mlcycle.contract import Handover, Result, Status
from mlcycle.domain.metrics import accuracy, log_loss
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import many_classes, raw_data
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.many_classes import FATES
from tests.snapshots import Trained, output_json

LEARNT, SERVED = 24, 27  # January's days that are there for training, and those that are served later


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, many_classes.project(), mlflow_url)


def deliver(trained: Trained, first: int, last: int) -> None:
    for table, at in (("parcels", 0), ("fates", 1)):
        ingest = Ingest(trained.platform, trained.project, table)
        for number in range(first, last + 1):
            ingest.deliver(key(number), many_classes.day(number)[at])
        done = ingest.run(key(first), key(last))
        assert done["publish"].status is Status.OK, done["publish"].message


def key(number: int) -> str:
    return f"2013-01-{number:02}"


def run(trained: Trained, step: str, first: str, last: str = "", project: Project | None = None) -> Result:
    asked = raw_data.request(step, project or trained.project, first, last)
    return run_step(asked, trained.settings("train"))


def evaluated(trained: Trained, dataset: Handover) -> Result:
    entries = [trained.ok(trained.train(dataset, name)).handover for name in many_classes.CANDIDATES]
    return trained.ok(trained.step("evaluate", inputs={"dataset": [dataset], "train": entries}))


def test_a_fate_of_many_goes_from_delivery_to_what_was_served(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    found = evaluated(trained, dataset)
    assert found.metrics["boosting_log_loss"] < found.metrics["by_shop_log_loss"]
    assert found.metrics["by_shop_log_loss"] < found.metrics["zero_rule_log_loss"]
    assert found.metrics["line_value_over_commonest"] > 0
    document = output_json(trained.artifacts, found.outputs["evaluation"])
    figures = document["parts"]["figures"]["found"]
    assert set(figures) == {"log_loss", "accuracy", "macro_f1", "macro_roc_auc"}
    assert figures["macro_f1"]["low"] < figures["macro_f1"]["value"] < figures["macro_f1"]["high"]
    status = {name: part["status"] for name, part in document["parts"].items()}
    assert {name for name, each in status.items() if each == "does not apply"} == {
        *("threshold", "calibration", "abstention", "residuals", "errors", "fairness", "behaviour"),
        *("dependence", "morris", "shapley", "quantiles"),
    }
    assert {name for name, each in status.items() if each == "done"} == {
        *("figures", "baselines", "slices", "cost", "coverage", "importance"),
    }

    best = found.values["best"]["candidate"]
    trained.ok(trained.step("register", inputs={"evaluate": [found.handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.values["reasons"]
    refit = trained.step("refit", inputs={"compare": [compared.handover]}, params={"candidate": best})
    assert "trained again on all 3150 rows" in trained.ok(refit).message
    trained.ok(trained.step("promote", "promote", inputs={"compare": [compared.handover]}))

    deliver(trained, LEARNT + 1, SERVED)
    first, last = key(LEARNT + 1), key(SERVED)
    assert "predicted by version" in trained.ok(run(trained, "score", first, last)).message
    again = trained.ok(
        run_step(
            raw_data.request("score", trained.project, first, last, work="again"), trained.settings("train")
        )
    )
    assert "unchanged" in again.message
    trained.ok(run(trained, "labels", first, last))
    rows = trained.rows(
        """select p.prediction, p.class, p.probabilities, l.label from serving.prediction p
           join serving.label l using (project, entity_key, event_time) where project = %s"""
    )
    assert len(rows) == (SERVED - LEARNT - 1) * many_classes.DAILY  # the last day's are not known yet
    said = np.array([row[2] for row in rows])
    labels = np.array([row[3] for row in rows])
    assert np.allclose(said.sum(axis=1), 1, atol=1e-9)
    assert [row[0] for row in rows] == said.max(axis=1).tolist()
    assert [row[1] for row in rows] == [FATES[at] for at in said.argmax(axis=1)]
    shares = np.tile(np.bincount(labels.astype(int)) / len(labels), (len(labels), 1))
    assert log_loss(labels, said) < log_loss(labels, shares)  # the zero rule with hindsight
    assert accuracy(labels, said) > accuracy(labels, shares)

    watched = trained.ok(run(trained, "monitor", last))
    assert watched.metrics["log_loss"] == pytest.approx(log_loss(labels, said))


def test_a_class_that_is_not_named_is_one_line(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    document = trained.project.document()
    document["label"]["classes"] = FATES[:3]
    narrow = Project.model_validate(document)
    for step in ("labels", "dataset"):
        refused = run(trained, step, key(LEARNT), project=narrow)
        assert refused.status is Status.FAILED
        assert refused.error is not None
        assert refused.error.kind == "input"
        assert "label.classes does not name: add it at the end of the list" in refused.error.message
        assert "\n" not in refused.error.message


def test_classes_in_another_order_are_refused_and_new_ones_at_the_end_are_not(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    trained.register(dataset, "by_shop", "boosting")
    trained.ok(trained.promote())
    document = trained.project.document()

    def scored(classes: list[str]) -> Result:
        document["label"]["classes"] = classes
        return run(trained, "score", key(LEARNT), project=Project.model_validate(document))

    refused = scored(FATES[::-1])
    assert refused.error is not None
    assert "write them in that order, and new ones at the end" in refused.error.message
    trained.ok(scored([*FATES, "is stolen"]))
    ((most,),) = trained.rows(
        "select max(cardinality(probabilities)) from serving.prediction where project = %s"
    )
    assert most == len(FATES)


def test_weighted_classes_are_learnt_and_nothing_is_measured_by_them(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    plain = trained.ok(trained.train(dataset, "by_shop"))
    document = {**trained.project.document(), "training": {"class_weight": "balanced", "weight": "weight"}}
    weighted = Trained(trained.platform, Project.model_validate(document), trained.mlflow_url)
    found = weighted.ok(weighted.train(dataset, "by_shop"))
    # The same rows, as they are: who learnt other shares says them worse.
    assert found.metrics["log_loss"] > plain.metrics["log_loss"] + 0.05
