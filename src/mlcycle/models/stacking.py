"""Stacking: a model that learns how much to believe each of several others.

D. Wolpert, "Stacked Generalization", Neural Networks 5, 1992; L. Breiman, "Stacked Regressions", Machine
Learning 24, 1996. What it learns from are out-of-fold predictions alone: what members say of rows that they
have learnt themselves flatters those that overfit.
"""

from dataclasses import replace
from typing import Any, Final, Self

import numpy as np
from pydantic import Field, model_validator

from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.domain.tasks import task_of
from mlcycle.models.base import Job, curve_loss
from mlcycle.models.ensemble import Ensemble, EnsembleParams, Fitting, Name, Recipe, card_of
from mlcycle.models.out_of_fold import at, out_of_fold

FINAL: Final = "final"
CLIP: Final = 1e-6  # probabilities are kept this far from 0 and 1 before their log-odds are taken


class StackingParams(EnsembleParams):
    """``final`` learns from the members' predictions, as log-odds where they are probabilities.

    Folds are those of the project's ``split.cross_validation``; without it five blocks of time, each
    predicted from the rows before it.
    """

    members: dict[Name, Recipe] = Field(min_length=2, max_length=20)
    final: Recipe = Recipe(family="linear")

    @model_validator(mode="after")
    def _final_is_no_member(self) -> Self:
        if FINAL in self.members:
            raise ValueError(
                f"a member is called {FINAL!r}, as the model that learns from members: rename it"
            )
        return self

    def recipes(self) -> dict[str, Recipe]:
        """Those of the members, then of the final model."""
        return {**self.members, FINAL: self.final}


class Stacking(Ensemble):
    """Members, and the final model on what they say."""

    Parameters = StackingParams

    @classmethod
    def fit(cls, job: Job, params: StackingParams, name: str) -> Self:
        """Fit each member on all rows, then on each fold for as many rounds; then the final model."""
        fitting, of = Fitting(job), 2 * len(params.members) + 1
        rows, later = job.train.whole(), job.validation.whole()
        members, outer, seen = {}, {}, {}
        covered: Any = None
        for i, (key, recipe) in enumerate(params.members.items()):
            own = recipe.parsed()
            inner = replace(fitting.of(key), train=rows, validation=later)
            model = members[key] = fitting.fit(key, recipe.family, own, inner)
            seen[key] = model.predict(later.frame)
            loss = curve_loss(job.task, later.labels, seen[key])
            fitting.tell(2 * i + 1, of, {f"{key}_validation_loss": loss})
            length = replace(inner, rounds=model.card.rounds or None, member_rounds=model.card.member_rounds)
            found = out_of_fold(length, own, recipe.family)
            covered, outer[key] = found.covered, found.predictions
            loss = curve_loss(job.task, rows.labels[covered], outer[key][covered])
            fitting.tell(2 * i + 2, of, {f"{key}_fold_loss": loss})
        stacked = at(replace(rows, frame=_frame(job.task, outer)), covered)
        watched = Rows(_frame(job.task, seen), later.labels, later.weights)
        last = replace(
            fitting.of(FINAL),
            categorical=[],
            numeric=list(outer),
            text=[],
            fitted=(),
            train=stacked,
            validation=watched,
        )
        final = members[FINAL] = fitting.fit(FINAL, params.final.family, params.final.parsed(), last)
        model_losses = {
            "train_loss": curve_loss(job.task, stacked.labels, final.predict(stacked.frame)),
            "validation_loss": curve_loss(job.task, later.labels, final.predict(watched.frame)),
        }
        fitting.tell(of, of, model_losses)
        return cls(card_of(job, name, params, members), members)

    def predict(self, frame: Any) -> Array:
        """What the final model makes of the members' predictions."""
        said = {name: member.predict(frame) for name, member in self.members.items() if name != FINAL}
        return self.members[FINAL].predict(_frame(self.card.task, said))


def _frame(task: str, said: dict[str, Array]) -> Any:
    """A column for each member."""
    import pandas as pd

    if task_of(task).probabilities:
        clipped = {name: np.clip(values, CLIP, 1 - CLIP) for name, values in said.items()}
        said = {name: np.log(values / (1 - values)) for name, values in clipped.items()}
    return pd.DataFrame(said)
