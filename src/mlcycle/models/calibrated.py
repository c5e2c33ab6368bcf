"""A model whose probabilities go through a curve: ``calibrator.json`` beside the model's own files."""

from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError

from mlcycle.domain.evaluation.calibrator import Calibrator
from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models import prepared
from mlcycle.models.base import Card, Job, Model

FILE: Final = "calibrator.json"
MAX_BYTES: Final = 64 * 1024 * 1024


class Calibrated(Model):
    """Any model, and a curve that all it says goes through. It is no family: it has its model's card."""

    def __init__(self, model: Model, calibrator: Calibrator) -> None:
        super().__init__(model.card)
        self.model, self.calibrator = model, calibrator

    @property
    def requires(self) -> tuple[str, ...]:
        """Distributions that the model needs."""
        return self.model.requires

    @classmethod
    def fit(cls, job: Job, params: Any, name: str) -> Self:
        """Raises NotImplementedError: a family is fitted, then its curve on rows that it has not learnt."""
        raise NotImplementedError("fit a family, then calibrate what came of it")

    def predict(self, frame: Any) -> Array:
        """(n,) the model's probabilities through the curve."""
        return self.calibrator(self.model.predict(frame))

    def write(self, folder: Path) -> None:
        """The model's files, and the curve beside them."""
        self.model.write(folder)
        (folder / FILE).write_text(self.calibrator.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """As ``store.load`` does. Raises IntegrityError where the curve is not one."""
        return cls(prepared.read(folder, card), read_calibrator(folder))


def is_calibrated(folder: Path) -> bool:
    """Whether a model's folder holds a curve."""
    return (folder / FILE).exists() or (folder / FILE).is_symlink()


def read_calibrator(folder: Path) -> Calibrator:
    """The curve in a model's folder. Raises IntegrityError where it is not what ``write`` writes."""
    path = folder / FILE
    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise IntegrityError(f"{path} is a link or too large to be a calibration curve")
        return Calibrator.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path} cannot be read as a calibration curve: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise IntegrityError(f"{path} is not a calibration curve: {where}: {first['msg']}") from None


def calibrator_of(model: Model) -> Calibrator | None:
    """The curve that a model's probabilities go through, None where there is none."""
    return model.calibrator if isinstance(model, Calibrated) else None
