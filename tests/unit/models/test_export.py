"""Models in other formats say what the models themselves say; what cannot be made says why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle import models
from mlcycle.domain.evaluation import calibrator
from mlcycle.domain.evaluation.calibrator import Calibrator
from mlcycle.domain.examples import Rows
from mlcycle.domain.listed import ListedLabels
from mlcycle.domain.metrics import measure
from mlcycle.models.base import Model
from mlcycle.models.calibrated import Calibrated
from mlcycle.models.export import compress, lightgbm_text, made
from mlcycle.models.export.curve import behind
from mlcycle.models.export.forms import Onnx, network_of, onnx_of
from mlcycle.models.export.graphs import NotConverted
from mlcycle.project.export import Export
from tests.table_job import CATEGORICAL, NUMERIC, PARAMS, job, rows

TREES: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 12, "min_samples_leaf": 5},
    "hist_gradient_boosting": {"max_iter": 30, "min_samples_leaf": 5},
    "lightgbm": {"num_iterations": 30, "min_data_in_leaf": 5},
}


def fitted(name: str, task: str = "classification", of: Any = None, **params: Any) -> Model:
    given = {**TREES.get(name, {}), **(PARAMS if name == "mlp" else {}), **params}
    return models.family(name).fit(of or job(task), models.parse_params(name, given), name)


def strange(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with what training never had: cities, a shop, a price that is missing or lies on a threshold."""
    frame = frame.copy()
    frame.loc[frame.index[::3], "city"] = "Z"
    frame.loc[frame.index[1::7], "city"] = None
    frame.loc[frame.index[::5], "price"] = np.nan
    frame.loc[frame.index[::11], "age"] = np.float32(frame["age"].median())
    return frame


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", TREES)
def test_trees_say_the_same_as_onnx_also_of_what_they_have_never_seen(name: str, task: str) -> None:
    model = fitted(name, task)
    for frame in (rows(3000, 5, task).frame, strange(rows(3000, 6, task).frame)):
        own = model.predict(frame)
        assert np.max(np.abs(onnx_of(model).predict(frame) - own)) <= 1e-12 * max(1, np.max(np.abs(own)))


@pytest.mark.parametrize("columns", [(CATEGORICAL, []), ([], NUMERIC)], ids=["names", "numbers"])
@pytest.mark.parametrize("name", ["hist_gradient_boosting", "lightgbm"])
def test_boosting_of_names_or_of_numbers_alone_is_converted(
    name: str, columns: tuple[list[str], list[str]]
) -> None:
    of = replace(job(), categorical=columns[0], numeric=columns[1])
    model = fitted(name, of=of)
    frame = strange(rows(1000, 7).frame)
    assert np.allclose(onnx_of(model).predict(frame), model.predict(frame), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("hist_gradient_boosting", {"max_iter": 2, "min_samples_leaf": 1500}),
        ("lightgbm", {"num_iterations": 2, "min_data_in_leaf": 1500}),
    ],
)
def test_a_tree_that_is_a_leaf_is_converted(name: str, params: dict[str, Any]) -> None:
    model = fitted(name, "regression", **params)
    frame = rows(10, 7).frame
    assert np.ptp(model.predict(frame)) == 0
    assert np.allclose(onnx_of(model).predict(frame), model.predict(frame), rtol=1e-12)


@pytest.mark.parametrize("task", ["classification", "regression", "multiclass"])
@pytest.mark.parametrize(
    "columns",
    [(CATEGORICAL, NUMERIC), (CATEGORICAL, []), ([], NUMERIC), ([], ["price"])],
    ids=["both", "names", "numbers", "numbers that are never missing"],
)
def test_a_linear_model_says_the_same_as_onnx(columns: tuple[list[str], list[str]], task: str) -> None:
    of = replace(job(task), categorical=columns[0], numeric=columns[1])
    model = fitted("linear", of=of)
    for frame in (rows(1000, 5, task).frame, strange(rows(1000, 6, task).frame)):
        frame.loc[frame.index[::13], "age"] = 1e9  # beyond what standardising lets through
        own, said = model.predict(frame), onnx_of(model).predict(frame)
        assert said.shape == own.shape
        assert np.ptp(own) > 0.1
        assert np.max(np.abs(said - own)) <= 1e-12 * max(1, np.max(np.abs(own)))


