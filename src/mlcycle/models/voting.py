"""Voting: several families fitted on the same rows, and the mean of what they say.

J. Kittler, M. Hatef, R. Duin and J. Matas, "On Combining Classifiers", IEEE TPAMI 20, 1998: the sum rule.
Good for families that err differently; nothing is learnt of how good each is.
"""

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from mlcycle.domain.metrics import Array
from mlcycle.models.base import Job, curve_loss
from mlcycle.models.ensemble import Ensemble, EnsembleParams, Fitting, Name, Recipe, card_of, losses, mean


class VotingParams(EnsembleParams):
    """``weights`` by member, 1 where none is given."""

    members: dict[Name, Recipe] = Field(min_length=2, max_length=20)
    weights: dict[Name, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weights_are_of_members(self) -> Self:
        if unknown := sorted(set(self.weights) - set(self.members)):
            raise ValueError(f"weights names {unknown[0]!r}, no member: there are {', '.join(self.members)}")
        if any(not 0 < weight < float("inf") for weight in self.weights.values()):
            raise ValueError("weights are above 0: leave a member out that shall have none")
        return self

    def recipes(self) -> dict[str, Recipe]:
        """Those of the file."""
        return dict(self.members)


class Voting(Ensemble):
    """The weighted mean of the members."""

    Parameters = VotingParams

    @classmethod
    def fit(cls, job: Job, params: VotingParams, name: str) -> Self:
        """Fit a member after the other; each one's loss is reported, then that of the mean."""
        fitting, of = Fitting(job), len(params.members) + 1
        job = replace(job, train=job.train.whole(), validation=job.validation.whole())
        members = {}
        for i, (key, recipe) in enumerate(params.members.items()):
            inner = replace(fitting.of(key), train=job.train, validation=job.validation)
            members[key] = fitting.fit(key, recipe.family, recipe.parsed(), inner)
            later = job.validation.whole()
            loss = curve_loss(job.task, later.labels, members[key].predict(later.frame))
            fitting.tell(i + 1, of, {f"{key}_validation_loss": loss})
        model = cls(card_of(job, name, params, members), members)
        said = [model.predict(rows.whole().frame) for rows in (job.train, job.validation)]
        fitting.tell(of, of, losses(job, said[0], said[1]))
        return model

    def predict(self, frame: object) -> Array:
        """The weighted mean of the members' predictions."""
        weights = self.card.params["weights"]
        said = [member.predict(frame) for member in self.members.values()]
        return mean(said, [float(weights.get(name, 1.0)) for name in self.members])
