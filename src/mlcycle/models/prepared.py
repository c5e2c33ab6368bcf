"""A model whose rows first get features that were learnt with it: ``fitted.json`` beside its own files."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models.base import Card, Job, Model, Params
from mlcycle.models.registry import family, reader

if TYPE_CHECKING:
    from mlcycle.models.fitted.learnt import Learnt

FILE: Final = "fitted.json"
MAX_BYTES: Final = 256 * 1024 * 1024


class Prepared(Model):
    """Any model, and what a row gets before it reads it. It is no family: its card says what a row has."""

    def __init__(self, model: Model, learnt: "Learnt", card: Card) -> None:
        super().__init__(card)
        self.model, self.learnt = model, learnt

    @property
    def requires(self) -> tuple[str, ...]:
        """Distributions that the model needs."""
        return self.model.requires

    @property
    def own_code(self) -> bool:
        """Whether the model is made or read by the project's own files."""
        return self.model.own_code

    @classmethod
    def fit(cls, job: Job, params: Any, name: str) -> Self:
        """Raises NotImplementedError: ``fit`` of this module learns the features, then fits the family."""
        raise NotImplementedError("fit a family by models.prepared.fit")

    def predict(self, frame: Any) -> Array:
        """(n,) what the model says of the rows with their features."""
        return self.model.predict(self.learnt.into(frame))

    def quantiles(self, frame: Any) -> Array:
        """(n, q) of the model."""
        return self.model.quantiles(self.learnt.into(frame))

    def write(self, folder: Path) -> None:
        """The model's files, and what was learnt beside them."""
        self.model.write(folder)
        (folder / FILE).write_text(self.learnt.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """As ``store.load`` does. Raises IntegrityError where the features are not what ``write`` writes."""
        made = _read_learnt(folder / FILE)
        categorical, numeric = _inputs(card, made)
        own = card.model_copy(update={"categorical": categorical, "numeric": numeric})
        return cls(reader(folder, own).read(folder, own), made, card)


def fit(job: Job, params: Params, name: str) -> Model:
    """Fit a family, by the features that the job has learnt from its training rows, where it has any.

    Args:
        job: what the fit is given.
        params: the family's.
        name: the family's name in the registry.

    Raises InputError where the rows do not hold what a feature needs.
    """
    if not job.fitted or family(name).names_columns:
        return family(name).fit(job, params, name)
    from mlcycle.models.fitted.learnt import Learning, Widened

    learning = Learning.of(job.fitted, job.train, len(job.classes))
    made = learning.learnt
    categorical, numeric = _inputs(job, made)
    model = family(name).fit(
        replace(
            job,
            fitted=(),
            train=Widened(job.train, learning, own=True),
            validation=Widened(job.validation, learning, own=False),
            categorical=categorical,
            numeric=numeric,
        ),
        params,
        name,
    )
    raw = {"categorical": job.categorical, "numeric": job.numeric}
    return Prepared(model, made, model.card.model_copy(update=raw))


def read(folder: Path, card: Card) -> Model:
    """A family's model out of its folder, with its features where it has any.

    Raises IntegrityError where those are not what ``write`` writes.
    """
    path = folder / FILE
    if path.exists() or path.is_symlink():
        return Prepared.read(folder, card)
    return reader(folder, card).read(folder, card)


def _inputs(columns: "Job | Card", made: "Learnt") -> tuple[list[str], list[str]]:
    """What the family itself reads: categorical columns, numeric ones."""
    categorical, numeric = (
        [column for column in given if column not in made.dropped]
        for given in (columns.categorical, columns.numeric)
    )
    return categorical, [*numeric, *made.names]


def _read_learnt(path: Path) -> "Learnt":
    from mlcycle.models.fitted.learnt import Learnt

    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise IntegrityError(f"{path} is a link or too large to be fitted features")
        return Learnt.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path} cannot be read as fitted features: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise IntegrityError(f"{path} holds no fitted features: {where}: {first['msg']}") from None
