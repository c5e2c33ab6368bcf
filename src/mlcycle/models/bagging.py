"""Bagging: one family fitted on rows drawn again and again, and the mean of what the fits say.

L. Breiman, "Bagging Predictors", Machine Learning 24, 1996. Good for families that a few rows change much.
"""

from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mlcycle.domain.metrics import Array
from mlcycle.models.base import Job
from mlcycle.models.ensemble import Ensemble, EnsembleParams, Fitting, Recipe, card_of, losses, mean
from mlcycle.models.out_of_fold import at


class BaggingParams(EnsembleParams):
    """``bags`` fits of ``member``, each on a ``sample`` of the rows: with ``replacement``, or none twice."""

    member: Recipe
    bags: int = Field(10, ge=2, le=100)
    sample: float = Field(1.0, gt=0, le=1)
    replacement: bool = True

    def recipes(self) -> dict[str, Recipe]:
        """The same for each bag."""
        return {f"bag_{i}": self.member for i in range(self.bags)}


class Bagging(Ensemble):
    """The mean of the bags."""

    Parameters = BaggingParams

    @classmethod
    def fit(cls, job: Job, params: BaggingParams, name: str) -> Self:
        """Fit a bag after the other; the losses are those of the mean of all bags there are."""
        fitting, rows, later = Fitting(job), job.train.whole(), job.validation.whole()
        job = replace(job, train=rows, validation=later)
        members, learnt, seen = {}, [], []
        own = params.member.parsed()
        for i, bag in enumerate(params.recipes()):
            # Members that draw themselves draw differently, and the rows of a bag are its own.
            seeded = own.model_copy(update={"seed": (own.seed + i) % 2**31})
            drawn = at(rows, _drawn(rows.labels, params, i, classes=job.kind.classifies))
            inner = replace(fitting.of(bag), train=drawn, validation=later)
            members[bag] = fitting.fit(bag, params.member.family, seeded, inner)
            learnt.append(members[bag].predict(rows.frame))
            seen.append(members[bag].predict(later.frame))
            fitting.tell(i + 1, params.bags, losses(job, mean(learnt), mean(seen)))
        return cls(card_of(job, name, params, members), members)

    def predict(self, frame: object) -> Array:
        """The mean of the bags' predictions."""
        return mean([member.predict(frame) for member in self.members.values()])


def _drawn(labels: Array, params: BaggingParams, bag: int, *, classes: bool) -> NDArray[np.int64]:
    """Positions of a bag's rows in their order; of classes there are two in every bag."""
    count = max(1, round(params.sample * len(labels)))
    random = np.random.default_rng([params.seed, bag])
    several = classes and len(np.unique(labels)) > 1
    for _ in range(1000):
        drawn = np.sort(random.choice(len(labels), count, replace=params.replacement))
        if not several or len(np.unique(labels[drawn])) > 1:
            break
    return np.asarray(drawn, dtype=np.int64)
