"""The last look at a model's files before it becomes the champion."""

from pathlib import Path

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.tracking.server import fetch_model
from mlcycle.errors import Unavailable
from mlcycle.ledger.champion import Champion
from mlcycle.ledger.models import ModelVersion
from mlcycle.settings import Settings


def check_again(
    settings: Settings, artifacts: ArtifactStore, model: ModelVersion | Champion, folder: Path
) -> str:
    """Fetch the model's files and check them against the ledger's manifest; nothing is opened.

    MLflow being away must not stop a promotion or a rollback: the copy made at registration is
    checked instead, and the answer says so (empty where MLflow's own files were checked).

    Raises IntegrityError where files changed, Unavailable where no files can be had at all.
    """
    try:
        fetch_model(settings, model.model_uri, model.manifest, folder)
    except Unavailable as error:
        model_cache.fetch(settings, artifacts, model.model_uri, model.manifest, model.manifest_digest)
        return f"{error.message}; the copy in the artifact store was checked instead"
    return ""
