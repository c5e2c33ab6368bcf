"""Smaller networks out of a network's ONNX graph: matrices of eight bits, without their smallest weights, or
as products of narrow ones.

B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018 (dynamic: activations are measured as they come); S. Han et al., "Learning both Weights
and Connections for Efficient Neural Networks", NIPS 2015 (by magnitude, and not trained again); J. Xue, J. Li
and Y. Gong, "Restructuring of Deep Neural Network Acoustic Models with Singular Value Decomposition",
Interspeech 2013 (not trained again either).
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlcycle.models.export.graphs import NotConverted

MATRICES = ("MatMul", "Gemm")


def int8(graph: bytes) -> bytes:
    """Weights of matrices and embeddings in eight bits, dynamically quantised by onnxruntime."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="mlcycle-int8-") as folder, _quiet():
        target = Path(folder) / "int8.onnx"
        quantize_dynamic(onnx.load_from_string(graph), target, weight_type=QuantType.QInt8)
        made = target.read_bytes()
    kinds = {node.op_type for node in onnx.load_from_string(made).graph.node}
    if not kinds & {"MatMulInteger", "DynamicQuantizeLinear", "DequantizeLinear"}:
        raise NotConverted("it has no matrix to quantise")
    return made


def int8_static(graph: bytes, batches: list[dict[str, Any]]) -> bytes:
    """Matrices and what goes into them in eight bits, by ranges measured on some rows' inputs.

    ``batches`` are inputs of the graph by name. Raises NotConverted for a graph without a matrix.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    model = onnx.load_from_string(graph)
    if not any(node.op_type in MATRICES for node in model.graph.node):
        raise NotConverted("it has no matrix to quantise")
    wanted = {item.name for item in model.graph.input}

    class Rows(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self._left, None)
            return None if batch is None else {k: v for k, v in batch.items() if k in wanted}

    with tempfile.TemporaryDirectory(prefix="mlcycle-int8-") as folder, _quiet():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph)
        quantize_static(
            source,
            target,
            Rows(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(MATRICES),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the pre-processing that onnxruntime asks the root logger for, and that is not needed."""
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def prune(graph: bytes, share: float) -> bytes:
    """The graph with the smallest ``share`` of each matrix's weights put to nought."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    used = {name for node in model.graph.node if node.op_type in MATRICES for name in node.input}
    done = 0
    for tensor in model.graph.initializer:
        if tensor.name in used and len(tensor.dims) == 2:
            weights = numpy_helper.to_array(tensor).copy()
            count = int(share * weights.size)
            smallest = np.argsort(np.abs(weights), axis=None, kind="stable")[:count]
            weights.reshape(-1)[smallest] = 0
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
            done += count
    if not done:
        raise NotConverted("it has no matrix to prune")
    data: bytes = model.SerializeToString()
    return data


def low_rank(graph: bytes, energy: float) -> bytes:
    """The graph with each matrix as a product of two, of the least rank that keeps this share of its energy.

    The energy is the sum of the squared singular values. A matrix that two would be no smaller than is left.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(graph)
    tensors = {one.name: one for one in model.graph.initializer if len(one.dims) == 2}
    nodes: list[Any] = []
    added: list[Any] = []
    for number, node in enumerate(model.graph.node):
        how = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        pair = None
        if node.op_type in MATRICES and node.input[1] in tensors:
            weights = numpy_helper.to_array(tensors[node.input[1]])
            pair = _product(weights.T if how.pop("transB", 0) else weights, energy)
        if pair is None:
            nodes.append(node)
            continue
        names = [f"low_rank_{number}_{part}" for part in ("first", "second", "between")]
        added += [numpy_helper.from_array(one, name) for one, name in zip(pair, names[:2], strict=True)]
        turned = {"transA": how.pop("transA")} if how.get("transA") else {}
        first = "Gemm" if turned else "MatMul"
        nodes.append(helper.make_node(first, [node.input[0], names[0]], [names[2]], **turned))
        inputs = [names[2], names[1], *node.input[2:]]
        nodes.append(helper.make_node(node.op_type, inputs, list(node.output), **how))
    if not added:
        raise NotConverted(f"it has no matrix that becomes smaller at {energy:g} of its energy")
    used = {name for node in nodes for name in node.input}
    kept = [one for one in model.graph.initializer if one.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*kept, *added])
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _product(weights: Any, energy: float) -> tuple[Any, Any] | None:
    """(m, r) and (r, n) for (m, n), or None where they would be no smaller."""
    left, values, right = np.linalg.svd(weights.astype(np.float64), full_matrices=False)
    shares = np.cumsum(values**2) / max(float(np.sum(values**2)), 1e-300)
    rank = min(int(np.searchsorted(shares, energy)) + 1, len(values))
    if rank * sum(weights.shape) >= weights.size:
        return None
    roots = np.sqrt(values[:rank])
    one, other = left[:, :rank] * roots, roots[:, None] * right[:rank]
    return np.ascontiguousarray(one, dtype=weights.dtype), np.ascontiguousarray(other, dtype=weights.dtype)
