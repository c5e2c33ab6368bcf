"""The manifest of a model: the SHA-256 of every one of its files, checked before any is opened."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mlcycle.adapters.artifacts.store import sha256_file
from mlcycle.errors import IntegrityError

MAX_FILES = 1000


def manifest_of(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file below a folder. Raises IntegrityError for a link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise IntegrityError(f"{path} is a link: a model is made of plain files")
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = sha256_file(path)
    return found


def manifest_digest(manifest: Mapping[str, str]) -> str:
    """One SHA-256 that stands for the whole manifest."""
    return hashlib.sha256(json.dumps(dict(manifest), sort_keys=True).encode()).hexdigest()


def made_of(manifest: Mapping[str, str]) -> dict[str, str]:
    """The files that make a model what it is: weights, code, requirements.

    ``MLmodel`` names its run and moment, and the signature signs that.
    """
    return {
        path: digest
        for path, digest in manifest.items()
        if path.startswith(("data/", "code/")) or path == "requirements.txt"
    }


def copy_path(digest: str, path: str) -> str:
    """Where the artifact store keeps a copy of a registered model's file."""
    return f"models/{digest}/{path}"


def check_manifest(manifest: Mapping[str, str]) -> None:
    """Raise IntegrityError where a manifest is empty, or a path in it could lead out of a folder."""
    if not manifest or len(manifest) > MAX_FILES:
        raise IntegrityError(f"a model's manifest names 1 to {MAX_FILES} files, this one {len(manifest)}")
    for path, digest in manifest.items():
        parts = PurePosixPath(path).parts
        plain = path == "/".join(parts) and not set(parts) & {"..", ".", "/"} and parts
        if not plain or path.startswith("/") or "\\" in path or "\0" in path or ":" in path:
            raise IntegrityError(f"the model's manifest names {path!r}, which is no path inside a model")
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise IntegrityError(f"the model's manifest has no SHA-256 for {path!r}")


def check_folder(folder: Path, manifest: Mapping[str, str]) -> None:
    """Raise IntegrityError unless the folder holds exactly the manifest's files, unchanged."""
    check_manifest(manifest)
    found = manifest_of(folder)
    for path in sorted(set(manifest) | set(found)):
        if path not in found:
            raise IntegrityError(f"file {path!r} of the model is missing")
        if path not in manifest:
            raise IntegrityError(f"file {path!r} is not in the model's manifest")
        if found[path] != manifest[path]:
            raise IntegrityError(
                f"file {path!r} of the model has digest {found[path][:12]}, expected {manifest[path][:12]}"
            )
