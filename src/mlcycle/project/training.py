"""Who competes, with what, and how they are measured."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from mlcycle.project.limits import Cpu, Memory
from mlcycle.project.part import Name, Part


class Resources(Part):
    """What one training of a candidate may use; what is not given is as ``steps.train`` says."""

    cpu: Cpu | None = None
    memory: Memory | None = None
    gpu: Annotated[int, Field(ge=0, le=64)] = 0


class Candidate(Part):
    """A model family with its parameters."""

    family: Name
    params: dict[Name, JsonValue] = {}
    resources: Resources = Resources()


class Evaluation(Part):
    """How candidates are measured on the holdout."""

    metric: Literal["log_loss", "roc_auc", "brier", "rmse", "mae"]
    heuristic: Name  # the candidate that stands for what people do without learning
    slices: list[Name] = []
