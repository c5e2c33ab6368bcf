"""What every ONNX graph that is made here has in common: its input, its output, its operators."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

ROWS, PREDICTION = "rows", "prediction"
OPSETS: Final = {"": 18, "ai.onnx.ml": 5}


class NotConverted(Exception):
    """There is no such form of a model; the text says why."""


def constant(name: str, values: Any, kind: Any = np.float64) -> Any:
    """A named tensor of a graph."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, dtype=kind), name)


def finished(
    name: str, steps: Sequence[Any], constants: Sequence[Any], columns: int, shape: Sequence[str | int]
) -> bytes:
    """The checked model from ``rows`` (n, columns) double to ``prediction`` of this shape, double."""
    from onnx import TensorProto, checker, helper

    made = helper.make_model(
        helper.make_graph(
            list(steps),
            name,
            [helper.make_tensor_value_info(ROWS, TensorProto.DOUBLE, ["n", columns])],
            [helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, list(shape))],
            list(constants),
        ),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=10,
        producer_name="mlcycle",
    )
    checker.check_model(made)
    data: bytes = made.SerializeToString()
    return data
