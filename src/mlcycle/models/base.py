"""What every model family is: parameters it owns, a fit, a prediction, and files without pickle."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mlcycle.domain.examples import Examples
from mlcycle.domain.fitted import Wish
from mlcycle.domain.folds import Plan
from mlcycle.domain.metrics import Array
from mlcycle.domain.tasks import Task as TaskObject
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError
from mlcycle.models.encoder import Encoder
from mlcycle.project_code import current, is_reference, parts_of

Task = Literal["classification", "multiclass", "ranking", "regression"]

#: Called after each round of a fit: round (from 1), rounds in all, figures by name, of which those that end
#: in ``_loss`` are drawn as its curve. True says stop: the fit ends with the best it has. Without any figure
#: nothing is told, it only asks whether to stop.
Report = Callable[[int, int, dict[str, float]], bool | None]


class Params(BaseModel):
    """Base of a family's parameters: frozen, unknown ones refused, a seed for whatever is random."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(17, ge=0, lt=2**31)


@dataclass(frozen=True)
class Job:
    """What a fit is given. ``validation`` is later in time than ``train``, never shuffled into it.

    ``checkpoints`` is a folder that all attempts of the same work share: what a fit leaves there, the
    next attempt finds.
    """

    task: Task
    categorical: list[str]
    numeric: list[str]
    train: Examples
    validation: Examples
    threads: int  # compute threads
    report: Report
    device: Literal["cpu", "cuda"] = "cpu"
    checkpoints: Path | None = None
    #: How long to train, where an earlier fit has found it out on its validation; that is not looked at then.
    rounds: int | None = None
    #: The same of an ensemble's members, ``inner.outer`` where those are ensembles as well; 0: not told.
    member_rounds: Mapping[str, int] = field(default_factory=dict)
    #: How training rows are dealt out for out-of-fold predictions; None leaves it to the family.
    folds: Plan | None = None
    #: Of many classes their names in the order of predictions; labels are positions in it.
    classes: tuple[str, ...] = ()
    #: Of a number the levels of the quantiles to learn, ascending, .5 among them; none: its expected value.
    quantiles: tuple[float, ...] = ()
    #: A model that the fit goes on from, which ``start_problem`` found nothing against, and its version.
    start: "Model | None" = None
    started_from: int = 0
    #: Columns of text, beside ``categorical`` and ``numeric``; a family that reads none leaves them out.
    text: list[str] = field(default_factory=list)
    #: Features to learn from the training rows first; ``prepared.fit`` does, a family is given what is made.
    fitted: tuple[Wish, ...] = ()

    @property
    def kind(self) -> TaskObject:
        """The task's own object: what a family asks instead of the task's name."""
        return task_of(self.task)


class Card(BaseModel):
    """``model.json``: what a model is, apart from its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["mlcycle.model/1"] = "mlcycle.model/1"
    family: str
    task: Task
    categorical: list[str]
    numeric: list[str]
    params: dict[str, Any]
    encoder: Encoder
    libraries: dict[str, str]  # distribution -> version it was trained with
    rounds: int = 0  # after which the fit ended or was best; 0: not told
    started_from: int = 0  # version of the model that the fit went on from, ``rounds`` counting from there
    member_rounds: dict[str, int] = {}  # the same of an ensemble's members, of which rounds has the most
    classes: list[str] = []  # of many classes their names, in the order of predictions
    quantiles: list[float] = []  # levels of those that are predicted of a number, ascending, .5 among them
    text: list[str] = []  # columns of text that its encoder, or one of its members, has learnt

    @property
    def inputs(self) -> list[str]:
        """Every column that it reads."""
        return [*self.categorical, *self.numeric, *self.text]

    @property
    def kind(self) -> TaskObject:
        """The task's own object."""
        return task_of(self.task)

    @classmethod
    def of(
        cls,
        job: Job,
        family: str,
        params: Params,
        encoder: Encoder,
        libraries: tuple[str, ...],
        rounds: int = 0,
        member_rounds: Mapping[str, int] | None = None,
    ) -> Self:
        """The card of a fit that has just ended; ``libraries`` are the distributions it used."""
        return cls(
            family=family,
            task=job.task,
            categorical=job.categorical,
            numeric=job.numeric,
            params=params.model_dump(),
            encoder=encoder,
            libraries={name: installed(name) for name in libraries},
            rounds=rounds,
            started_from=job.started_from if job.start is not None else 0,
            member_rounds=dict(member_rounds or {}),
            classes=list(job.classes),
            quantiles=list(job.quantiles),
            text=list(encoder.texts),
        )


class Model(ABC):
    """A fitted model of one family."""

    Parameters: ClassVar[type[Params]] = Params
    libraries: ClassVar[tuple[str, ...]] = ()  # distributions that prediction needs
    #: ``fit`` knows how to be one of several processes that torchrun started, one for each GPU.
    distributed: ClassVar[bool] = False
    #: ``fit`` learns many classes: labels are class numbers, predictions (n, classes) sum to one.
    many_classes: ClassVar[bool] = False
    #: ``fit`` learns ``job.quantiles`` of a number.
    learns_quantiles: ClassVar[bool] = False
    #: Its parameters name columns, or it is made of models: it is given what is delivered, and features that
    #: are fitted are its members' matter.
    names_columns: ClassVar[bool] = False
    #: ``fit`` predicts numbers; classes and rankings it does not.
    numbers_alone: ClassVar[bool] = False

    def __init__(self, card: Card) -> None:
        self.card = card

    @classmethod
    def start_problem(cls, job: Job, params: Any, start: "Model") -> str:
        """Why a fit cannot go on from another model of this family, task and inputs; empty where it can."""
        return f"family {start.card.family} has no way to go on from a model"

    @property
    def requires(self) -> tuple[str, ...]:
        """Distributions that this very model needs to predict; an ensemble's are those of its members."""
        return self.libraries

    @property
    def own_code(self) -> bool:
        """Whether it is made or read by the project's own files; an ensemble's members count."""
        family = self.card.family
        return is_reference(family) and current().holds(parts_of(family)[0])

    @property
    def nothing(self) -> Array:
        """Predictions of no row."""
        return np.empty((0, len(self.card.classes)) if self.card.kind.many else 0)

    @classmethod
    @abstractmethod
    def fit(cls, job: Job, params: Any, name: str) -> Self:
        """Fit on ``job.train``. ``name`` is the family's name in the registry."""

    @abstractmethod
    def predict(self, frame: Any) -> Array:
        """Predictions (n,) for a pandas frame with the inputs: P(label = 1), or the value.

        Of many classes (n, classes): the probability of each, in the card's order.

        Of a number whose quantiles were learnt it is the median, the very one among ``quantiles``.

        Raises InputError where an input column is missing or is not of its kind.
        """

    def quantiles(self, frame: Any) -> Array:
        """Quantiles (n, q) at the card's levels for a pandas frame, ascending in each row.

        Raises InputError for a model that has learnt none.
        """
        raise InputError(f"family {self.card.family} of this model has learnt no quantiles: train it anew")

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the weights into an existing folder."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read what ``write`` wrote. Raises IntegrityError for anything else."""


def curve_loss(task: Task, labels: Array, predictions: Array) -> float:
    """The loss that a learning curve shows: log loss, squared error, or pinball loss of said quantiles."""
    return task_of(task).curve_loss(labels, predictions)
