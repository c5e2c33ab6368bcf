"""Smaller networks out of a network's ONNX graph: matrices of eight bits, or without their smallest weights.

B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018 (dynamic: activations are measured as they come); S. Han et al., "Learning both Weights
and Connections for Efficient Neural Networks", NIPS 2015 (by magnitude, and not trained again).
"""

import logging
import tempfile
from pathlib import Path

import numpy as np

from mlcycle.models.export.graphs import NotConverted

MATRICES = ("MatMul", "Gemm")


def int8(graph: bytes) -> bytes:
    """Weights of matrices and embeddings in eight bits, dynamically quantised by onnxruntime."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    log = logging.getLogger()
    level = log.level
    with tempfile.TemporaryDirectory(prefix="mlcycle-int8-") as folder:
        target = Path(folder) / "int8.onnx"
        try:
            log.setLevel(
                logging.ERROR
            )  # onnxruntime asks the root logger for a pre-processing that is not needed
            quantize_dynamic(onnx.load_from_string(graph), target, weight_type=QuantType.QInt8)
        finally:
            log.setLevel(level)
        made = target.read_bytes()
    kinds = {node.op_type for node in onnx.load_from_string(made).graph.node}
    if not kinds & {"MatMulInteger", "DynamicQuantizeLinear", "DequantizeLinear"}:
        raise NotConverted("it has no matrix to quantise")
    return made


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
