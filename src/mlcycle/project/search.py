"""What a candidate's search may try, how, and how much it may spend."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from mlcycle.domain.architecture import DEEPEST, Shape
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import ParameterName, Part

Method = Literal["grid", "random", "tpe", "gp", "cmaes", "nsga2"]
Pruner = Literal["none", "successive_halving", "hyperband"]
Measure = Literal["validation", "cross_validation"]
Fidelity = Literal["rounds", "rows"]


class Range(Part):
    """A number between two bounds, both included; on a logarithmic scale, or in steps from ``low``."""

    low: int | float
    high: int | float
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if not self.low < self.high:
            raise Misfit(f"low {self.low:g} is not below high {self.high:g}", "low")
        if self.log and self.low <= 0:
            raise Misfit(f"low {self.low:g} has no logarithm: give a low above 0, or leave out log", "low")
        if self.log and self.step is not None:
            raise Misfit("log and step exclude each other: leave one out", "step")
        return self


class Layers(Part):
    """Lists of widths: ``depth`` layers, fewest and most, the first one ``width`` wide, least and most.

    ``shape`` is how the others follow: ``constant`` or ``pyramid``, each half as wide as the one before.
    """

    depth: tuple[Annotated[int, Field(ge=1, le=DEEPEST)], Annotated[int, Field(ge=1, le=DEEPEST)]]
    width: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    shape: Annotated[list[Shape], Field(min_length=1)] = ["constant"]

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        for name, (low, high) in (("depth", self.depth), ("width", self.width)):
            if low > high:
                raise ValueError(f"{name} goes from {low} to {high}: say the least first")
        if len(set(self.shape)) < len(self.shape):
            raise ValueError("a shape is given twice")
        return self


Choices = Annotated[list[JsonValue], Field(min_length=1, max_length=200)]


def _shape(value: Any) -> str:
    if isinstance(value, list):
        return "choices"
    layers = isinstance(value, Layers) or (isinstance(value, dict) and {"depth", "width"} & value.keys())
    return "layers" if layers else "range"


class Search(Part):
    """A candidate's search; the form of ``<project>_tune`` changes all but its space for one run.

    ``measure`` is what a trial's value is of: the validation rows, or the folds of
    ``split.cross_validation``. ``fidelity`` is what a pruner judges by: rounds of a fit, or fits on the
    newest 27th, ninth and third of the rows.
    """

    space: dict[
        ParameterName,
        Annotated[
            Annotated[Range, Tag("range")]
            | Annotated[Choices, Tag("choices")]
            | Annotated[Layers, Tag("layers")],
            Discriminator(_shape),
        ],
    ] = Field(min_length=1, max_length=64)
    method: Method = "tpe"
    pruner: Pruner = "none"
    measure: Measure = "validation"
    fidelity: Fidelity = "rounds"
    trials: Annotated[int, Field(ge=1, le=10_000)] = 40
    minutes: Annotated[float, Field(gt=0, le=20_160)] | None = None
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    money: Annotated[float, Field(gt=0)] | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 2
