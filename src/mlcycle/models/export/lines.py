"""Linear models as an ONNX graph: look up each category's number, standardise the numbers, add up."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlcycle.models.encoder import CLIP, Encoder
from mlcycle.models.export.graphs import PREDICTION, ROWS, Steps, finished


def graph(coefficients: Sequence[Any], encoder: Encoder, link: str, many: bool) -> bytes:
    """An ONNX model from ``rows`` (n, columns) double to ``prediction`` (n,), or (n, classes), double.

    Args:
        coefficients: those of a ``Linear``: one, or one for each class.
        encoder: the model's; numbers are standardised in the graph, missing ones by it.
        link: the operator that makes a prediction of the scores.
        many: whether the task has many classes.
    """
    steps = Steps()
    intercepts = steps.value([[each.intercept for each in coefficients]])
    scores = [intercepts]
    split, end = steps.value([len(encoder.categories)], np.int64), steps.value([2**31], np.int64)
    columns = steps.value([1], np.int64)
    if encoder.categories:
        first = steps.step("Slice", ROWS, steps.value([0], np.int64), split, columns)
        scores.append(_of_categories(steps, coefficients, encoder, first))
    if encoder.numeric:
        numbers = steps.step("Slice", ROWS, split, end, columns)
        scores.append(_of_numbers(steps, coefficients, encoder, numbers))
    found = scores[0]
    for each in scores[1:]:
        found = steps.step("Add", each, found)
    if not many:
        found = steps.step("Reshape", found, steps.value([-1], np.int64))
    steps.last(link, found, PREDICTION, **({"axis": 1} if link == "Softmax" else {}))
    shape: list[str | int] = ["n", len(coefficients)] if many else ["n"]
    width = len(encoder.categories) + len(encoder.numeric)
    return finished("linear", steps.nodes, steps.constants, width, shape)


def _of_categories(steps: Steps, coefficients: Sequence[Any], encoder: Encoder, codes: str) -> str:
    """(n, scores): each category's numbers out of one table, in which a column begins after the other."""
    from onnx import TensorProto

    sizes = [len(known) + 1 for known in encoder.categories.values()]
    tables = [np.concatenate(list(each.categories.values())) for each in coefficients]
    begins = steps.value(np.concatenate([[0], np.cumsum(sizes)[:-1]]), np.int64)
    at = steps.step("Add", steps.step("Cast", codes, to=TensorProto.INT64), begins)
    found = steps.step("Gather", steps.value(np.stack(tables, axis=1)), at)  # (n, columns, scores)
    return steps.step("ReduceSum", found, steps.value([1], np.int64), keepdims=0)


def _of_numbers(steps: Steps, coefficients: Sequence[Any], encoder: Encoder, numbers: str) -> str:
    """(n, scores): the numbers as ``Encoder.standardised`` makes them, in single precision as it does."""
    from onnx import TensorProto

    means = steps.value(encoder.means)
    missing = steps.step("IsNaN", numbers)
    centred = steps.step("Sub", steps.step("Where", missing, means, numbers), means)  # a missing one: 0
    scaled = steps.step("Div", centred, steps.value(encoder.scales))
    seen = steps.step("Clip", scaled, steps.value(-CLIP), steps.value(CLIP))
    seen = steps.step("Cast", steps.step("Cast", seen, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)
    if any(encoder.flagged):
        flagged = steps.value(np.flatnonzero(encoder.flagged), np.int64)
        flags = steps.step("Gather", steps.step("Cast", missing, to=TensorProto.DOUBLE), flagged, axis=1)
        seen = steps.step("Concat", seen, flags, axis=1)
    weights = np.array([each.numbers for each in coefficients], dtype=np.float64).T
    return steps.step("MatMul", seen, steps.value(weights))
