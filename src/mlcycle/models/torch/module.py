"""A torch module of a project's own, trained by our loop and kept as ONNX: predicting needs neither.

Its ``__init__`` takes ``rows`` (how many codes each categorical column has), ``numeric`` (width of the
numbers) and ``outputs`` (1, or how many classes or quantiles) by name, and the parameters of its candidate.
``forward(codes, numbers)`` takes integers (n, categorical) and numbers (n, numeric), and returns (n, outputs)
log odds or values in units of the labels' spread.

One that takes ``texts`` too is given how many ids each text column has and how many columns of codes, behind
the categories', hold its words; another is not shown them.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mlcycle.errors import ConfigError
from mlcycle.models.base import Job, Model
from mlcycle.models.registry import OWN_NETWORK
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.family import TorchModel
from mlcycle.models.torch.params import TrainingParams
from mlcycle.project_code import said

if TYPE_CHECKING:
    from torch import nn

#: What a module is given, that is no parameter of a candidate.
NOT_THEIRS: Final = frozenset({"rows", "numeric", "outputs", "texts"})


class ModuleParams(TrainingParams):
    """How the module is trained; its own parameters come beside."""


class OwnNetwork(TorchModel):
    """The module that ``make`` is, and a line behind it that begins at the labels' mean."""

    Parameters = ModuleParams
    many_classes = True
    learns_quantiles = True
    make: ClassVar[Callable[..., Any]]

    @classmethod
    def start_problem(cls, job: Job, params: TrainingParams, start: Model) -> str:
        """Always one: which of its weights are of which layer, only its author knows."""
        return "networks of a project's own begin anew"

    def write(self, folder: Path) -> None:
        """Write the graph, and that nothing else is needed to read it."""
        super().write(folder)
        (folder / OWN_NETWORK).write_text("model.onnx is all there is to read\n", encoding="utf-8")

    @classmethod
    def build(cls, columns: Columns, params: Any, outputs: int) -> "nn.Module":
        """The module, made of its own parameters. Raises ConfigError where it cannot be made."""
        import torch
        from torch import Tensor, nn

        reads = "texts" in inspect.signature(cls.make).parameters
        seen = columns.coded if reads else len(columns.rows)

        class Network(nn.Module):  # type: ignore[misc]
            def __init__(self, inner: nn.Module) -> None:
                super().__init__()
                self.inner = inner
                self.head = nn.Linear(outputs or 1, outputs or 1)
                with torch.no_grad():
                    self.head.weight.copy_(torch.eye(outputs or 1))

            def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
                said = self.inner(codes[:, :seen], numbers)
                out = self.head(said if said.dim() == 2 else said[:, None])
                return out if outputs else out[:, 0]

        own = {name: getattr(params, name) for name in type(params).model_fields}
        own = {name: value for name, value in own.items() if name not in ModuleParams.model_fields}
        if reads:
            own["texts"] = columns.texts
        try:
            inner = cls.make(rows=columns.rows, numeric=columns.numeric, outputs=outputs or 1, **own)
        except Exception as error:  # noqa: BLE001 - whatever somebody's module raises
            raise ConfigError(f"the network cannot be made: {said(error)}") from None
        _try(inner, seen, columns.numeric, outputs or 1)
        return Network(inner)

    @staticmethod
    def network(columns: Columns, params: Any) -> "nn.Module":
        """Of a class that ``build`` makes; never called."""
        raise NotImplementedError


def _try(inner: "nn.Module", coded: int, numeric: int, outputs: int) -> None:
    """Raise ConfigError for a module that does not answer two rows as it should."""
    import torch

    rows = 2
    codes = torch.zeros(rows, coded, dtype=torch.long)
    was = inner.training
    inner.eval()
    try:
        with torch.no_grad():
            found = inner(codes, torch.zeros(rows, numeric))
    except Exception as error:  # noqa: BLE001 - whatever somebody's module raises
        raise ConfigError(f"the network fails on two rows: {said(error)}") from None
    inner.train(was)
    shape = tuple(found.shape)
    if shape != (rows, outputs) and not (outputs == 1 and shape == (rows,)):
        raise ConfigError(f"the network returns {shape} for {rows} rows: ({rows}, {outputs}) is expected")
