"""Base of the families that train with torch: a file with parameters and a network makes one.

Trained with torch, kept as ONNX, so that prediction needs onnxruntime alone.
"""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models.base import Card, Job, Model, Params
from mlcycle.models.quantile_models import QuantileModel
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.params import TrainingParams

if TYPE_CHECKING:
    from torch import nn

WEIGHTS: Final = "model.onnx"
CHUNK: Final = 1 << 16  # rows predicted at a time: memory stays bounded


class TorchModel(QuantileModel):
    """A network as an ONNX graph from codes and standardised numbers to predictions."""

    Parameters: ClassVar[type[Params]] = TrainingParams
    libraries = ("numpy", "pandas", "onnxruntime")
    distributed = True
    learns_quantiles = False  # a family whose network takes a number of outputs says that it does
    #: A missing category has a row of its own beside that of rare and never seen ones.
    missing_apart: ClassVar[bool] = True
    #: The network says the loss of each row itself (n,); what answers for rows is its ``served()``.
    own_loss: ClassVar[bool] = False

    def __init__(self, card: Card, graph: bytes) -> None:
        import onnxruntime

        super().__init__(card)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # small matrices: more threads only wait for each other
        options.log_severity_level = 3
        self.graph = graph  # ONNX
        #: The network itself and inputs to trace it with: of a model that was just trained.
        self.trained: tuple[nn.Module, Any] | None = None
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.columns = Columns(card.encoder, self.missing_apart)

    @staticmethod
    @abstractmethod
    def network(columns: Columns, params: Any) -> "nn.Module":
        """A new network: codes (n, coded) and numbers (n, numeric) to log odds (n,), or to the value in
        units of the labels' spread. Its last layer is ``head``, a linear one: it begins at the labels' mean.
        Where the family learns ``many_classes``, how many comes third: then it says (n, classes) scores;
        where it ``learns_quantiles`` their number, and it says (n, quantiles) values.
        """

    @classmethod
    def build(cls, columns: Columns, params: Any, outputs: int) -> "nn.Module":
        """The ``network``, for so many classes or quantiles; 0 of other tasks."""
        made: Any = cls.network
        return made(columns, params, outputs) if outputs else made(columns, params)

    @classmethod
    def furnish(cls, network: Any, columns: Columns, learnt: Any) -> None:
        """Give a new network what it needs to know of the training's rows beyond their columns: nothing."""

    @classmethod
    def finish(cls, network: Any, columns: Columns, job: Job) -> dict[str, float]:
        """Figures that are told once of the trained network, which may be changed here: none."""
        return {}

    @classmethod
    def fit(cls, job: Job, params: TrainingParams, name: str) -> Self:
        """Train and export; the exported graph is checked against the network it came from."""
        from mlcycle.models.torch.fitting import fit

        fitted = fit(cls, job, params, name)
        card = Card.of(job, name, params, fitted.encoder, (*cls.libraries, "torch"), fitted.epoch)
        model = cls(card, fitted.graph)
        worst = float(np.max(np.abs(model.outputs(fitted.sample) - fitted.said)))
        if not worst <= 1e-4 * max(1.0, float(np.max(np.abs(fitted.said)))):
            raise IntegrityError(f"the exported network differs from the trained one by {worst:g}")
        model.trained = fitted.trained
        return model

    @classmethod
    def start_problem(cls, job: Job, params: TrainingParams, start: Model) -> str:
        """Whether the network of these parameters has the very weights that the model has."""
        from mlcycle.models.torch.start import problem

        if not isinstance(start, cls):
            return f"it is a {type(start).__name__}"
        return problem(cls, job, params, start)

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, those of all classes, or the value."""
        return self.median(frame) if self.card.quantiles else self.outputs(frame)

    def raw(self, frame: Any) -> Array:
        """(n, q), sorted in the graph already."""
        return self.outputs(frame)

    def outputs(self, frame: Any) -> Array:
        """What the graph says: (n,), or (n, classes) or (n, q)."""
        width = (len(self.card.quantiles),) if self.card.quantiles else self.nothing.shape[1:]
        found = np.empty((len(frame), *width), dtype=np.float64)
        wanted = {item.name for item in self._session.get_inputs()}
        for start in range(0, len(frame), CHUNK):
            rows = frame.iloc[start : start + CHUNK]
            given = {"codes": self.columns.codes(rows), "numbers": self.columns.numbers(rows)}
            (predicted,) = self._session.run(None, {k: v for k, v in given.items() if k in wanted})
            found[start : start + CHUNK] = predicted
        return found

    def write(self, folder: Path) -> None:
        """Write the graph."""
        (folder / WEIGHTS).write_bytes(self.graph)

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the graph."""
        path = folder / WEIGHTS
        try:
            return cls(card, path.read_bytes())
        except Exception as error:  # noqa: BLE001 - onnxruntime has a kind of its own for each way to be broken
            reason = " ".join(str(error).split())[:300]
            raise IntegrityError(f"{path} is not an ONNX model: {reason}") from None
