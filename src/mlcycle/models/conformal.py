"""A model whose quantiles are shifted: ``conformal.json`` beside the model's own files."""

from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError

from mlcycle.domain.evaluation.conformal import Shifts
from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models import prepared
from mlcycle.models.base import Card, Job, Model

FILE: Final = "conformal.json"
MAX_BYTES: Final = 1024 * 1024


class Conformal(Model):
    """Any model of quantiles, and what is added to each of them. It is no family: it has its model's card."""

    def __init__(self, model: Model, shifts: Shifts) -> None:
        super().__init__(model.card)
        self.model, self.shifts = model, shifts

    @property
    def requires(self) -> tuple[str, ...]:
        """Distributions that the model needs."""
        return self.model.requires

    @classmethod
    def fit(cls, job: Job, params: Any, name: str) -> Self:
        """Raises NotImplementedError: a family is fitted, then its shifts on rows that it has not learnt."""
        raise NotImplementedError("fit a family, then find the shifts of what came of it")

    def predict(self, frame: Any) -> Array:
        """(n,) the median of the shifted quantiles."""
        found: Array = self.quantiles(frame)[:, self.shifts.levels.index(0.5)]
        return found

    def quantiles(self, frame: Any) -> Array:
        """(n, q) of the model, shifted, ascending in each row."""
        return self.shifts(self.model.quantiles(frame))

    def write(self, folder: Path) -> None:
        """The model's files, and the shifts beside them."""
        self.model.write(folder)
        (folder / FILE).write_text(self.shifts.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """As ``store.load`` does. Raises IntegrityError where the shifts are not of the card's levels."""
        shifts = _read(folder)
        if shifts.levels != card.quantiles or len(shifts.shifts) != len(card.quantiles):
            raise IntegrityError(f"{folder / FILE} is not of the quantiles that the model's card names")
        return cls(prepared.read(folder, card), shifts)


def is_conformal(folder: Path) -> bool:
    """Whether a model's folder holds shifts."""
    return (folder / FILE).exists() or (folder / FILE).is_symlink()


def _read(folder: Path) -> Shifts:
    path = folder / FILE
    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise IntegrityError(f"{path} is a link or too large to be conformal shifts")
        return Shifts.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path} cannot be read as conformal shifts: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise IntegrityError(f"{path} holds no conformal shifts: {where}: {first['msg']}") from None


def shifts_of(model: Model) -> Shifts | None:
    """What a model's quantiles are shifted by, None where they are not."""
    return model.shifts if isinstance(model, Conformal) else None
