"""In which other formats a candidate's model is written beside its own."""

from typing import Annotated

from pydantic import Field

from mlcycle.project.part import Part


class Export(Part):
    """``onnx``: of trees and linear models; networks are ONNX anyway. ``exported_program``: of networks, by
    torch.export. ``int8``: the network's ONNX with matrices of eight bits, quantised dynamically. ``prune``:
    the network's ONNX without this share of each matrix's smallest weights. ``low_rank``: with each matrix as
    a product of two narrow ones that keeps this share of its energy, where that is smaller.
    """

    onnx: bool = False
    exported_program: bool = False
    int8: bool = False
    prune: Annotated[float, Field(gt=0, lt=1)] | None = None
    low_rank: Annotated[float, Field(gt=0, lt=1)] | None = None
