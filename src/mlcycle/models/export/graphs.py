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


class Steps:
    """Nodes and constants to be; each has a name of its own, which begins with ``prefix``."""

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = prefix

    def value(self, values: Any, kind: Any = np.float64) -> str:
        """Add a constant; its name."""
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(constant(name, values, kind))
        return name

    def step(self, operator: str, *inputs: str, **how: Any) -> str:
        """Add a node; the name of its output."""
        name = f"{self._prefix}step_{len(self.nodes)}"
        self.last(operator, *inputs, name, **how)
        return name

    def last(self, operator: str, *names: str, **how: Any) -> None:
        """Add a node of these inputs, and then the output."""
        from onnx import helper

        *inputs, output = names
        self.nodes.append(helper.make_node(operator, inputs, [output], **how))


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
