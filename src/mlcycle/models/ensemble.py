"""Models made of models: what bagging, voting and stacking share.

Each member is a model like any other, of any family, in a folder of its own below ``members``.
"""

import shutil
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from mlcycle.domain.metrics import Array
from mlcycle.errors import ConfigError, InputError, IntegrityError, MlcycleError
from mlcycle.models import prepared
from mlcycle.models.base import Card, Job, Model, Params, curve_loss
from mlcycle.models.encoder import Encoder
from mlcycle.models.kept import Kept
from mlcycle.models.out_of_fold import within
from mlcycle.models.registry import parse_params
from mlcycle.project_code import REFERENCE

MEMBERS: Final = "members"
DEEPEST: Final = 2  # ensembles of ensembles, and no further
NAME: Final = "[a-z][a-z0-9_]{0,29}"
Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class Recipe(BaseModel):
    """A family with its parameters, as a candidate of the project file has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Annotated[str, Field(pattern=f"^({NAME})$|^({REFERENCE.pattern})$")]
    params: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _family_takes_them(self) -> Self:
        try:
            params = self.parsed()
        except ConfigError as error:
            raise ValueError(error.message) from None
        if isinstance(params, EnsembleParams) and params.depth >= DEEPEST:
            raise ValueError(
                f"an ensemble {DEEPEST + 1} deep: ensembles may have ensembles for members, no deeper"
            )
        return self

    def parsed(self) -> Params:
        """The parameters as the family's own. Raises ConfigError."""
        return parse_params(self.family, self.params)


class EnsembleParams(Params):
    """Base of the parameters of an ensemble."""

    def recipes(self) -> dict[str, Recipe]:
        """What each member is made by."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """How many ensembles lie within each other, this one counted."""
        inner = [recipe.parsed() for recipe in self.recipes().values()]
        return 1 + max((p.depth for p in inner if isinstance(p, EnsembleParams)), default=0)


class Ensemble(Model):
    """Members by name, and how their predictions become one."""

    Parameters: ClassVar[type[EnsembleParams]] = EnsembleParams
    names_columns = True

    def __init__(self, card: Card, members: dict[str, Model]) -> None:
        super().__init__(card)
        self.members = members

    @property
    def requires(self) -> tuple[str, ...]:
        """What the members need."""
        return tuple(dict.fromkeys(name for member in self.members.values() for name in member.requires))

    @property
    def own_code(self) -> bool:
        """Whether a member is of the project's own files."""
        return any(member.own_code for member in self.members.values())

    @abstractmethod
    def predict(self, frame: Any) -> Array:
        """Predictions (n,) out of the members'."""

    def write(self, folder: Path) -> None:
        """Write each member into a folder of its own."""
        from mlcycle.models.store import save

        for name, member in self.members.items():
            save(member, folder / MEMBERS / name)

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the members that the card's parameters name."""
        from mlcycle.models.store import load

        try:
            names = cls.Parameters.model_validate(card.params).recipes()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise IntegrityError(f"{folder} is not an ensemble of {card.family}: {first['msg']}") from None
        members = {}
        for name, recipe in names.items():
            try:
                members[name] = load(folder / MEMBERS / name)
            except InputError as error:
                raise IntegrityError(f"member {name!r} of the ensemble: {error.message}") from None
            found = members[name].card
            if found.family != recipe.family or found.task != card.task:
                raise IntegrityError(
                    f"member {name!r} of {folder} is a {found.task} by {found.family}: the ensemble's card "
                    f"says a {card.task} by {recipe.family}"
                )
        return cls(card, members)


class Fitting:
    """The fits of an ensemble's members, as parts of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._stopped = False

    def tell(self, done: int, of: int, losses: dict[str, float]) -> None:
        """Report a member that is done."""
        self._stopped |= bool(self.job.report(done, of, losses))

    def asks(self, done: int, of: int, _: dict[str, float]) -> bool:
        """A member's own rounds: only asked whether to stop. Once said it holds for all that come after."""
        self._stopped |= bool(self.job.report(done, of, {}))
        return self._stopped

    def of(self, name: str) -> Job:
        """The member's own job: its folder, and how long it trains where that is known."""
        below = {
            key.removeprefix(f"{name}."): rounds
            for key, rounds in self.job.member_rounds.items()
            if key.startswith(f"{name}.")
        }
        rounds = self.job.member_rounds.get(name) or None
        return within(
            replace(self.job, report=self.asks, rounds=rounds, member_rounds=below), f"{MEMBERS}-{name}"
        )

    def fit(self, name: str, family_name: str, params: Params, job: Job) -> Model:
        """Fit a member, or load what an earlier attempt has fitted."""
        from mlcycle.models.store import load, save

        length = f"{job.rounds} {dict(job.member_rounds)}"
        facts = f"{family_name} {params.model_dump_json()} {job.train.count} {length}"
        known = Kept(job.checkpoints, "model", facts)
        if known.file is not None:
            try:
                return load(known.file)
            except MlcycleError:  # not whole, as after a loss of power
                shutil.rmtree(known.file)
        model = prepared.fit(job, params, family_name)
        if not self._stopped:
            known.keep_now(lambda folder: save(model, folder))
        return model


def card_of(job: Job, name: str, params: Params, members: Mapping[str, Model]) -> Card:
    """The card of an ensemble that has just been fitted."""
    rounds: dict[str, int] = {}
    for key, member in members.items():
        rounds[key] = member.card.rounds
        rounds |= {f"{key}.{inner}": count for inner, count in member.card.member_rounds.items()}
    libraries = tuple(dict.fromkeys(lib for member in members.values() for lib in member.card.libraries))
    nothing = Encoder(categories={}, numeric=[])
    card = Card.of(job, name, params, nothing, libraries, max(rounds.values()), rounds)
    read = {column for member in members.values() for column in member.card.text}
    return card.model_copy(update={"text": [column for column in job.text if column in read]})


def mean(predictions: list[Array], weights: list[float] | None = None) -> Array:
    """The mean of members' predictions, (n,)."""
    shares = np.ones(len(predictions)) if weights is None else np.array(weights)
    found: Array = shares / shares.sum() @ np.stack(predictions)
    return found


def losses(job: Job, train: Array, validation: Array) -> dict[str, float]:
    """Both losses of predictions for the rows."""
    return {
        "train_loss": curve_loss(job.task, job.train.whole().labels, train),
        "validation_loss": curve_loss(job.task, job.validation.whole().labels, validation),
    }
