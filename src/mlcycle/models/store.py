"""A model as a directory: ``model.json`` beside weights that need no pickle to be read."""

from pathlib import Path

from pydantic import ValidationError

from mlcycle.errors import InputError, IntegrityError
from mlcycle.models.base import Card, Model
from mlcycle.models.calibrated import Calibrated, is_calibrated
from mlcycle.models.conformal import Conformal, is_conformal
from mlcycle.models.registry import families, family

CARD = "model.json"
#: Where MLflow keeps a model's own folder inside its model.
IN_MLFLOW = "data/model"
MAX_CARD_BYTES = 64 * 1024 * 1024


def save(model: Model, folder: Path) -> None:
    """Write a model into a folder, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    model.write(folder)
    (folder / CARD).write_text(model.card.model_dump_json(indent=1), encoding="utf-8")


def load(directory: Path) -> Model:
    """Read a model that ``save`` wrote, from its folder or from an MLflow model that holds it.

    Raises InputError where there is none, IntegrityError where it is not what ``save`` writes.
    Whoever does not trust the folder checks its digests first
    (``adapters.tracking.server.fetch_model`` does).
    """
    if not (directory / CARD).exists() and (directory / IN_MLFLOW / CARD).exists():
        directory = directory / IN_MLFLOW
    path = directory / CARD
    try:
        if path.is_symlink() or path.stat().st_size > MAX_CARD_BYTES:
            raise IntegrityError(f"{path} is a link or too large to be a model's card")
        card = Card.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"there is no model in {directory}: {CARD}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise IntegrityError(f"{path} is not a model's card: {where}: {first['msg']}") from None
    if card.family not in families():
        raise IntegrityError(f"{path} names model family {card.family!r}: there are {', '.join(families())}")
    if is_conformal(directory):
        return Conformal.read(directory, card)
    if is_calibrated(directory):
        return Calibrated.read(directory, card)
    return family(card.family).read(directory, card)