def test_lightgbm_takes_a_missing_number_for_nought_where_training_had_none() -> None:
    """``price`` has no gaps in training; about half of its thresholds are above nought."""
    of = replace(job(), categorical=[], numeric=["price"])
    model = fitted("lightgbm", of=of)
    frame = pd.DataFrame({"price": [np.nan, 0.0, -1e-300, 1e-300, np.nan, 3.0]})
    own, said = model.predict(frame), onnx_of(model).predict(frame)
    assert own[0] == own[1] != own[5]
    assert np.max(np.abs(said - own)) <= 1e-12


@pytest.mark.parametrize("objective", ["lambdarank", "regression"])
def test_lightgbm_of_a_ranking_is_converted(objective: str) -> None:
    learnt, later = (
        Rows(each.frame, ListedLabels(np.digitize(each.labels, [30, 60]), np.arange(1000) // 10))
        for each in (rows(1000, seed, "regression") for seed in (1, 2))
    )
    of = replace(job("regression"), task="ranking", train=learnt, validation=later)
    model, frame = fitted("lightgbm", of=of, objective=objective), strange(later.frame)
    own = model.predict(frame)
    assert np.ptp(own) > 0.5
    assert np.max(np.abs(onnx_of(model).predict(frame) - own)) <= 1e-12


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("objective=binary sigmoid:1", "objective=poisson", "of objective 'poisson' is not converted"),
        ("\nis_linear=0", "\nis_linear=1", "linear leaves"),
        ("\ndecision_type=", "\ndecision_type=4 ", "not LightGBM's"),
    ],
)
def test_lightgbm_of_a_kind_that_is_not_known_is_refused(before: str, after: str, why: str) -> None:
    text = fitted("lightgbm", num_iterations=3)._text  # type: ignore[attr-defined]
    assert before in text
    with pytest.raises(NotConverted, match=why):
        lightgbm_text.graph(text.replace(before, after))


def test_lightgbm_that_takes_nought_for_missing_is_refused() -> None:
    import lightgbm

    draw = np.random.default_rng(1)
    given = draw.integers(0, 3, (200, 2)).astype(float)
    options = {"objective": "regression", "verbosity": -1, "num_threads": 1, "zero_as_missing": True}
    booster = lightgbm.train(options, lightgbm.Dataset(given, given[:, 0]), 2)
    with pytest.raises(NotConverted, match="takes nought for missing"):
        lightgbm_text.graph(booster.model_to_string())


def test_what_is_not_converted_says_why(tmp_path: Path) -> None:
    name = "rate_table"
    model = fitted(name, by=["city"])
    wanted = Export(onnx=True, exported_program=True, int8=True, prune=0.5)
    found = write(model, wanted, tmp_path)
    assert [one.name for one in found] == ["onnx", "exported_program", "int8", "pruned"]
    assert all(name in one.reason for one in found)
    told = json.loads((tmp_path / "export" / "export.json").read_text())["forms"]
    assert told["onnx"] == {"reason": f"no conversion of family '{name}' to ONNX"}
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["export.json"]


def write(model: Model, wanted: Export, folder: Path, learnt: Any = None) -> list[made.Made]:
    task = model.card.task
    later = job(task).validation.whole()
    figures = lambda said: measure(task, later.labels, said)  # noqa: E731
    return made.write(model, wanted, later.frame, figures, folder, learnt)


@pytest.fixture(scope="module")
def network() -> Model:
    return fitted("mlp")


