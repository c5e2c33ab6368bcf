"""A text column from delivery to what was served: learnt from its words, scored after a reload, watched."""

import numpy as np
import pytest

from mlcycle.contract import Result, Status
from mlcycle.domain.metrics import roc_auc
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import raw_data, remarks
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.remarks import key
from tests.snapshots import Trained, output_json

LEARNT, SERVED = 37, 39
#: Every monitor that compares inputs or asks the model, which must cope with a column of texts.
WATCHED = ("margin_density", "novelty", "mmd", "lsdd", "hellinger", "cramer_von_mises", "dependence", "gaps")


def project() -> Project:
    return remarks.project({name: {} for name in WATCHED})


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, project(), mlflow_url)


def deliver(trained: Trained, first: int, last: int) -> None:
    for table, at in (("parcels", 0), ("fates", 1)):
        ingest = Ingest(trained.platform, trained.project, table)
        for number in range(first, last + 1):
            ingest.deliver(key(number), remarks.day(number)[at])
        done = ingest.run(key(first), key(last))
        assert done["publish"].status is Status.OK, done["publish"].message


def run(trained: Trained, step: str, first: str, last: str = "") -> Result:
    return run_step(raw_data.request(step, trained.project, first, last), trained.settings("train"))


def test_a_project_learns_from_words_scores_by_them_and_is_watched(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    fits = {name: trained.ok(trained.train(dataset, name)) for name in remarks.CANDIDATES}
    found = trained.ok(
        trained.step(
            "evaluate", inputs={"dataset": [dataset], "train": [each.handover for each in fits.values()]}
        )
    )
    assert found.metrics["by_shop_roc_auc"] < 0.6
    for name in ("line", "boosting", "network"):
        assert found.metrics[f"{name}_roc_auc"] > 0.75, name
    document = output_json(trained.artifacts, found.outputs["evaluation"])
    parts = document["parts"]
    told = {name: part["status"] for name, part in parts.items() if part["status"] != "does not apply"}
    assert {name for name, status in told.items() if status != "done"} == {"learning_curve"}  # not asked for
    importance = parts["importance"]["found"]["columns"]
    assert next(iter(importance)) == "remark"
    assert parts["coverage"]["found"]["inputs"]["remark"]["never_seen"] is None
    assert parts["shapley"]["status"] == "done"

    trained.ok(trained.step("register", inputs={"evaluate": [found.handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.values["reasons"]
    trained.ok(trained.step("promote", "promote", inputs={"compare": [compared.handover]}))

    deliver(trained, LEARNT + 1, SERVED)
    first, last = key(LEARNT + 1), key(SERVED)
    assert "predicted by version" in trained.ok(run(trained, "score", first, last)).message
    trained.ok(run(trained, "labels", first, last))
    rows = trained.rows(
        """select p.prediction, l.label from serving.prediction p
           join serving.label l using (project, entity_key, event_time) where project = %s"""
    )
    said, labels = np.array(rows).T
    assert roc_auc(labels, said) > 0.7
    trained.ok(run(trained, "monitor", last))
    measured = trained.rows(
        "select monitor, subject, status, message from ledger.monitor_result where project = %s"
    )
    assert {status for _, _, status, _ in measured} == {"ok"}, measured
    assert set(WATCHED) < {monitor for monitor, *_ in measured}
    assert {monitor for monitor, subject, *_ in measured if subject == "remark"} == {"missing"}
    assert any("all give the served answer" in message for _, _, _, message in measured)
    (page,) = trained.platform.folder.rglob("drift/*.html")
    assert "Texts are not compared, only how many are missing: remark." in page.read_text()
    signatures = [path.read_text() for path in (trained.platform.folder / "artifacts").rglob("MLmodel")]
    assert signatures
    assert all('"name": "remark"' in " ".join(each.split()) for each in signatures)
