"""A calibration curve as nodes behind the graph of the model whose probabilities go through it.

Platt's sigmoid is arithmetic. The isotonic curve finds its stretch by binary search, unrolled: each round is
a Gather and a comparison of all rows at once, so that 1,000 points cost ten rounds.
"""

from typing import Final

import numpy as np

from mlcycle.domain.evaluation.calibrator import Calibrator
from mlcycle.domain.metrics import CLIP
from mlcycle.models.export.graphs import Steps

CALIBRATED: Final = "calibrated"  # the graph's output
PREFIX: Final = "curve_"  # no name of the model's own graph begins so


def behind(graph: bytes, calibrator: Calibrator) -> bytes:
    """The graph with the curve behind it: its output, probabilities, becomes (n,) double ``calibrated``."""
    import onnx
    from onnx import TensorProto, checker, helper

    model = onnx.load_from_string(graph)
    (said,) = model.graph.output
    steps = Steps(PREFIX)
    flat = steps.step("Reshape", said.name, steps.value([-1], np.int64))
    given = steps.step("Cast", flat, to=TensorProto.DOUBLE)
    curve = (
        _platt(steps, given, calibrator) if calibrator.method == "platt" else _lines(steps, given, calibrator)
    )
    steps.last("Identity", _kept(steps, curve), CALIBRATED)
    model.graph.node.extend(steps.nodes)
    model.graph.initializer.extend(steps.constants)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(CALIBRATED, TensorProto.DOUBLE, ["n"]))
    checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _kept(steps: Steps, values: str) -> str:
    """Probabilities kept from 0 and 1."""
    return steps.step("Clip", values, steps.value(CLIP), steps.value(1 - CLIP))


def _platt(steps: Steps, given: str, calibrator: Calibrator) -> str:
    p = _kept(steps, given)
    odds = steps.step("Sub", steps.step("Log", p), steps.step("Log", steps.step("Sub", steps.value(1.0), p)))
    line = steps.step("Mul", odds, steps.value(calibrator.slope))
    return steps.step("Sigmoid", steps.step("Add", line, steps.value(calibrator.intercept)))


def _lines(steps: Steps, given: str, calibrator: Calibrator) -> str:
    """Straight lines between points as ``numpy.interp`` draws: flat before the first and after the last."""
    from onnx import TensorProto

    at, to = np.array(calibrator.at), np.array(calibrator.to)
    rounds = max(int(np.ceil(np.log2(len(at)))), 1)
    filled = 2**rounds - len(at)  # up to a power of two by points that nothing reaches
    with np.errstate(over="ignore"):  # of points that all but coincide: what is beyond the first is nought
        steep = np.minimum(np.diff(to) / np.diff(at), np.finfo(np.float64).max)
    points = steps.value(np.append(at, np.full(filled, np.inf)))
    # The last point at or below the value, or the first.
    found = steps.step("Mul", steps.step("Cast", given, to=TensorProto.INT64), steps.value(0, np.int64))
    for power in reversed(range(rounds)):
        further = steps.step("Add", found, steps.value(2**power, np.int64))
        reached = steps.step("LessOrEqual", steps.step("Gather", points, further), given)
        found = steps.step("Where", reached, further, found)
    beyond = steps.step("Sub", given, steps.step("Gather", points, found))
    beyond = steps.step("Max", beyond, steps.value(0.0))
    rise = steps.step("Mul", beyond, steps.step("Gather", steps.value(np.append(steep, 0.0)), found))
    return steps.step("Add", rise, steps.step("Gather", steps.value(to), found))
