"""In which other formats a candidate's model is written beside its own."""

from typing import Annotated

from pydantic import Field

from mlcycle.project.part import Part


class Distil(Part):
    """A smaller network: hidden layers, rounds, and how much the model's answers weigh beside labels."""

    layers: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(max_length=16)] = [32]
    epochs: Annotated[int, Field(ge=1, le=1000)] = 4
    weight: Annotated[float, Field(ge=0, le=1)] = 0.7


class Export(Part):
    """``onnx``: of trees and linear models; networks are ONNX anyway. ``exported_program``: of networks, by
    torch.export. ``int8``: the network's ONNX with matrices of eight bits, quantised dynamically. ``prune``:
    the network's ONNX without this share of each matrix's smallest weights. ``low_rank``: with each matrix as
    a product of two narrow ones that keeps this share of its energy, where that is smaller. ``int8_static``:
    with activations in eight bits too, their ranges measured on training rows. ``distil``: a smaller network
    that learns what the model says.
    """

    onnx: bool = False
    exported_program: bool = False
    int8: bool = False
    prune: Annotated[float, Field(gt=0, lt=1)] | None = None
    low_rank: Annotated[float, Field(gt=0, lt=1)] | None = None
    int8_static: bool = False
    distil: Distil | None = None
