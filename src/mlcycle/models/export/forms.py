"""ONNX graphs of a model, and what they say of rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mlcycle.domain.evaluation.calibrator import Calibrator
from mlcycle.domain.metrics import Array
from mlcycle.models.base import Model
from mlcycle.models.calibrated import Calibrated
from mlcycle.models.export import lightgbm_text, lines, trees
from mlcycle.models.export.curve import behind
from mlcycle.models.export.graphs import ROWS, NotConverted
from mlcycle.models.lightgbm import Lightgbm
from mlcycle.models.linear import Linear
from mlcycle.models.matrix import matrix
from mlcycle.models.prepared import Prepared

CHUNK = 1 << 16  # rows predicted at a time: memory stays bounded


@dataclass(frozen=True)
class Onnx:
    """A graph, how rows become its inputs, and how near it has to be to the model it came from."""

    bare: bytes  # the graph without the curve
    inputs: Callable[[Any], dict[str, Any]]
    tolerance: float
    reads: str  # for people
    classes: int = 0  # of many, how many
    curve: Calibrator | None = None  # that all it says goes through

    @cached_property
    def graph(self) -> bytes:
        """What is written."""
        return self.bare if self.curve is None else behind(self.bare, self.curve)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])

    def predict(self, frame: Any) -> Array:
        """Predictions (n,), of many classes (n, classes), for a pandas frame with the model's inputs."""
        wanted = {item.name for item in self._session.get_inputs()}
        found = np.empty((len(frame), self.classes) if self.classes else len(frame), dtype=np.float64)
        for start in range(0, len(frame), CHUNK):
            given = self.inputs(frame.iloc[start : start + CHUNK])
            (said,) = self._session.run(
                None, {name: value for name, value in given.items() if name in wanted}
            )
            found[start : start + CHUNK] = said if self.classes else np.ravel(said)
        return found


def onnx_of(model: Model) -> Onnx:
    """The model as ONNX. Raises NotConverted, which says why there is none."""
    from mlcycle.models.torch.family import TorchModel

    if isinstance(model, Calibrated):
        return replace(onnx_of(model.model), curve=model.calibrator)
    if isinstance(model, TorchModel):
        return network_of(model)
    check(model)
    encoder = model.card.encoder
    if encoder.texts:
        raise NotConverted(
            "its directions of text are not converted: export a network, which reads ids of words"
        )
    classes = len(model.card.classes) if model.card.kind.many else 0
    graph = _graph(model, classes)
    columns = [*encoder.categories, *encoder.numeric]
    return Onnx(
        graph,
        lambda frame: {ROWS: matrix(encoder, frame)},
        1e-9,
        f"{ROWS}: double (n, {len(columns)}), {', '.join(columns)}; categories by their place in "
        "model.json's encoder from 1 on, others 0, a missing number NaN",
        classes,
    )


def _graph(model: Model, classes: int) -> bytes:
    """From encoded rows to predictions."""
    encoder = model.card.encoder
    if isinstance(model, Linear):
        link = "Softmax" if classes else "Sigmoid" if model.card.kind.classifies else "Identity"
        return lines.graph(model._coefficients, encoder, link, classes > 0)
    if isinstance(model, Lightgbm):
        return lightgbm_text.graph(model._text, classes)
    estimator = getattr(model, "_estimator", None)
    if estimator is None:
        raise NotConverted(f"no conversion of family {model.card.family!r} to ONNX")
    return trees.graph(estimator, [len(known) + 1 for known in encoder.categories.values()], classes)


def check(model: Model) -> None:
    """Raise NotConverted for a model of which no other form holds all."""
    if isinstance(model, Prepared):
        raise NotConverted("features that were learnt with it, inputs.fitted, are in no other format")
    if model.card.quantiles:
        raise NotConverted("models of quantiles are not converted")


def network_of(model: Model) -> Onnx:
    """A network's own graph. Raises NotConverted for any other model."""
    from mlcycle.models.torch.family import TorchModel

    if isinstance(model, Calibrated):
        return replace(network_of(model.model), curve=model.calibrator)
    check(model)
    if not isinstance(model, TorchModel):
        raise NotConverted(f"family {model.card.family!r} is no network")
    columns = model.columns
    return Onnx(
        model.graph,
        lambda frame: {"codes": columns.codes(frame), "numbers": columns.numbers(frame)},
        1e-4,
        f"codes: int64 (n, {columns.coded}){_ids(columns)}, numbers: float (n, {columns.numeric}); by "
        "model.json's encoder",
        len(model.card.classes) if model.card.kind.many else 0,
    )


def _ids(columns: Any) -> str:
    """For people: which of the codes are of words."""
    length = columns.coded - len(columns.rows)
    return f", the last {length} ids of words as mlcycle.models.text makes them" if length else ""
