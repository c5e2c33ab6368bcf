"""How the training rows are dealt out to folds: for the spread of a metric, and for stacking."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from mlcycle.domain.durations import Duration
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part

if TYPE_CHECKING:  # a project file is read where there is no numpy
    from mlcycle.domain.folds import Folds, Plan

BY_TIME: Final = ("time_series", "purged")
BY_GROUP: Final = ("group", "leave_one_group_out")
BY_CHANCE: Final = ("k_fold", "stratified")


class CrossValidation(Part):
    """Folds of the training rows; validation and holdout are in none of them.

    ``time_series`` predicts each of ``folds`` blocks from the rows before it, ``purged`` from all others;
    both leave out rows whose label was not known by then, and ``embargo`` more. ``k_fold`` and ``stratified``
    are by chance from ``seed``, the latter with each class (each tenth of a number) spread evenly. ``group``
    and ``leave_one_group_out`` keep all rows of one value of the column ``group`` together.
    """

    policy: Literal["k_fold", "stratified", "group", "leave_one_group_out", "time_series", "purged"]
    folds: Annotated[int, Field(ge=2, le=50)] | None = None  # 5; leave_one_group_out has one for each group
    embargo: Duration = timedelta(0)
    group: Name | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None  # 17

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.policy in BY_GROUP and self.group is None:
            raise Misfit(f"policy {self.policy} needs group, the column whose rows stay together", "group")
        if self.policy not in BY_GROUP and self.group is not None:
            raise Misfit(
                f"policy {self.policy} looks at no group: say policy group, or remove group", "group"
            )
        if self.policy not in BY_TIME and self.embargo:
            raise Misfit(
                f"policy {self.policy} knows no time: say policy purged, or remove embargo", "embargo"
            )
        if self.policy not in BY_CHANCE and self.seed is not None:
            raise Misfit(f"policy {self.policy} leaves nothing to chance: remove seed", "seed")
        if self.policy == "leave_one_group_out" and self.folds is not None:
            raise Misfit(
                "leave_one_group_out has a fold for each group: remove folds, or say policy group", "folds"
            )
        return self

    def plan(self, known_after: timedelta) -> "Plan":
        """The folds as the domain makes them; a label is known ``known_after`` its row."""
        from mlcycle.domain.folds import (
            Forward,
            Grouped,
            KFold,
            LeaveOneGroupOut,
            Plan,
            Purged,
            Stratified,
        )

        folds, seed = self.folds or 5, 17 if self.seed is None else self.seed
        policy: Folds
        match self.policy:
            case "k_fold":
                policy = KFold(folds, seed)
            case "stratified":
                policy = Stratified(folds, seed)
            case "group":
                policy = Grouped(folds)
            case "leave_one_group_out":
                policy = LeaveOneGroupOut()
            case "time_series":
                policy = Forward(folds, known_after, self.embargo)
            case "purged":
                policy = Purged(folds, known_after, self.embargo)
        return Plan(policy, self.group or "")
