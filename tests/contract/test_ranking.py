"""A ranking from delivery to what was served: lists learnt, compared, crowned, scored, watched."""

import numpy as np
import pytest

from mlcycle.contract import Handover, Result, Status
from mlcycle.domain.listed import ListedLabels
from mlcycle.domain.metrics import METRICS
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import raw_data, searches
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.snapshots import Trained, output_json

LEARNT, SERVED = 24, 27  # January's days that are there for training, and those that are served later


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, searches.project(), mlflow_url)


def deliver(trained: Trained, first: int, last: int) -> None:
    for table, at in (("offers", 0), ("likes", 1)):
        ingest = Ingest(trained.platform, trained.project, table)
        for number in range(first, last + 1):
            ingest.deliver(key(number), searches.day(number)[at])
        done = ingest.run(key(first), key(last))
        assert done["publish"].status is Status.OK, done["publish"].message


def key(number: int) -> str:
    return f"2013-01-{number:02}"


def run(trained: Trained, step: str, first: str, last: str = "", project: Project | None = None) -> Result:
    asked = raw_data.request(step, project or trained.project, first, last)
    return run_step(asked, trained.settings("train"))


def evaluated(trained: Trained, dataset: Handover) -> Result:
    entries = [trained.ok(trained.train(dataset, name)).handover for name in searches.CANDIDATES]
    return trained.ok(trained.step("evaluate", inputs={"dataset": [dataset], "train": entries}))


def test_lists_go_from_delivery_to_what_was_served(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    found = evaluated(trained, dataset)
    assert found.metrics["trees_ndcg_at_10"] > found.metrics["by_item_ndcg_at_10"] + 0.05
    assert found.metrics["by_item_ndcg_at_10"] > found.metrics["zero_rule_ndcg_at_10"] + 0.02
    assert found.metrics["line_ndcg_at_10"] > found.metrics["by_item_ndcg_at_10"] + 0.05
    document = output_json(trained.artifacts, found.outputs["evaluation"])
    figures = document["parts"]["figures"]["found"]
    assert {"ndcg_at_3", "ndcg_at_10", "map_at_3", "recall_at_3", "mrr_at_20", "lists"} <= set(figures)
    ndcg = figures["ndcg_at_10"]
    assert ndcg["low"] < ndcg["value"] < ndcg["high"] < ndcg["low"] + 0.2
    assert figures["lists"]["value"] + figures["lists_without_relevant"]["value"] == 10 * searches.SEARCHES
    assert figures["lists_without_relevant"]["value"] > 0
    others = document["parts"]["baselines"]["found"]["others"]
    zero, random = (others[name]["metrics"]["ndcg_at_10"] for name in ("zero_rule", "random"))
    assert abs(zero - random) < 0.05  # one score for all rows is a random order on average
    status = {name: part["status"] for name, part in document["parts"].items()}
    assert {name for name, each in status.items() if each == "does not apply"} == {
        *("threshold", "calibration", "abstention", "residuals", "errors", "fairness", "behaviour"),
        *("dependence", "morris", "shapley", "quantiles"),
    }
    assert {name for name, each in status.items() if each == "done"} == {
        *("figures", "baselines", "slices", "cost", "coverage", "importance"),
    }
    importance = document["parts"]["importance"]["found"]["columns"]
    assert max(importance, key=lambda name: importance[name]["mean"]) == "match"

    best = found.values["best"]["candidate"]
    trained.ok(trained.step("register", inputs={"evaluate": [found.handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.values["reasons"]
    refit = trained.step("refit", inputs={"compare": [compared.handover]}, params={"candidate": best})
    assert "trained again on all" in trained.ok(refit).message
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
        """select p.prediction, l.label, substr(p.entity_key, 2, 5) from serving.prediction p
           join serving.label l using (project, entity_key, event_time) where project = %s"""
    )
    assert len(rows) == (SERVED - LEARNT - 1) * searches.SEARCHES * searches.SHOWN
    said, grades = (np.array([float(row[at]) for row in rows]) for at in (0, 1))
    lists = np.unique([row[2] for row in rows], return_inverse=True)[1].astype(np.int64)
    labels = ListedLabels(grades, lists)
    served = METRICS["ndcg_at_10"](labels, said, None)
    assert isinstance(served, float)
    assert served > METRICS["ndcg_at_10"](labels, np.zeros(len(said)), None) + 0.1  # type: ignore[operator]

    watched = trained.ok(run(trained, "monitor", last))
    assert watched.status is Status.OK


def test_a_row_of_no_list_is_one_line(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    offers, _ = searches.day(5)
    ingest = Ingest(trained.platform, trained.project, "offers")
    ingest.deliver(key(5), offers.replace(b"s05-03,", b","))
    assert ingest.run(key(5), key(5))["publish"].status is Status.OK
    refused = run(trained, "dataset", key(LEARNT))
    assert refused.error is not None
    assert refused.error.kind == "input"
    assert "8 of" in refused.error.message
    assert "have no value of label.group 'search'" in refused.error.message
    assert "\n" not in refused.error.message
