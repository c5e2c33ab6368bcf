"""Why a project exists, and what a prediction of it is worth."""

from typing import Annotated

from pydantic import Field

from mlcycle.project.part import Fraction, Part, Text


class Scope(Part):
    """Why the project exists and when it is good enough."""

    goal: Text
    owner: Text
    stakeholders: list[Text] = Field(min_length=1)
    constraints: list[Text] = []
    success: list[Text] = Field(min_length=1)


class Value(Part):
    """What one prediction is worth, in ``currency``.

    Classification: an outcome each, with the positive class acted on from ``threshold`` up.
    Regression: ``per_unit_error`` for each unit of absolute error.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    true_positive: float = 0
    false_positive: float = 0
    true_negative: float = 0
    false_negative: float = 0
    threshold: Fraction = 0.5
    per_unit_error: float = 0
