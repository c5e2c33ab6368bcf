"""A deep and cross network for tables: embeddings, explicit feature crosses, and a small MLP.

R. Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning
to Rank Systems", WWW 2021: the parallel structure with full-rank cross layers. Trained with torch,
kept as ONNX, so that prediction needs onnxruntime alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models.base import Card, Job, Model
from mlcycle.models.deep_cross_params import DeepCrossParams
from mlcycle.models.encoder import Encoder

if TYPE_CHECKING:
    from mlcycle.models.deep_cross_net import Fitted

WEIGHTS: Final = "model.onnx"
CHUNK: Final = 1 << 16  # rows predicted at a time: memory stays bounded


class DeepCross(Model):
    """The network as an ONNX graph from codes and standardised numbers to predictions."""

    Parameters = DeepCrossParams
    libraries = ("numpy", "pandas", "onnxruntime")

    def __init__(self, card: Card, graph: bytes) -> None:
        import onnxruntime

        super().__init__(card)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # small matrices: more threads only wait for each other
        options.log_severity_level = 3
        self._graph = graph
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @classmethod
    def fit(cls, job: Job, params: DeepCrossParams, name: str) -> Self:
        """Train and export; the exported graph is checked against the network it came from."""
        from mlcycle.models.deep_cross_net import train

        rows = job.train.whole()
        encoder = Encoder.fit(rows.frame, job.categorical, job.numeric, limit=100_000, rare=params.rare)
        later = job.validation.whole()
        fitted = train(job, rows, later, params, encoder)
        card = Card.of(job, name, params, encoder, (*cls.libraries, "torch"), fitted.epoch)
        model = cls(card, fitted.graph)
        model._check(later, fitted)
        return model

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, or the value."""
        found = np.empty(len(frame), dtype=np.float64)
        for start in range(0, len(frame), CHUNK):
            rows = frame.iloc[start : start + CHUNK]
            encoder = self.card.encoder
            given = {"codes": encoder.codes(rows), "numbers": encoder.standardised(rows)}
            wanted = {item.name for item in self._session.get_inputs()}
            (predicted,) = self._session.run(None, {k: v for k, v in given.items() if k in wanted})
            found[start : start + CHUNK] = predicted
        return found

    def write(self, folder: Path) -> None:
        """Write the graph."""
        (folder / WEIGHTS).write_bytes(self._graph)

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the graph."""
        path = folder / WEIGHTS
        try:
            return cls(card, path.read_bytes())
        except Exception as error:  # noqa: BLE001 - onnxruntime has a kind of its own for each way to be broken
            reason = " ".join(str(error).split())[:300]
            raise IntegrityError(f"{path} is not an ONNX model: {reason}") from None

    def _check(self, later: Rows, fitted: "Fitted") -> None:
        """The graph must say what the network said. Raises IntegrityError."""
        rows = later.frame.iloc[: len(fitted.sample)]
        worst = float(np.max(np.abs(self.predict(rows) - fitted.sample)))
        if not worst <= 1e-4 * max(1.0, float(np.max(np.abs(fitted.sample)))):
            raise IntegrityError(f"the exported network differs from the trained one by {worst:g}")
