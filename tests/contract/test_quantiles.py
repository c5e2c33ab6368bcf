"""Quantiles from delivery to what was served: learnt, shifted, compared, crowned, scored, watched."""

import numpy as np
import pytest

from mlcycle.contract import Handover, Result, Status
from mlcycle.domain.metrics import mae, pinball
from mlcycle.domain.quantiles import paired
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import quantile_project, raw_data
from tests.conftest import Platform
from tests.contract.ingest import Ingest
from tests.quantile_project import LEVELS
from tests.snapshots import Trained, output_json

LEARNT, SERVED = 28, 31  # January's days that are there for training, and those that are served later


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, quantile_project.project(), mlflow_url)


def deliver(trained: Trained, first: int, last: int) -> None:
    for table, at in (("parcels", 0), ("ways", 1)):
        ingest = Ingest(trained.platform, trained.project, table)
        for number in range(first, last + 1):
            ingest.deliver(key(number), quantile_project.day(number)[at])
        done = ingest.run(key(first), key(last))
        assert done["publish"].status is Status.OK, done["publish"].message


def key(number: int) -> str:
    return f"2013-01-{number:02}"


def run(
    trained: Trained, step: str, first: str, last: str = "", project: Project | None = None, **more: str
) -> Result:
    asked = raw_data.request(step, project or trained.project, first, last, **more)
    return run_step(asked, trained.settings("train"))


def evaluated(trained: Trained, dataset: Handover) -> Result:
    names = quantile_project.CANDIDATES
    entries = [trained.ok(trained.train(dataset, name)).handover for name in names]
    return trained.ok(trained.step("evaluate", inputs={"dataset": [dataset], "train": entries}))


def test_quantiles_go_from_delivery_to_what_was_served(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    found = evaluated(trained, dataset)
    assert found.metrics["by_shop_pinball"] < found.metrics["zero_rule_pinball"]
    assert found.metrics["boosting_interval_score"] < found.metrics["zero_rule_interval_score"]
    assert 0.7 < found.metrics["by_shop_coverage_80"] < 0.9
    document = output_json(trained.artifacts, found.outputs["evaluation"])
    figures = document["parts"]["figures"]["found"]
    assert {"rmse", "pinball", "pinball_10", "below_90", "coverage_80", "width_80"} <= set(figures)
    assert figures["pinball"]["low"] < figures["pinball"]["value"] < figures["pinball"]["high"]
    status = {name: part["status"] for name, part in document["parts"].items()}
    assert status["quantiles"] == "done"
    assert status["baselines"] == "done"
    assert "not measured" not in status.values()
    others = document["parts"]["baselines"]["found"]["others"]
    assert others["zero_rule"]["gain"]["low"] > 0
    assert others["random"]["metrics"]["pinball"] > figures["pinball"]["value"]
    (served,) = document["parts"]["quantiles"]["found"]["intervals"]
    assert served["coverage"]["value"] == figures["coverage_80"]["value"]

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
    assert "unchanged" in trained.ok(run(trained, "score", first, last, work="again")).message
    trained.ok(run(trained, "labels", first, last))
    rows = trained.rows(
        """select p.prediction, p.quantiles, p.levels, l.label from serving.prediction p
           join serving.label l using (project, entity_key, event_time) where project = %s"""
    )
    assert len(rows) == (SERVED - LEARNT - 1) * quantile_project.DAILY  # the last day's are not known yet
    values, labels = np.array([row[1] for row in rows]), np.array([row[3] for row in rows])
    assert all(row[2] == LEVELS for row in rows)
    assert [row[0] for row in rows] == values[:, 1].tolist()
    assert (np.diff(values, axis=1) >= 0).all()
    said = paired(LEVELS, values)
    hindsight = paired(LEVELS, np.tile(np.quantile(labels, LEVELS), (len(labels), 1)))
    assert pinball(labels, said) < pinball(labels, hindsight)
    assert 0.65 < ((values[:, 0] <= labels) & (labels <= values[:, 2])).mean() < 0.95

    watched = trained.ok(run(trained, "monitor", last))
    assert watched.metrics["pinball"] == pytest.approx(pinball(labels, said))
    held = (values[:, 0] <= labels) & (labels <= values[:, 2])
    assert watched.metrics["coverage_80"] == pytest.approx(held.mean())
    assert mae(labels, said) == pytest.approx(np.abs(labels - values[:, 1]).mean())


def test_a_champion_that_says_one_number_is_compared_with_and_goes_on_serving(trained: Trained) -> None:
    deliver(trained, 1, LEARNT)
    document = quantile_project.document(quantiles=[])
    document["evaluation"] |= {"metric": "mae"}
    document["split"] |= {"holdout": "7 days", "validation": "4 days"}
    document["gate"] = {"min_rows": 500}
    before = Trained(trained.platform, Project.model_validate(document), trained.mlflow_url)
    dataset = before.ok(run(before, "dataset", key(LEARNT - 10))).handover
    before.register(dataset, "by_shop", "boosting")
    before.ok(before.promote())
    trained.ok(run(trained, "score", key(LEARNT - 1)))  # the project has quantiles now, the champion has none
    ((said, levels),) = trained.rows(
        "select count(quantiles), count(levels) from serving.prediction where project = %s"
    )
    assert (said, levels) == (0, 0)
    dataset = trained.ok(run(trained, "dataset", key(LEARNT))).handover
    trained.register(dataset, "by_shop", "boosting")
    compared = trained.ok(trained.step("compare"))
    assert compared.values["champion"] is not None
    assert compared.metrics["challenger_metric"] < compared.metrics["champion_metric"]
