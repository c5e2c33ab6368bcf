"""What a candidate's search may try, how, and how much it may spend."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part

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


Choices = Annotated[list[JsonValue], Field(min_length=1, max_length=200)]


def _shape(value: Any) -> str:
    return "choices" if isinstance(value, list) else "range"


class Search(Part):
    """A candidate's search; the form of ``<project>_tune`` changes all but its space for one run.

    ``measure`` is what a trial's value is of: the validation rows, or the folds of
    ``split.cross_validation``. ``fidelity`` is what a pruner judges by: rounds of a fit, or fits on the
    newest 27th, ninth and third of the rows.
    """

    space: dict[
        Name,
        Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_shape)],
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
