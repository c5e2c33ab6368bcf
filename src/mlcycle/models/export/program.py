"""A network as torch's exported program (``torch.export``): it runs without its code and holds no pickle."""

import io
from typing import Any

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.models.base import Model
from mlcycle.models.calibrated import Calibrated
from mlcycle.models.export.forms import check
from mlcycle.models.export.graphs import NotConverted


def program(model: Model) -> bytes:
    """The program, for any number of rows. Raises NotConverted where the network is not at hand."""
    from mlcycle.models.torch.family import TorchModel

    if isinstance(model, Calibrated):
        raise NotConverted("its calibration curve is in the form onnx alone")
    check(model)
    if not isinstance(model, TorchModel):
        raise NotConverted(f"family {model.card.family!r} is no network")
    if model.trained is None:
        raise NotConverted("the network is at hand right after its training alone")
    import torch

    network, inputs = model.trained
    rows = {0: torch.export.Dim.AUTO}
    made = torch.export.export(network, inputs, dynamic_shapes=tuple(rows for _ in inputs))
    # torch 2.13 keeps the inputs it was traced with by pickle; all else is JSON and plain numbers.
    made._example_inputs = None
    stream = io.BytesIO()
    torch.export.save(made, stream)
    return stream.getvalue()


def said(data: bytes, codes: Any, numbers: Any) -> Array:
    """What a program, read back, says of rows (n,)."""
    import torch

    network = torch.export.load(io.BytesIO(data)).module()
    with torch.no_grad():
        found = network(torch.from_numpy(codes), torch.from_numpy(numbers))
    return np.asarray(found.double().numpy(), dtype=np.float64)
