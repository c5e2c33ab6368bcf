"""Limits that a challenger must keep however much it gains."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part, written_as

Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Calibration(Part):
    """``max_error``: how far predictions may be from what came true where they say the same, on average.

    Of a number it is a share of the standard deviation of the training's labels.
    """

    max_error: Limit


class Latency(Part):
    """Milliseconds that ``rows`` rows may take to predict, and times what they take the champion."""

    max_ms: Limit | None = None
    max_ratio: Limit | None = None
    rows: Annotated[int, Field(ge=1, le=100_000)] = 1000

    @model_validator(mode="after")
    def _something_is_limited(self) -> Self:
        _limited(self.max_ms, self.max_ratio, "max_ms")
        return self


class Size(Part):
    """MiB that a model's files may have, and times what the champion's have."""

    max_mib: Limit | None = None
    max_ratio: Limit | None = None

    @model_validator(mode="after")
    def _something_is_limited(self) -> Self:
        _limited(self.max_mib, self.max_ratio, "max_mib")
        return self


class Fairness(Part):
    """How far each group's ``rate`` may be from that of all other rows, for each of the ``columns``.

    ``selection_rate`` and ``true_positive_rate`` are of rows (of positives) at ``value.threshold`` or above;
    ``mean_error`` is the mean of prediction less label. Smaller groups than ``min_rows`` are not judged.
    """

    columns: list[Name] = Field(min_length=1)
    rate: Literal["selection_rate", "true_positive_rate", "mean_error"]
    max_difference: Limit
    min_rows: Annotated[int, Field(ge=10)] = 30


class FigureLimit(Part):
    """A figure of the model's evaluation by its path there, ``figures.recall`` or ``cost.model_mib``.

    Where the figure has an interval, the limit is broken where all of it lies beyond.
    """

    path: Annotated[
        str,
        written_as(
            r"^[a-z][a-z0-9_]*(\.[^.\s]{1,80}){1,8}$", "a figure's path: write it like figures.recall"
        ),
    ]
    at_most: Annotated[float, Field(allow_inf_nan=False)] | None = None
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _something_is_limited(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise Misfit(f"figure {self.path}: nothing is limited: say at_most, at_least, or both", "path")
        return self

    @property
    def part(self) -> str:
        """The part of the evaluation that tells it."""
        return self.path.partition(".")[0]


class Guardrails(Part):
    """Those that a project names; the others are not measured."""

    calibration: Calibration | None = None
    latency: Latency | None = None
    size: Size | None = None
    fairness: Fairness | None = None
    figures: list[FigureLimit] = []

    @property
    def columns(self) -> list[str]:
        """Columns that they read beside the inputs."""
        return self.fairness.columns if self.fairness else []


def _limited(absolute: float | None, ratio: float | None, name: str) -> None:
    if absolute is None and ratio is None:
        raise ValueError(f"nothing is limited: say {name}, max_ratio, or both")
