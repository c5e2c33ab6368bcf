"""Why a project exists, and what a prediction of it is worth."""

from typing import Annotated, Literal

from pydantic import Field

from mlcycle.project.part import Fraction, Part, Text, written_as


class Scope(Part):
    """Why the project exists and when it is good enough."""

    goal: Text
    owner: Text
    stakeholders: list[Text] = Field(min_length=1)
    constraints: list[Text] = []
    success: list[Text] = Field(min_length=1)


class PriceList(Part):
    """What an hour of what a step holds costs, in the value's currency."""

    cpu_hour: Annotated[float, Field(ge=0)] = 0
    memory_gib_hour: Annotated[float, Field(ge=0)] = 0
    gpu_hour: Annotated[float, Field(ge=0)] = 0


class Explore(Part):
    """A share of rows that a fair coin decides, so that what is not usually decided is known."""

    share: Annotated[float, Field(gt=0, le=0.5)]


class Value(Part):
    """What one prediction is worth, in ``currency``.

    Classification: an outcome each, with the positive class acted on from ``threshold`` up, but for the rows
    of ``explore``. ``label_needs``: a row's label is known only where it was decided so (a loan that is paid
    back is seen only of loans given); empty: of every row. Regression: ``per_unit_error`` for each unit of
    absolute error. Many classes: ``right_class`` for a row whose likeliest class is its own, ``wrong_class``
    for another.
    """

    currency: Annotated[str, written_as(r"^[A-Z]{3}$", "a currency: three capitals, like EUR")]
    true_positive: float = 0
    false_positive: float = 0
    true_negative: float = 0
    false_negative: float = 0
    threshold: Fraction = 0.5
    per_unit_error: float = 0
    right_class: float = 0
    wrong_class: float = 0
    explore: Explore | None = None
    label_needs: Literal["", "positive", "negative"] = ""
    prices: PriceList | None = None

    @property
    def amounts(self) -> list[str]:
        """Names of the amounts that are not nought."""
        sums = ("true_positive", "false_positive", "true_negative", "false_negative")
        every = (*sums, "per_unit_error", "right_class", "wrong_class")
        return [name for name in every if getattr(self, name)]

    @property
    def weighs(self) -> bool:
        """Whether labelled rows stand for others: labels depend on decisions of which a share is drawn."""
        return bool(self.label_needs) and self.explore is not None
