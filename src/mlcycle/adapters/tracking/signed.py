"""Whether a model is signed by a key of this deployment: looked at after its files' digests, before any is
opened. Costs a read of ``model.sig`` and one verification: files are not hashed again.
"""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mlcycle.domain import model_signature
from mlcycle.domain.model_signature import FILE, Signer
from mlcycle.errors import ConfigError, IntegrityError
from mlcycle.settings import Settings

REQUIRED = "MLCYCLE_MODEL_SIGNATURES=required"


def signer_of(settings: Settings) -> Signer | None:
    """The key to sign with, None where this step has none.

    Raises ConfigError where it is no key, and where its public key is not among those that steps trust: what
    it signs would be refused everywhere.
    """
    text = settings.model_signing_key.get_secret_value()
    if not text:
        return None
    signer = model_signature.signer(text)
    if signer.hint not in model_signature.public_keys(settings.model_public_keys):
        line = model_signature.public_line(text)
        raise ConfigError(
            "the public key of MLCYCLE_MODEL_SIGNING_KEY is not in MLCYCLE_MODEL_PUBLIC_KEYS, so that what "
            f"it signs would be refused: add {line}"
        )
    return signer


def check_signature(settings: Settings, model_uri: str, manifest: Mapping[str, str], folder: Path) -> None:
    """Raise unless the model may be used, as far as its signature goes.

    Args:
        settings: which keys are trusted, and whether there must be a signature.
        model_uri: ``models:/m-...``; its last part is the name that was signed.
        manifest: path -> SHA-256 of every file; those of the folder, as the caller has checked.
        folder: holds the files.

    Raises:
        IntegrityError: it is not signed as it should be.
        ConfigError: signatures are required, and no key to check them with is there.
    """
    name, required = model_uri.removeprefix("models:/"), settings.model_signatures == "required"
    if required and not settings.model_public_keys:
        raise ConfigError(f"{REQUIRED}, but MLCYCLE_MODEL_PUBLIC_KEYS is not set: name the keys to trust")
    if FILE not in manifest:
        if required:
            raise IntegrityError(
                f"model {name} is not signed, and {REQUIRED}: train it again, or do not require it"
            )
        if settings.model_public_keys:
            _tell(f"model {name} is not signed: its digests alone were checked")
        return
    if not settings.model_public_keys:
        _tell(f"model {name} is signed, but MLCYCLE_MODEL_PUBLIC_KEYS is not set: its digests were checked")
        return
    path = folder / FILE
    if path.stat().st_size > model_signature.MAX_BYTES:
        raise IntegrityError(f"{FILE} of model {name} is larger than any signature")
    trusted = model_signature.public_keys(settings.model_public_keys)
    model_signature.verify(path.read_bytes(), name, manifest, trusted)


@cache
def _tell(text: str) -> None:
    """Once in a process; standard error is the task's log."""
    print(text, file=sys.stderr, flush=True)
