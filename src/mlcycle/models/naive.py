"""The naive forecast: what is to come is what was, the newest value or that of a season before.

R. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 2021, section 5.2. It
learns nothing but what to say where that value is missing; whoever forecasts is measured against it.
"""

import json
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import Field

from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import of_labels
from mlcycle.errors import ConfigError, IntegrityError
from mlcycle.models.base import Card, Job, Model, Params, curve_loss
from mlcycle.models.encoder import Encoder

FALLBACK: Final = "naive.json"


class NaiveParams(Params):
    """``column``: the numeric input whose value is the forecast; ``seed`` changes nothing."""

    column: str = Field(min_length=1)


class Naive(Model):
    """The value of one input, and the median of the training labels where it is missing."""

    Parameters = NaiveParams
    libraries = ("numpy", "pandas")
    numbers_alone = True
    names_columns = True

    def __init__(self, card: Card, fallback: float) -> None:
        super().__init__(card)
        self._fallback = fallback

    @classmethod
    def fit(cls, job: Job, params: NaiveParams, name: str) -> Self:
        """Keep the median; there is one round. Raises ConfigError where the column is no numeric input."""
        if params.column not in job.numeric:
            raise ConfigError(
                f"naive: column names {params.column!r}, which is not among the project's numeric inputs"
            )
        train = job.train.whole()
        encoder = Encoder.fit(train.frame, [], [params.column])
        (median,) = of_labels(train.labels, [0.5], train.weights).tolist()
        model = cls(Card.of(job, name, params, encoder, cls.libraries), median)
        job.report(
            1,
            1,
            {
                f"{part}_loss": curve_loss(job.task, rows.labels, model.predict(rows.frame))
                for part, rows in (("train", train), ("validation", job.validation.whole()))
            },
        )
        return model

    def predict(self, frame: Any) -> Array:
        """The column's value in each row."""
        values = self.card.encoder.numbers(frame)[:, 0]
        found: Array = np.where(np.isfinite(values), values, self._fallback)
        return found

    def write(self, folder: Path) -> None:
        """Write what is said where the value is missing."""
        (folder / FALLBACK).write_text(json.dumps({"fallback": self._fallback}), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read it."""
        path = folder / FALLBACK
        try:
            fallback = json.loads(path.read_text(encoding="utf-8"))["fallback"]
            if not isinstance(fallback, float) or not np.isfinite(fallback):
                raise ValueError("its fallback is no number")
            if len(card.encoder.numeric) != 1:
                raise ValueError("its card names no column, or several")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{path} is not a naive forecast: {error}") from None
        return cls(card, fallback)
