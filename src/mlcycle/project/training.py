"""Who competes, with what, and how they are measured."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from mlcycle.project.part import Name, Part


class Resources(Part):
    """What one training of a candidate may use."""

    cpu: Annotated[float, Field(gt=0, le=256)] = 1
    memory: Annotated[str, Field(pattern=r"^\d+(Mi|Gi)$")] = "2Gi"
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
