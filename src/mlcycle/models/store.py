"""A model as a directory: ``model.json`` beside weights that need no pickle to be read.

A model of a project's own code has that code beside it, and is read with it, whatever the project's is by
then.
"""

from pathlib import Path

from pydantic import ValidationError

from mlcycle.errors import InputError, IntegrityError
from mlcycle.models import prepared
from mlcycle.models.base import Card, Model
from mlcycle.models.calibrated import Calibrated, is_calibrated
from mlcycle.models.conformal import Conformal, is_conformal
from mlcycle.models.registry import families
from mlcycle.project_code import ProjectCode, current, is_reference, using

CARD = "model.json"
#: Where MLflow keeps a model's own folder inside its model.
IN_MLFLOW = "data/model"
CODE = "code"
MAX_CARD_BYTES = 64 * 1024 * 1024


def save(model: Model, folder: Path) -> None:
    """Write a model into a folder, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    model.write(folder)
    (folder / CARD).write_text(model.card.model_dump_json(indent=1), encoding="utf-8")
    if model.own_code:
        _write_code(folder / CODE)


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
    if is_reference(card.family) or (directory / CODE).is_dir():
        with using(_read_code(directory / CODE)):
            return _read(directory, card, path)
    return _read(directory, card, path)


def _read(directory: Path, card: Card, path: Path) -> Model:
    if card.family not in families() and not is_reference(card.family):
        raise IntegrityError(f"{path} names model family {card.family!r}: there are {', '.join(families())}")
    if is_conformal(directory):
        return Conformal.read(directory, card)
    if is_calibrated(directory):
        return Calibrated.read(directory, card)
    return prepared.read(directory, card)


def _write_code(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in current().files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def _read_code(folder: Path) -> ProjectCode:
    """The project's files as they were when the model was trained; none where it needs none."""
    files = {path.name: path.read_bytes().decode() for path in sorted(folder.glob("*.py"))}
    return ProjectCode(files)