def test_forms_are_written_with_what_they_cost_and_lose(network: Model, tmp_path: Path) -> None:
    found = {one.name: one.facts for one in write(network, Export(onnx=True, int8=True, prune=0.3), tmp_path)}
    assert {name: one["file"] for name, one in found.items()} == {
        "onnx": "export/model.onnx",
        "int8": "export/int8.onnx",
        "pruned": "export/pruned.onnx",
    }
    told = json.loads((tmp_path / "export" / "export.json").read_text())["forms"]
    own = measure("classification", *_of(network))
    for name in ("int8", "pruned"):
        form = Onnx((tmp_path / told[name]["file"]).read_bytes(), network_of(network).inputs, 0, "")
        later = job().validation.whole()
        again = measure("classification", later.labels, form.predict(later.frame))
        assert told[name]["figures"]["log_loss"] == pytest.approx(float(again["log_loss"]))  # type: ignore[arg-type]
        assert told[name]["network_figures"]["log_loss"] == pytest.approx(float(own["log_loss"]))  # type: ignore[arg-type]
        assert told[name]["worst"] > 0
        assert told[name]["bytes"] == (tmp_path / told[name]["file"]).stat().st_size
    assert told["onnx"]["worst"] <= 1e-6
    assert told["pruned"]["deflated"] < told["pruned"]["network_deflated"]
    metrics = dict(made.metrics(write(network, Export(int8=True), tmp_path / "again")))
    assert {"export_int8_bytes", "export_int8_worst", "export_int8_validation_log_loss"} <= metrics.keys()


def _of(model: Model) -> tuple[Any, Any]:
    later = job().validation.whole()
    return later.labels, model.predict(later.frame)


def test_pruning_takes_the_smallest_weights_of_each_matrix(network: Model) -> None:
    import onnx
    from onnx import numpy_helper

    def matrices(graph: bytes) -> dict[str, Any]:
        model = onnx.load_from_string(graph)
        used = {name for node in model.graph.node if node.op_type in compress.MATRICES for name in node.input}
        return {
            one.name: numpy_helper.to_array(one)
            for one in model.graph.initializer
            if one.name in used and len(one.dims) == 2
        }

    before, after = matrices(network.graph), matrices(compress.prune(network.graph, 0.25))  # type: ignore[attr-defined]
    assert before
    for name, weights in before.items():
        gone = (after[name] == 0) & (weights != 0)
        assert gone.sum() == int(0.25 * weights.size)
        assert np.abs(weights[gone]).max() <= np.abs(weights[~gone]).min()
        assert np.array_equal(after[name][~gone], weights[~gone])


