"""Files of a logged model through MLflow's HTTP API, without MLflow's library.

Scoring and serving start within a fraction of a second this way; importing mlflow alone takes one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from mlcycle.adapters.tracking.model_files import MAX_FILES
from mlcycle.errors import ConfigError, InputError, IntegrityError, Unavailable
from mlcycle.settings import Settings

MAX_BYTES = 4 * 1024**3  # of one file: more is no model of ours, whatever its server says
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


def list_files(settings: Settings, model_uri: str) -> list[str]:
    """Paths of all files of a model. Raises as ``download`` does."""
    with _client(settings) as client:
        base = _location(client, model_uri)
        return list(_walk(client, base, ""))


def download(settings: Settings, model_uri: str, paths: Sequence[str], folder: Path) -> None:
    """Fetch files of a model below a folder. The caller has checked the paths, and checks the digests.

    Args:
        settings: where MLflow is, and how long it may take.
        model_uri: ``models:/m-...``.
        paths: relative to the model.
        folder: existing.

    Raises:
        InputError: MLflow does not know the model.
        IntegrityError: a file is missing or larger than any model's.
        Unavailable: MLflow does not answer.
    """
    with _client(settings) as client:
        base = _location(client, model_uri)
        for path in paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch(client, f"{base}/{path}", path, target)


@contextmanager
def _client(settings: Settings) -> Iterator[httpx.Client]:
    if not settings.mlflow_url:
        raise ConfigError("MLCYCLE_MLFLOW_URL is not set: models come from an MLflow server")
    try:
        with httpx.Client(base_url=settings.mlflow_url, timeout=settings.timeout) as client:
            yield client
    except httpx.HTTPStatusError as error:
        status, path = error.response.status_code, error.request.url.path
        raise Unavailable(f"MLflow at {settings.mlflow_url} answered {status} for {path}") from None
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise Unavailable(f"MLflow at {settings.mlflow_url} does not answer: {reason}") from None


def _location(client: httpx.Client, model_uri: str) -> str:
    """Path of the model's files below the server's artifacts."""
    model_id = model_uri.removeprefix("models:/")
    if not model_id.startswith("m-") or not model_id.removeprefix("m-").isalnum():
        raise InputError(f"{model_uri!r} is not the URI of a logged model: expected models:/m-...")
    answer = client.get(f"{API}/logged-models/{model_id}")
    if answer.status_code in (400, 404):
        raise InputError(f"MLflow does not know model {model_uri}")
    uri: str = answer.raise_for_status().json()["model"]["info"]["artifact_uri"]
    scheme, _, path = uri.partition(":/")
    if scheme != "mlflow-artifacts":
        raise ConfigError(f"MLflow keeps models at {uri}: start its server with --serve-artifacts")
    return path.removeprefix("/").partition("/")[2] if path.startswith("/") else path


def _walk(client: httpx.Client, base: str, below: str) -> Iterator[str]:
    root = f"{base}/{below}".rstrip("/")
    answer: dict[str, Any] = client.get(FILES, params={"path": root}).raise_for_status().json()
    entries = answer.get("files", [])
    if len(entries) > MAX_FILES:
        raise IntegrityError(f"{root} holds {len(entries)} files: no model of ours has so many")
    for entry in entries:
        name = str(entry["path"])
        path = f"{below}/{name}".removeprefix("/")
        if "/" in name or name in ("", ".", ".."):
            raise IntegrityError(f"MLflow lists {name!r}, which is no file name")
        if entry.get("is_dir"):
            yield from _walk(client, base, path)
        else:
            yield path


def _fetch(client: httpx.Client, source: str, path: str, target: Path) -> None:
    with client.stream("GET", f"{FILES}/{quote(source)}") as answer:
        if answer.status_code in (400, 404):
            raise IntegrityError(f"file {path!r} of the model is missing in MLflow")
        answer.raise_for_status()
        done = 0
        with target.open("xb") as stream:
            for chunk in answer.iter_bytes():
                done += len(chunk)
                if done > MAX_BYTES:
                    raise IntegrityError(f"file {path!r} of the model is larger than any model's")
                stream.write(chunk)
