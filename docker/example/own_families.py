"""A model family of a project's own: every row is predicted the mean label of the training data."""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models.base import Card, Job, Model, Params
from mlcycle.models.encoder import Encoder

MEAN = "mean.json"


class Prior(Model):
    """The mean label, whatever the inputs."""

    libraries = ("numpy", "pandas")

    def __init__(self, card: Card, mean: float) -> None:
        super().__init__(card)
        self._mean = mean

    @classmethod
    def fit(cls, job: Job, params: Params, name: str) -> Self:
        """Take the mean."""
        train = job.train.whole()
        encoder = Encoder.fit(train.frame, [], [], limit=1, rare=1)
        return cls(Card.of(job, name, params, encoder, cls.libraries), float(train.labels.mean()))

    def predict(self, frame: Any) -> Array:
        """The same for each row."""
        return np.full(len(frame), self._mean)

    def write(self, folder: Path) -> None:
        """One number."""
        (folder / MEAN).write_text(json.dumps(self._mean), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read it."""
        try:
            return cls(card, float(json.loads((folder / MEAN).read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError) as error:
            raise IntegrityError(f"{folder / MEAN} is not a mean: {error}") from None
