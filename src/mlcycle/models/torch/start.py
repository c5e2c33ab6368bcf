"""The weights that a network begins with where a fit goes on from a model: out of the model's ONNX graph."""

from typing import TYPE_CHECKING, Final

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from mlcycle.models.base import Job
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.params import TrainingParams

if TYPE_CHECKING:
    from mlcycle.models.torch.family import TorchModel

PREFIX: Final = "network."  # of the exported predictor's own part


def weights(graph: bytes) -> dict[str, Tensor]:
    """The network's weights by their names in torch: the exporter by tracing leaves them as they are."""
    found = onnx.load_from_string(graph).graph.initializer
    return {
        each.name.removeprefix(PREFIX): torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in found
        if each.name.startswith(PREFIX)
    }


def problem(family: "type[TorchModel]", job: Job, params: TrainingParams, start: "TorchModel") -> str:
    """Why the weights of ``start`` do not fit the network of these parameters; empty where they do."""
    if not job.kind.classifies:
        return "the unit that a network's numbers are in is not kept with it"
    columns = Columns(start.card.encoder, family.missing_apart)
    wanted = family.build(columns, params, len(job.classes) or len(job.quantiles)).state_dict()
    there = weights(start.graph)
    for name, value in wanted.items():
        if name not in there:
            return f"it has no weights {name}"
        if there[name].shape != value.shape:
            had, has = (" x ".join(map(str, shape)) for shape in (there[name].shape, value.shape))
            return f"its weights {name} are {had}, the candidate's {has}"
    if odd := sorted(set(there) - set(wanted)):
        return f"it has weights {odd[0]} that the candidate has not"
    return ""
