"""A champion's files on this machine, checked against its manifest before anything is opened.

They come out of the local cache, else out of a copy in the artifact store, else from MLflow. So
that MLflow being away does not stop scoring, the first fetch leaves both copies behind.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlcycle.adapters.artifacts.store import ArtifactStore, sha256_file
from mlcycle.adapters.tracking.signed import check_signature
from mlcycle.contract import Output
from mlcycle.errors import InputError, IntegrityError
from mlcycle.settings import Settings


def fetch(
    settings: Settings, artifacts: ArtifactStore, model_uri: str, manifest: Mapping[str, str], digest: str
) -> Path:
    """Folder with exactly the manifest's files.

    Args:
        settings: where MLflow is, and the scratch folder below which the cache lies.
        artifacts: holds the copy.
        model_uri: the model in MLflow.
        manifest: path -> SHA-256 of every file.
        digest: of the manifest; names the copies.

    Raises:
        IntegrityError: MLflow's files are not the registered ones, or those are not as they were signed.
        Unavailable: no copy is intact and MLflow does not answer.
    """
    base = (settings.scratch or Path(tempfile.gettempdir()) / f"mlcycle-{os.getuid()}") / "models"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = base / digest
    if intact(folder, manifest):
        check_signature(settings, model_uri, manifest, folder)
        return folder
    staged = Path(tempfile.mkdtemp(prefix="fetch-", dir=base))
    try:
        found = _from_copy(artifacts, manifest, digest, staged / "copy")
        if found is None:
            from mlcycle.adapters.tracking.server import fetch_model  # not needed where a copy is at hand

            found = fetch_model(settings, model_uri, dict(manifest), staged / "mlflow")
            for path in manifest:
                artifacts.put_file(f"models/{digest}/{path}", found / path)
        if not intact(found, manifest):
            raise IntegrityError(f"the files of {model_uri} are not those of its manifest {digest[:12]}")
        check_signature(settings, model_uri, manifest, found)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            found.rename(folder)
        except OSError:  # another process put it there in this moment
            if not intact(folder, manifest):
                raise
        return folder
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def intact(folder: Path, manifest: Mapping[str, str]) -> bool:
    """Whether the folder holds the manifest's files, unchanged, and nothing else."""
    if not manifest or not folder.is_dir():
        return False
    entries = {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
    if set(entries) != set(manifest):
        return False
    return all(
        not path.is_symlink() and sha256_file(path) == manifest[name] for name, path in entries.items()
    )


def _from_copy(
    artifacts: ArtifactStore, manifest: Mapping[str, str], digest: str, folder: Path
) -> Path | None:
    """The artifact store's copy, or None where it is absent or not intact."""
    for path, expected in manifest.items():
        target = folder / path
        try:
            output = Output(uri=artifacts.uri(f"models/{digest}/{path}"), digest=expected)
            target.parent.mkdir(parents=True, exist_ok=True)
            artifacts.get_file(output, target)
        except (InputError, IntegrityError):
            return None
    return folder
