"""MLflow's way to our loader: ``mlflow.pyfunc`` calls this, and no pickle is read."""

from pathlib import Path
from typing import Any

from mlcycle.domain.metrics import Array
from mlcycle.models.base import Model
from mlcycle.models.store import load


class _Predictor:
    """What ``mlflow.pyfunc`` expects of a model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> Array:
        """Predictions for a pandas frame; there are no parameters."""
        return self.model.predict(frame)


def _load_pyfunc(path: str) -> _Predictor:
    return _Predictor(load(Path(path)))
