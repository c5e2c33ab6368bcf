"""Files that rows name (pictures, recordings): their bytes by digest, out of the artifact store.

A delivery's columns of files are kept when it is validated: the table then holds ``sha256:...`` in place of
where the file lay, so that a row means the same bytes for ever. Code of a project's own reads them here; what
was read once lies in the scratch folder for the next time.
"""

import hashlib
import re
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlcycle.errors import ConfigError, InputError, IntegrityError, Unavailable

FOLDER: Final = "files"
AT_ONCE: Final = 8
REFERENCE: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class _Place:
    artifacts_url: str
    cache: Path | None


_place: list[_Place] = []


def use(artifacts_url: str, scratch: Path | None) -> None:
    """Where this process reads files from, and keeps what it has read."""
    _place[:] = [_Place(artifacts_url.rstrip("/"), None if scratch is None else scratch / FOLDER)]


def path_of(digest: str) -> str:
    """Where a file lies in the artifact store; two letters of the digest spread them over folders."""
    return f"{FOLDER}/{digest[:2]}/{digest}"


def read(reference: str) -> bytes:
    """The bytes that a row's ``sha256:...`` stands for.

    Raises InputError for what is no such reference or a file that is not there, IntegrityError where its
    bytes are others, Unavailable where the artifact store does not answer.
    """
    found = REFERENCE.fullmatch(reference)
    if found is None:
        raise InputError(f"{reference[:80]!r} is no file that was kept: sha256: and its digest are expected")
    if not _place:
        raise ConfigError("files are read within a step, a trial or a notebook of mlcycle")
    place, digest = _place[0], found.group(1)
    cached = None if place.cache is None else place.cache / digest[:2] / digest
    if cached is not None and cached.exists():
        return _checked(cached.read_bytes(), digest)
    import fsspec

    fs, root = fsspec.core.url_to_fs(place.artifacts_url)
    try:
        data = bytes(fs.cat_file(f"{root}/{path_of(digest)}"))
    except FileNotFoundError:
        raise InputError(f"file sha256:{digest[:12]}... is not in the artifact store") from None
    except OSError as error:
        raise Unavailable(f"the artifact store does not answer: {error}") from None
    _checked(data, digest)
    if cached is not None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        staged = cached.with_name(f"{uuid.uuid4().hex}.part")
        staged.write_bytes(data)
        staged.replace(cached)
    return data


def read_all(references: Sequence[str]) -> list[bytes]:
    """Many of them, several at once, in order. Raises as ``read``."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(read, references))


def _checked(data: bytes, digest: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise IntegrityError(
            f"file sha256:{digest[:12]}... holds other bytes: the artifact store was changed"
        )
    return data
