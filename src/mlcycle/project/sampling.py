"""Which of the training rows a fit learns from."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mlcycle.project.learning import ClassName
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part

Share = Annotated[float, Field(gt=0, le=1)]


class Sample(Part):
    """Rows drawn to learn from, by ``share``, by number (``rows``) or by class; what is measured is whole.

    ``strata``: columns within whose values ``share`` or ``rows`` are taken. ``weight``: a numeric column in
    proportion to which ``rows`` are drawn. ``correct``: a drawn row weighs one over the chance that it had.
    """

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    rows: Annotated[int, Field(ge=1, le=10**9)] | None = None
    classes: dict[ClassName, Share] = {}
    strata: list[Name] = []
    weight: Name | None = None
    correct: bool = True
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 17

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("share", "rows", "classes") if getattr(self, name)]
        if len(given) != 1:
            said = f"says {' and '.join(given)}" if given else "says nothing"
            raise ValueError(f"sample {said}: say one of share, rows and classes")
        if self.strata and self.classes:
            raise Misfit("strata is beside share or rows: classes are drawn by class", "strata")
        if self.weight and not self.rows:
            raise Misfit("weight is beside rows: how many are drawn by it", "weight")
        return self

    @property
    def columns(self) -> list[str]:
        """Columns of a row that decide whether it is drawn."""
        return [*self.strata, *([self.weight] if self.weight else [])]
