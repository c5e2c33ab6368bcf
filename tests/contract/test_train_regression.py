"""The way to a champion for a project that predicts a number, by every family."""

import pytest

from tests.conftest import Platform
from tests.snapshots import Trained, weather, weather_project

BOUNDS = {
    "train": ("2013-01-01", "2013-02-15"),
    "validation": ("2013-02-15", "2013-02-20"),
    "holdout": ("2013-02-20", "2013-03-02"),
}


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, weather_project(), mlflow_url)


def test_a_number_is_predicted_compared_and_crowned(trained: Trained) -> None:
    dataset = trained.snapshot(weather(), BOUNDS)
    entries = [trained.ok(trained.train(dataset, name)).handover for name in ("table", "boosting", "network")]
    evaluated = trained.ok(trained.evaluate(dataset, entries))
    errors = {
        name: evaluated.metrics[f"{name}_rmse"] for name in ("zero_rule", "table", "boosting", "network")
    }
    assert errors["boosting"] < 0.8 * errors["zero_rule"]
    assert errors["network"] < 0.8 * errors["zero_rule"]
    for before in ("median", "mean", "heuristic"):
        assert evaluated.metrics[f"boosting_value_over_{before}"] > 0
    assert evaluated.metrics["zero_rule_value_over_mean"] == 0  # it is the training mean
    trained.ok(trained.step("register", inputs={"evaluate": [evaluated.handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.values["reasons"]
    assert compared.metrics["value_gain"] == compared.metrics["challenger_value_over_mean"] > 0
    champion = trained.ok(trained.step("promote", "promote", inputs={"compare": [compared.handover]}))
    assert champion.values["seq"] == 1