def test_low_rank_keeps_what_a_matrix_is_made_of() -> None:
    """A matrix of rank three, in both ways in which a graph can hold it, and one that nothing makes smaller."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(5)
    weak, full = draw.normal(size=(40, 3)) @ draw.normal(size=(3, 30)), draw.normal(size=(30, 30))
    held = {"weak": weak, "turned": weak, "full": full, "bias": draw.normal(size=40)}
    node, value = helper.make_node, helper.make_tensor_value_info
    graph = helper.make_model(
        helper.make_graph(
            [
                node("MatMul", ["given", "weak"], ["one"]),
                node("MatMul", ["one", "full"], ["two"]),
                node("Gemm", ["two", "turned", "bias"], ["said"], transB=1, alpha=0.5),
            ],
            "matrices",
            [value("given", TensorProto.FLOAT, ["n", 40])],
            [value("said", TensorProto.FLOAT, ["n", 40])],
            [numpy_helper.from_array(one.astype(np.float32), name) for name, one in held.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    ).SerializeToString()
    made = compress.low_rank(graph, 0.999999)
    sizes = {one.name: tuple(one.dims) for one in onnx.load_from_string(made).graph.initializer}
    assert sorted(sizes.values()) == [(3, 30), (3, 40), (30, 3), (30, 30), (40,), (40, 3)]
    rows = draw.normal(size=(50, 40)).astype(np.float32)
    own, said = (onnxruntime.InferenceSession(each).run(None, {"given": rows})[0] for each in (graph, made))
    assert np.max(np.abs(own - said)) <= 1e-5 * np.max(np.abs(own))
    with pytest.raises(NotConverted, match=r"no matrix that becomes smaller at 0\.999 of its energy"):
        compress.low_rank(made, 0.999)


def test_low_rank_of_a_network_is_smaller_and_loses_little(tmp_path: Path) -> None:
    model = fitted("mlp", layers=[64, 64], epochs=1)
    (one,) = write(model, Export(low_rank=0.9), tmp_path)
    assert one.facts["bytes"] < one.facts["network_bytes"]
    told = one.facts["figures"]["log_loss"], one.facts["network_figures"]["log_loss"]
    assert told[0] == pytest.approx(told[1], abs=0.05)
    assert 0 < one.facts["worst"] < 0.5
    assert "export_low_rank_validation_log_loss" in dict(made.metrics([one]))


def test_activations_of_eight_bits_lose_little(tmp_path: Path) -> None:
    given = job()
    model = fitted("mlp", of=given, layers=[64, 64], epochs=1)
    (one,) = write(model, Export(int8_static=True), tmp_path, given)
    assert one.facts["bytes"] < one.facts["network_bytes"]
    told = one.facts["figures"]["log_loss"], one.facts["network_figures"]["log_loss"]
    assert told[0] == pytest.approx(told[1], abs=0.02)
    assert 0 < one.facts["worst"] < 0.2
    (without,) = write(model, Export(int8_static=True), tmp_path)
    assert without.reason == "ranges are measured on training rows, which are not at hand here"
    (trees,) = write(fitted("random_forest"), Export(int8_static=True), tmp_path, given)
    assert trees.reason == "family 'random_forest' is no network"


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_student_says_nearly_what_its_teacher_says(tmp_path: Path, task: str) -> None:
    given = job(task)
    model = fitted("hist_gradient_boosting", of=given)
    wanted = Export(distil={"layers": [16], "epochs": 8, "weight": 1.0})
    (one,) = write(model, wanted, tmp_path, given)
    metric = "log_loss" if task == "classification" else "rmse"
    told = one.facts["figures"][metric], one.facts["model_figures"][metric]
    mean = given.train.whole().labels.mean()
    later = rows(3000, 5, task)
    blind = dict(measure(task, later.labels, np.full(3000, mean)))[metric]
    assert told[0] < (told[1] + blind) / 2
    assert (tmp_path / one.facts["file"]).stat().st_size == one.facts["bytes"]


def test_a_form_that_says_something_else_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a converter does that forgets which way a missing number goes."""
    model = fitted("random_forest")
    right = onnx_of(model)
    other = fitted("random_forest", seed=18)
    monkeypatch.setattr(made, "onnx_of", lambda _: replace(onnx_of(other), tolerance=right.tolerance))
    (one,) = write(model, Export(onnx=True), tmp_path)
    assert one.reason.startswith("it differs from the model by ")
    assert not (tmp_path / "export" / "model.onnx").exists()


CURVES = {
    "platt": Calibrator(method="platt", slope=1.7, intercept=-0.4),
    "isotonic": Calibrator(
        method="isotonic", at=(0.1, 0.3, 0.31, 0.5, 0.6, 0.9), to=(0.0, 0.2, 0.4, 0.4, 0.7, 1.0)
    ),
    "two points": Calibrator(method="isotonic", at=(0.3, 0.7), to=(0.2, 0.6)),
    "one point": Calibrator(method="isotonic", at=(0.5,), to=(0.3,)),
    "points that all but coincide": Calibrator(method="isotonic", at=(0.0, 5e-324, 0.8), to=(0.1, 0.5, 0.9)),
}


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "mlp"])
@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_a_curve_is_in_the_graph(name: str, curve: Calibrator, network: Model) -> None:
    bare = network if name == "mlp" else fitted(name)
    model, frame = Calibrated(bare, curve), strange(rows(2000, 7).frame)
    own, said = model.predict(frame), onnx_of(model).predict(frame)
    assert np.max(np.abs(own - bare.predict(frame))) > 0.05
    assert np.max(np.abs(said - own)) <= (1e-6 if name == "mlp" else 1e-12)


