"""Two towers, one for who asks and one for what is asked for; a row's score is the product of their vectors.

X. Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019:
the softmax over all items is estimated on sampled ones, and each score is lowered by the log of how often
its item is sampled (log-Q), without which frequent items, met as negatives all the time, are pushed away.
S. Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation", ACL 2015.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mlcycle.domain.examples import Examples, Rows
from mlcycle.errors import ConfigError, InputError
from mlcycle.models.base import Job
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.family import TorchModel
from mlcycle.models.torch.params import TrainingParams

if TYPE_CHECKING:
    from torch import nn


class TwoTowerParams(TrainingParams):
    """``query`` and ``item`` name the inputs of each tower; the first of ``item`` is the item's name.

    ``negatives``: the items of the batch's other rows, or ``sampled`` ones a batch by a log-uniform draw over
    items in order of frequency. ``log_q`` corrects for how often an item is drawn. ``temperature`` divides
    the products, which are cosines. ``embedding`` is the most that a column's vectors are wide, ``width``
    that of a tower's answer.
    """

    query: list[str] = Field(min_length=1)
    item: list[str] = Field(min_length=1)
    negatives: Literal["batch", "log_uniform"] = "batch"
    sampled: int = Field(512, ge=1, le=100_000)
    log_q: bool = True
    temperature: float = Field(0.1, gt=0, le=10)
    layers: list[int] = Field([64], max_length=16)
    width: int = Field(32, ge=1, le=1024)
    embedding: int = Field(32, ge=1, le=512)
    dropout: float = Field(0.0, ge=0, lt=1)
    epochs: int = Field(10, ge=1, le=1000)
    batch_size: int = Field(512, ge=2)
    rare: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _towers_share_no_column(self) -> "TwoTowerParams":
        if both := sorted(set(self.query) & set(self.item)):
            raise ValueError(f"{both[0]!r} is of query and of item: name it in one")
        return self


@dataclass(frozen=True)
class Positives:
    """The rows of examples whose label is above nought: what was liked, by whom."""

    examples: Examples
    count: int

    @classmethod
    def of(cls, examples: Examples, what: str) -> Self:
        """Raises InputError where there are none."""
        count = sum(int(np.count_nonzero(part.labels > 0)) for part in examples.parts())
        if not count:
            raise InputError(f"no {what} row has a label above 0: two_tower learns from those alone")
        return cls(examples, count)

    def whole(self) -> Rows:
        """All at once."""
        return self._of(self.examples.whole())

    def parts(self) -> Iterator[Rows]:
        """A part at a time, those without any left out."""
        for part in self.examples.parts():
            if (found := self._of(part)).count:
                yield found

    def _of(self, rows: Rows) -> Rows:
        liked = np.flatnonzero(rows.labels > 0)
        weights = None if rows.weights is None else rows.weights[liked]
        return Rows(rows.frame.iloc[liked].reset_index(drop=True), rows.labels[liked], weights)


class TwoTower(TorchModel):
    """Learns from rows with a label above nought; scores any row.

    Of a ranking the score is the product itself; of two classes the sigmoid of a line through it, fitted on
    all training rows. After the fit the training's log says how often a later liked item is among the first
    10 of all items (recall, by brute force), beside the 10 most frequent.
    """

    Parameters = TwoTowerParams
    own_loss: ClassVar[bool] = True

    @classmethod
    def fit(cls, job: Job, params: Any, name: str) -> Self:
        """Fit on the rows that were liked. Raises ConfigError for columns that are no inputs."""
        for column in [*params.query, *params.item]:
            if column in job.text:
                raise ConfigError(
                    f"family {name!r}: {column!r} is a text, which towers do not read: leave it out"
                )
            if column not in [*job.categorical, *job.numeric]:
                raise ConfigError(f"family {name!r}: {column!r} is no input of the project")
        if params.item[0] not in job.categorical:
            raise ConfigError(f"family {name!r}: item begins with {params.item[0]!r}, which is no category")
        if job.kind.many or not (job.kind.lists or job.kind.classifies):
            raise ConfigError(f"family {name!r} learns a ranking or two classes, not a {job.task}")
        both = Positives.of(job.train, "training"), Positives.of(job.validation, "validation")
        return super().fit(replace(job, text=[], train=both[0], validation=both[1]), params, name)

    @classmethod
    def start_problem(cls, job: Job, params: Any, start: Any) -> str:
        """It cannot: the items that it is taught against are those of its own training."""
        return "the items of its training are not kept with it"

    @staticmethod
    def network(columns: Columns, params: TwoTowerParams) -> "nn.Module":
        """Both towers; what it says in training is its loss, ``served`` says the score."""
        from mlcycle.models.torch.towers import Towers

        return Towers(columns, params)

    @classmethod
    def furnish(cls, network: Any, columns: Columns, learnt: Any) -> None:
        """Give the network the items of the training and their frequency."""
        network.catalogue(columns, learnt)

    @classmethod
    def finish(cls, network: Any, columns: Columns, job: Job) -> dict[str, float]:
        """What is to be told of the trained network; of two classes its line is fitted here."""
        from mlcycle.models.torch import retrieval

        if job.kind.classifies and isinstance(job.train, Positives):
            retrieval.fit_line(network, columns, job.train.examples)
        return retrieval.recalls(network, columns, job.validation)
