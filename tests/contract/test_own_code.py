"""A scientist's own code through the cycle: trained, kept with its model, read with it whatever is there by then."""

from pathlib import Path

import numpy as np
import pytest

from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.contract import Handover, platform_version
from mlcycle.models import load
from mlcycle.project_code import NONE, ProjectCode, activate
from tests.conftest import Platform
from tests.own_code import FILES, MODELS
from tests.snapshots import JANUARY, Trained, flights, flights_project

CANDIDATES = {
    "hours": {"family": "models:Hours", "params": {"smoothing": 80.0, "encode": "frame"}},
    "pipe": {"family": "models:pipeline", "params": {"c": 0.5}},
    "constant": {"family": "models:Constant", "params": {"plus": 0.01}},
    "net": {"family": "nets:Small", "params": {"width": 4, "epochs": 1, "batch_size": 1024}},
    "bayes": {"family": "sklearn.naive_bayes.GaussianNB"},
    "stack": {
        "family": "voting",
        "params": {"members": {"a": {"family": "models:pipeline"}, "b": {"family": "models:Constant"}}},
    },
}


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    project = flights_project(code={"files": FILES})
    document = project.document()
    document["candidates"] |= CANDIDATES
    document["evaluation"] |= {"metric": "metrics:missed"}
    return Trained(platform, type(project).model_validate(document), mlflow_url)


@pytest.fixture
def dataset(trained: Trained) -> Handover:
    return trained.snapshot(flights(), JANUARY)


def test_every_kind_is_trained_and_read_with_the_code_it_was_trained_with(
    trained: Trained, dataset: Handover, tmp_path: Path
) -> None:
    rows = flights().head(300)[trained.project.inputs.all]
    handed = []
    for name, candidate in CANDIDATES.items():
        result = trained.ok(trained.train(dataset, name))
        assert 0 < result.metrics["metrics:missed"] < 40
        assert result.code_version.startswith(f"{platform_version()}.project-")
        handed.append(result.handover)
        run = Tracking(trained.settings(), trained.project.name).client.get_run(result.values["run_id"])
        assert run.data.params["family"] == candidate["family"]
        assert run.data.tags["mlcycle.code_version"] == result.code_version
        files = {path for path in result.values["manifest"] if "/code/" in path}
        assert bool(files) is (name != "bayes")
        folder = fetch_model(
            trained.settings(), result.values["model_uri"], result.values["manifest"], tmp_path / name
        )
        activate(ProjectCode({"models.py": "raise ImportError('not the code it was trained with')"}))
        try:
            said = load(folder).predict(rows)
        finally:
            activate(NONE)
        assert said.shape == (300,)
        assert np.isfinite(said).all()
        assert name in ("constant", "net") or said.std() > 0.01
    best = trained.ok(trained.evaluate(dataset, handed[:3])).values["best"]
    assert best["candidate"] in ("hours", "pipe", "constant")


@pytest.mark.parametrize(
    ("family", "params", "expected"),
    [
        ("models:Nothing", {}, "module models has no 'Nothing'"),
        ("models:pipeline", {"depth": 3}, "no parameter 'depth': there are seed, encode, c"),
        ("sklearn.svm.LinearSVC", {}, "makes LinearSVC, which has no predict_proba"),
        (
            "sklearn.linear_model.LogisticRegression",
            {"C": -1},
            "The 'C' parameter of LogisticRegression must be",
        ),
        ("models:Unkept", {}, "cannot be kept without pickle"),
        ("nets:Wrong", {}, "the network returns (2, 3) for 2 rows: (2, 1) is expected"),
        ("models:SHARE", {}, "is int: a class or a function that makes an estimator is expected"),
    ],
    ids=["name", "parameter", "no probability", "refused value", "pickle", "shape", "no class"],
)
def test_what_does_not_fit_is_one_line(
    trained: Trained, dataset: Handover, family: str, params: dict[str, object], expected: str
) -> None:
    document = trained.project.document()
    document["code"]["files"] |= {
        "models.py": MODELS
        + "\nSHARE = 1\n\n\nclass Unkept(Hours):\n    def fit(self, X, y, sample_weight=None):\n"
        "        self.inner = lambda: 1\n        return super().fit(X, y, sample_weight)\n",
        "nets.py": FILES["nets.py"]
        + "\n\nclass Wrong(Small):\n    def __init__(self, rows, numeric, outputs):\n"
        "        super().__init__(rows, numeric, 3)\n",
    }
    document["candidates"] = {
        "table": document["candidates"]["table"],
        "odd": {
            "family": family,
            "params": {**params, **({"encode": "frame"} if "Unkept" in family else {})},
        },
    }
    document["evaluation"]["metric"] = "log_loss"
    trained.project = type(trained.project).model_validate(document)
    result = trained.train(dataset, "odd")
    assert result.error is not None
    assert result.error.kind == "config"
    assert expected in result.error.message
    assert "\n" not in result.error.message