def test_a_curve_of_the_edges_and_of_its_own_points_is_in_the_graph() -> None:
    """A graph that says what it is given, so that each kind of place on the curve is met."""
    import onnxruntime
    from onnx import TensorProto, helper

    draw = np.random.default_rng(3)
    up = draw.random(5000)
    fit = calibrator.isotonic((draw.random(5000) < up**2).astype(float), up)
    assert len(fit.at) > 40
    given = np.array([0.0, 1.0, 1e-9, 1 - 1e-9, *fit.at, *np.nextafter(fit.at, 2), *draw.random(500)])
    value = helper.make_tensor_value_info
    graph = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["given"], ["said"])],
            "as it is",
            [value("given", TensorProto.DOUBLE, ["n"])],
            [value("said", TensorProto.DOUBLE, ["n"])],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    ).SerializeToString()
    for curve in (fit, *CURVES.values()):
        session = onnxruntime.InferenceSession(behind(graph, curve))
        (said,) = session.run(None, {"given": given})
        assert np.max(np.abs(said - curve(given))) <= 1e-12


def test_forms_of_a_network_with_a_curve_have_it_too(network: Model, tmp_path: Path) -> None:
    model = Calibrated(network, CURVES["platt"])
    later = job().validation.whole()
    found = write(model, Export(onnx=True, exported_program=True, int8=True, prune=0.3), tmp_path)
    told = {one.name: one for one in found}
    assert told["exported_program"].reason == "its calibration curve is in the form onnx alone"
    own = measure("classification", later.labels, model.predict(later.frame))
    bare = measure("classification", later.labels, network.predict(later.frame))
    for name in ("int8", "pruned"):
        loss = told[name].facts["figures"]["log_loss"]
        assert abs(loss - own["log_loss"]) < abs(loss - bare["log_loss"]) / 4  # type: ignore[operator]


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("unseen", [False, True], ids=["all", "one that training never had"])
def test_trees_of_many_classes_say_the_same_as_onnx(name: str, unseen: bool) -> None:
    of = job("multiclass")
    if unseen:  # the second of four
        of = replace(of, classes=(of.classes[0], "never", *of.classes[1:]))
        for part in (of.train, of.validation):
            shifted = part.whole().labels
            shifted[shifted > 0] += 1
    model = fitted(name, of=of)
    for frame in (rows(1000, 5, "multiclass").frame, strange(rows(1000, 6, "multiclass").frame)):
        own, said = model.predict(frame), onnx_of(model).predict(frame)
        assert said.shape == own.shape == (1000, 3 + unseen)
        assert np.ptp(own[:, 0]) > 0.1
        assert np.max(np.abs(said - own)) <= 1e-12


def test_a_network_of_many_classes_has_every_form(tmp_path: Path) -> None:
    of = job("multiclass")
    model, later = fitted("mlp", of=of), of.validation.whole()
    wanted = Export(onnx=True, exported_program=True, int8=True, prune=0.3)
    found = made.write(
        model, wanted, later.frame, lambda said: measure("multiclass", later.labels, said), tmp_path
    )
    assert [one.reason for one in found] == ["", "", "", ""]
    facts = {one.name: one.facts for one in found}
    assert max(facts["onnx"]["worst"], facts["exported_program"]["worst"]) <= 1e-6
    own = measure("multiclass", later.labels, model.predict(later.frame))
    assert facts["int8"]["figures"]["log_loss"] == pytest.approx(float(own["log_loss"]), abs=0.05)  # type: ignore[arg-type]
